/** The answer of `status`: what runs, how far it is, what is wrong, and what to do about it. */
import type { Config } from '../config.ts';
import { credentialFingerprint } from '../credentials.ts';
import { type Incident, readIncidents } from '../db/incidents.ts';
import { type MonitorStatus, readMonitorStatus } from '../db/monitor-status.ts';
import { type MailboxOverview, readOverview } from '../db/overview.ts';
import { findRefusedListings } from '../db/refused-listings.ts';
import { remediationFor, requiresOperator, toAppError } from '../errors.ts';
import type { SchedulerJob } from '../scheduler/scheduler-job.ts';
import { adviceFor } from './advice.ts';
import type { Monitor } from './switch.ts';

export type State =
  | 'not_configured'
  | 'reauth_required'
  | 'access_denied'
  | 'stopped'
  | 'backing_off'
  /** Push could not be set up or renewed; polling goes on. */
  | 'watch_failing'
  | 'starting'
  | 'catching_up'
  | 'watching';

export interface MailboxStatus {
  readonly email_address: string;
  /** The configured credentials reach this one; others are remembered from earlier credentials. */
  readonly is_current: boolean;
  readonly state: State;
  readonly cursor_history_id: string;
  readonly last_success_at: Date | null;
  readonly next_poll_at: Date | null;
  readonly failure_count: number;
  readonly last_error: {
    readonly code: string;
    readonly detail: string | null;
    readonly remediation: string | null;
  } | null;
  /** The instance that works on it now. */
  readonly lease_holder: string | null;
  readonly is_listing: boolean;
  readonly ledger: MailboxOverview['ledger'];
  readonly oldest_pending_at: Date | null;
  readonly last_push_at: Date | null;
  /** Push; null when none is registered and none has failed. */
  readonly watch: {
    readonly topic: string | null;
    readonly expires_at: Date | null;
    readonly error: Fault | null;
  } | null;
  /** "Gmail n, ledger n, missing 0, at t"; null before the first proof. */
  readonly proof: {
    readonly proved_at: Date;
    readonly since: Date | null;
    readonly gmail_count: number;
    readonly ledger_count: number;
    readonly missing_count: number;
    /** The last proof of everything since the first start. */
    readonly whole: {
      readonly proved_at: Date;
      readonly gmail_count: number;
      readonly missing_count: number;
    } | null;
  } | null;
  /** The open ones, and the last five that have ended. */
  readonly incidents: readonly {
    readonly kind: string;
    readonly opened_at: Date;
    readonly closed_at: Date | null;
    readonly detail: Readonly<Record<string, unknown>>;
  }[];
}

interface Fault {
  readonly code: string;
  readonly detail: string | null;
  readonly remediation: string | null;
}

export interface SchedulerStatus {
  readonly job: string;
  readonly state: string;
  readonly schedule: string | null;
  readonly last_attempt_at: Date | null;
  readonly next_run_at: Date | null;
  /** The job is enabled exactly while the monitor runs; null when the job's state cannot be read. */
  readonly agrees: boolean | null;
  readonly error: { readonly code: string; readonly detail: string; readonly remediation: string } | null;
}

export interface StatusBody {
  readonly is_running: boolean;
  readonly last_poll_at: Date | null;
  readonly last_error: string | null;
  readonly emails_processed_total: number;
  readonly state: State;
  readonly scheduler: SchedulerStatus | null;
  readonly mailboxes: readonly MailboxStatus[];
  readonly advice: readonly string[];
}

const SHOWN_INCIDENTS = 5;

/** @throws {AppError} when the database is away; a scheduler that is away is part of the answer */
export async function readStatus(monitor: Monitor): Promise<StatusBody> {
  const { config, db } = monitor;
  const [status, overviews] = await Promise.all([readMonitorStatus(db), readOverview(db)]);
  const scheduler = await readScheduler(monitor.scheduler, config, status.isRunning);
  const current = config.gmail === null ? null : credentialFingerprint(config.gmail);
  const mailboxes = await Promise.all(
    overviews.map(async (overview) =>
      toMailboxStatus(
        overview,
        status,
        overview.credentialFingerprint === current && current !== null,
        await readIncidents(db, overview.id, SHOWN_INCIDENTS),
      ),
    ),
  );
  const body = {
    is_running: status.isRunning,
    last_poll_at: status.lastPollAt,
    last_error: status.lastError,
    emails_processed_total: status.emailsProcessedTotal,
    state: stateOf(config, status, mailboxes),
    scheduler,
    mailboxes,
  };
  return { ...body, advice: adviceFor(body, config, status, await findRefusedListings(db)) };
}

