/**
 * Builds the response of `status`, `start` and `stop`. Reads the database and the scheduler job; changes nothing.
 * One read covers all mailboxes, so that 10,000 of them need no more statements than one. Details are read for those that are
 * shown.
 * Invariant: a value that is not known is null, with the time since when.
 */
import { DAY_SECONDS } from '../../bucket/collect-objects.ts';
import type { Config } from '../../config.ts';
import { credentialFingerprint } from '../../credentials.ts';
import type { Queryable } from '../../db/database.ts';
import { readIncidents } from '../../db/incidents.ts';
import { type MonitorStatus, readMonitorStatus } from '../../db/monitor-status.ts';
import { readRetention } from '../../db/retention.ts';
import { AppError, toAppError } from '../../errors.ts';
import type { MailboxStatus } from '../../schemas/mailbox-status.ts';
import type { MailboxPage } from '../../schemas/mailboxes.ts';
import type { RetentionStatus } from '../../schemas/retention.ts';
import type { State } from '../../schemas/state.ts';
import type { SchedulerStatus, Status } from '../../schemas/status.ts';
import type { Monitor } from '../monitor.ts';
import type { SchedulerJob } from '../scheduler-job.ts';
import { adviceFor, adviceText } from './advice.ts';
import { readBucketBacklog } from './bucket-backlog.ts';
import { readConsumers } from './consumer-backlogs.ts';
import { readMailboxDetails } from './mailbox-details.ts';
import { findPollingGap, type PollingGap, stateWithoutMailbox } from './mailbox-state.ts';
import { type FailingRow, type MailboxRow, readFailingMessages, readMailboxes } from './mailbox-status.ts';
import { type MailboxSummary, summarize, toMailboxStatus } from './mailbox-status-response.ts';
import { byUrgency, totalsOf, worstState } from './mailbox-totals.ts';
import { readReconciliationResults } from './reconciliation-results.ts';
import { findRejectedListings } from './rejected-listings.ts';

const SHOWN_INCIDENTS = 5;
const SHOWN_MAILBOXES = 100;

/**
 * @param address in lower case: the state, the totals, the mailboxes and the advice are of this mailbox only. Null: of all
 * @throws {AppError} mailbox_unknown for an unknown address, an error of the database; an error of Cloud Scheduler becomes part of the
 *   response
 */
export async function readStatus(
  { config, db, scheduler: job }: Monitor,
  address: string | null = null,
): Promise<Status> {
  const [monitor, mailboxes, failing, rejected, consumers, retention, uncollected] = await Promise.all([
    readMonitorStatus(db),
    readMailboxes(db, ownFingerprint(config)),
    readFailingMessages(db),
    findRejectedListings(db),
    readConsumers(db),
    readRetentionStatus(config, db),
    readBucketBacklog(db, DAY_SECONDS),
  ]);
  const own = ownFingerprint(config);
  const fingerprint = own === 'recorded' ? monitor.credentialFingerprint : own;
  const all = summarizeAll(config, monitor, mailboxes, failing);
  const hasUnknownFirst = fingerprint !== null && !mailboxes.some((mailbox) => mailbox.is_first);
  const selected = selectMailboxes(all, address);
  // The first mailbox has no address until Gmail has answered.
  const isFirstUnidentified = hasUnknownFirst && address === null;
  const firstState = isFirstUnidentified ? stateWithoutMailbox(monitor, config.pollIntervalSeconds) : null;
  const [scheduler, shown] = await Promise.all([
    readScheduler(job, config, monitor.isRunning),
    readShown(db, selected.slice(0, SHOWN_MAILBOXES)),
  ]);
  const state = worstState(selected, firstState);
  const body = {
    is_running: monitor.isRunning,
    last_poll_at: monitor.lastPollAt,
    last_error:
      config.credentialProblems.length > 0
        ? config.credentialProblems.join('; ')
        : isErrorOfPause(all, state)
          ? null
          : monitor.lastError,
    emails_processed_total: monitor.emailsProcessedTotal,
    state,
    scheduler,
    mailbox_count: all.filter(({ facts }) => facts.isCurrent).length + (hasUnknownFirst ? 1 : 0),
    totals: totalsOf(selected, firstState),
    mailboxes: shown,
    consumers,
    retention,
    uncollected_objects: uncollected,
  };
  const items = adviceFor(body, {
    config,
    hasCredentials: fingerprint !== null,
    now: monitor.readAt,
    mailboxes: selected.map((one) => one.advised),
    lastErrorCode: monitor.lastErrorCode,
    isFirstUnidentified,
    pollingGaps: [...(firstState === 'not_polling' ? [firstGap(monitor)] : []), ...selected.flatMap(gapOf)],
    rejectedListings: rejected.filter((listing) => address === null || listing.address === address),
  });
  return { ...body, advice: items.map(adviceText), advice_items: items };
}

