/**
 * Builds the response of `status`, `start` and `stop`. Reads the database and the scheduler job; changes nothing.
 * Invariant: a value that is not known is null, with the time since when.
 */
import type { Config } from '../config.ts';
import { credentialFingerprint } from '../credentials.ts';
import { readConsumers } from '../db/consumer-backlogs.ts';
import type { Queryable } from '../db/database.ts';
import { readIncidents } from '../db/incidents.ts';
import { readFailingMessages, readMailboxes } from '../db/mailbox-status.ts';
import { type MonitorStatus, readMonitorStatus } from '../db/monitor-status.ts';
import { readReconciliationResults } from '../db/reconciliation-results.ts';
import { findRejectedListings } from '../db/rejected-listings.ts';
import { readRetention } from '../db/retention.ts';
import { toAppError } from '../errors.ts';
import type { RetentionStatus } from '../schemas/retention.ts';
import type { SchedulerStatus, Status } from '../schemas/status.ts';
import { adviceFor, adviceText } from './advice.ts';
import { findPollingGap, stateWithoutMailbox } from './mailbox-state.ts';
import { toMailboxStatus } from './mailbox-status-response.ts';
import type { Monitor } from './monitor.ts';
import type { SchedulerJob } from './scheduler-job.ts';

const SHOWN_INCIDENTS = 5;

/** @throws {AppError} an error of the database; an error of Cloud Scheduler becomes part of the response */
export async function readStatus({ config, db, scheduler: job }: Monitor): Promise<Status> {
  const [monitor, mailboxes, failing, reconciliations, rejected, consumers, retention] = await Promise.all([
    readMonitorStatus(db),
    readMailboxes(db),
    readFailingMessages(db),
    readReconciliationResults(db),
    findRejectedListings(db),
    readConsumers(db),
    readRetentionStatus(config, db),
  ]);
  const fingerprint = currentFingerprint(config, monitor);
  const facts = mailboxes.map((mailbox) => ({
    mailbox,
    isCurrent: fingerprint !== null && mailbox.credential_fingerprint === fingerprint,
    failing: failing.get(mailbox.id) ?? null,
    missingCount: reconciliations.get(mailbox.id)?.newest.missing_count ?? 0,
    monitor,
    pollIntervalSeconds: config.pollIntervalSeconds,
    runBudgetSeconds: config.runBudgetSeconds,
    isPushConfigured: config.pubsubTopic !== null,
  }));
  const [scheduler, mailboxStatuses] = await Promise.all([
    readScheduler(job, config, monitor.isRunning),
    Promise.all(
      facts.map(async (one) => {
        const incidents = await readIncidents(db, one.mailbox.id, SHOWN_INCIDENTS);
        return toMailboxStatus(one, incidents, reconciliations.get(one.mailbox.id) ?? null);
      }),
    ),
  ]);
  const currentMailbox = mailboxStatuses.find((mailbox) => mailbox.is_current);
  const body = {
    is_running: monitor.isRunning,
    last_poll_at: monitor.lastPollAt,
    last_error:
      config.credentialProblems.length > 0 ? config.credentialProblems.join('; ') : monitor.lastError,
    emails_processed_total: monitor.emailsProcessedTotal,
    state:
      fingerprint === null
        ? ('not_configured' as const)
        : (currentMailbox?.state ?? stateWithoutMailbox(monitor, config.pollIntervalSeconds)),
    scheduler,
    mailboxes: mailboxStatuses,
    consumers,
    retention,
  };
  const currentFacts = facts.find((one) => one.isCurrent);
  const items = adviceFor(body, {
    config,
    hasCredentials: fingerprint !== null,
    now: monitor.readAt,
    lastErrorCode: monitor.lastErrorCode,
    pollingGap:
      currentFacts === undefined
        ? { kind: 'no_run_begins', since: monitor.updatedAt }
        : findPollingGap(currentFacts),
    rejectedListings: rejected,
  });
  return { ...body, advice: items.map(adviceText), advice_items: items };
}

async function readRetentionStatus(
  { retentionDays: days }: Config,
  db: Queryable,
): Promise<RetentionStatus | null> {
  if (days === null) return null;
  const {
    blocked_count: count,
    blocked_reason: reason,
    uncompleted,
    ...progress
  } = await readRetention(db, days);
  return {
    days,
    ...progress,
    blocked: reason === null ? null : { count, reason },
    uncompleted: [...uncompleted],
  };
}

/** Of the configured credentials, or of those that the functions which hold them have recorded. */
function currentFingerprint(config: Config, monitor: MonitorStatus): string | null {
  if (config.areCredentialsHeldElsewhere) return monitor.credentialFingerprint;
  return config.gmail === null ? null : credentialFingerprint(config.gmail);
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