function stateOf(config: Config, status: MonitorStatus, mailboxes: readonly MailboxStatus[]): State {
  if (config.gmail === null) return 'not_configured';
  const current = mailboxes.find((mailbox) => mailbox.is_current);
  if (current !== undefined) return current.state;
  // New credentials that have not reached their mailbox yet.
  if (requiresOperator(status.lastErrorCode)) return personState(status.lastErrorCode);
  return status.isRunning ? 'starting' : 'stopped';
}

function mailboxState(overview: MailboxOverview, status: MonitorStatus): State {
  if (requiresOperator(overview.lastErrorCode)) return personState(overview.lastErrorCode);
  if (!status.isRunning) return 'stopped';
  if (overview.failureCount > 0) return 'backing_off';
  if (overview.lastSuccessAt === null) return 'starting';
  if (overview.watch.errorCode !== null) return 'watch_failing';
  return overview.ledger.pending > 0 || overview.isListing ? 'catching_up' : 'watching';
}

function personState(code: string): State {
  return code === 'reauth_required' ? 'reauth_required' : 'access_denied';
}

function toMailboxStatus(
  overview: MailboxOverview,
  status: MonitorStatus,
  isCurrent: boolean,
  incidents: readonly Incident[],
): MailboxStatus {
  return {
    email_address: overview.emailAddress,
    is_current: isCurrent,
    state: mailboxState(overview, status),
    cursor_history_id: overview.cursorHistoryId,
    last_success_at: overview.lastSuccessAt,
    next_poll_at: overview.nextPollAt,
    failure_count: overview.failureCount,
    last_error:
      overview.lastErrorCode === null
        ? null
        : { code: overview.lastErrorCode, detail: overview.lastError, remediation: remediationFor(overview.lastErrorCode) },
    lease_holder: overview.leaseHolder,
    is_listing: overview.isListing,
    ledger: overview.ledger,
    oldest_pending_at: overview.oldestPendingAt,
    last_push_at: overview.hintAt,
    watch: toWatch(overview),
    proof: toProof(overview),
    incidents: incidents.map((incident) => ({
      kind: incident.kind,
      opened_at: incident.openedAt,
      closed_at: incident.closedAt,
      detail: incident.detail,
    })),
  };
}

function toWatch({ watch }: MailboxOverview): MailboxStatus['watch'] {
  if (watch.topic === null && watch.errorCode === null) return null;
  const error =
    watch.errorCode === null
      ? null
      : { code: watch.errorCode, detail: watch.error, remediation: remediationFor(watch.errorCode) };
  return { topic: watch.topic, expires_at: watch.expiresAt, error };
}

function toProof({ proof }: MailboxOverview): MailboxStatus['proof'] {
  if (proof === null) return null;
  return {
    proved_at: proof.provedAt,
    since: proof.since,
    gmail_count: proof.gmailCount,
    ledger_count: proof.ledgerCount,
    missing_count: proof.missingCount,
    whole:
      proof.whole === null
        ? null
        : {
            proved_at: proof.whole.provedAt,
            gmail_count: proof.whole.gmailCount,
            missing_count: proof.whole.missingCount,
          },
  };
}

async function readScheduler(
  job: SchedulerJob | null,
  config: Config,
  isRunning: boolean,
): Promise<SchedulerStatus | null> {
  if (job === null || config.schedulerJob === null) return null;
  try {
    const read = await job.read();
    return {
      job: read.name,
      state: read.state,
      schedule: read.schedule,
      last_attempt_at: read.lastAttemptAt,
      next_run_at: read.nextRunAt,
      agrees: (read.state === 'enabled') === isRunning,
      error: null,
    };
  } catch (thrown) {
    const { code, message, remediation } = toAppError(thrown);
    return {
      job: config.schedulerJob,
      state: 'unknown',
      schedule: null,
      last_attempt_at: null,
      next_run_at: null,
      agrees: null,
      error: { code, detail: message, remediation },
    };
  }
}