/** No run replaces the error of a paused first mailbox. It is shown only while it explains the state. */
function isErrorOfPause(all: readonly MailboxSummary[], state: State): boolean {
  const first = all.find(({ facts }) => facts.mailbox.is_first);
  return first?.facts.mailbox.is_paused === true && (first.state !== state || state === 'stopped');
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

/**
 * Reads a page of the mailboxes in the order of `status`.
 *
 * @param contains in lower case, a part of the address; empty: every mailbox
 * @param offset of the first mailbox of the page
 */
export async function readMailboxPage(
  { config, db }: Pick<Monitor, 'config' | 'db'>,
  { contains, offset }: { readonly contains: string; readonly offset: number },
): Promise<MailboxPage> {
  const [monitor, mailboxes, failing] = await Promise.all([
    readMonitorStatus(db),
    readMailboxes(db, ownFingerprint(config)),
    readFailingMessages(db),
  ]);
  const found = summarizeAll(config, monitor, mailboxes, failing)
    .filter(({ advised }) => advised.email_address.includes(contains))
    .toSorted(byUrgency);
  return {
    mailboxes: await readShown(db, found.slice(offset, offset + SHOWN_MAILBOXES)),
    found_count: found.length,
  };
}

function summarizeAll(
  config: Config,
  monitor: MonitorStatus,
  mailboxes: readonly MailboxRow[],
  failing: ReadonlyMap<number, FailingRow>,
): MailboxSummary[] {
  return mailboxes.map((mailbox) =>
    summarize({
      mailbox,
      isCurrent: mailbox.access === 'refresh_token' || mailbox.access === 'delegation' || mailbox.is_first,
      failing: mailbox.id === null ? null : (failing.get(mailbox.id) ?? null),
      monitor,
      pollIntervalSeconds: config.pollIntervalSeconds,
      runBudgetSeconds: config.runBudgetSeconds,
      isPushConfigured: config.pubsubTopic !== null,
    }),
  );
}

/** @throws {AppError} mailbox_unknown */
function selectMailboxes(all: readonly MailboxSummary[], address: string | null): MailboxSummary[] {
  if (address === null) return all.toSorted(byUrgency);
  const selected = all.filter(({ advised }) => advised.email_address === address);
  if (selected.length > 0) return selected;
  throw new AppError(
    'mailbox_unknown',
    'No mailbox has this address. Without `mailbox`, status lists the mailboxes.',
  );
}

async function readShown(db: Queryable, shown: readonly MailboxSummary[]): Promise<MailboxStatus[]> {
  const ids = shown.flatMap(({ facts }) => (facts.mailbox.id === null ? [] : [facts.mailbox.id]));
  const [details, results, incidents] = await Promise.all([
    readMailboxDetails(db, ids),
    readReconciliationResults(db, ids),
    readIncidents(db, ids, SHOWN_INCIDENTS),
  ]);
  return shown.map((one) => {
    const id = one.facts.mailbox.id ?? 0;
    return toMailboxStatus(one, {
      details: details.get(id),
      incidents: incidents.get(id) ?? [],
      results: results.get(id),
    });
  });
}

interface AddressedGap {
  readonly address: string;
  readonly gap: PollingGap;
}

function gapOf({ advised, facts, state }: MailboxSummary): AddressedGap[] {
  const gap = state === 'not_polling' ? findPollingGap(facts) : null;
  return gap === null ? [] : [{ address: advised.email_address, gap }];
}

function firstGap({ updatedAt }: MonitorStatus): AddressedGap {
  return { address: 'the first mailbox', gap: { kind: 'no_run_begins', since: updatedAt } };
}

/** Of the configured credentials; `recorded`: the functions that hold them have recorded it. */
function ownFingerprint(config: Config): string | null | 'recorded' {
  if (config.areCredentialsHeldElsewhere) return 'recorded';
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
