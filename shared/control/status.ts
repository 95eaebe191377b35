/**
 * Builds the answer of `status`, `start` and `stop`. Reads the database and the scheduler job, and changes nothing.
 * Invariant: a figure that is not known is null, with the time since when.
 */
import type { Config } from '../config.ts';
import { credentialFingerprint } from '../credentials.ts';
import { readIncidents } from '../db/incidents.ts';
import { readFailingMessages, readMailboxes } from '../db/mailbox-status.ts';
import { readMonitorStatus } from '../db/monitor-status.ts';
import { readReconciliationResults } from '../db/reconciliation-results.ts';
import { findRejectedListings } from '../db/rejected-listings.ts';
import { toAppError } from '../errors.ts';
import type { SchedulerStatus, Status } from '../schemas/status.ts';
import { adviceFor, adviceSentence } from './advice.ts';
import { toMailboxStatus } from './mailbox-status.ts';
import type { Monitor } from './running-flag.ts';
import type { SchedulerJob } from './scheduler-job.ts';
import { findSilence, stateWithoutMailbox } from './state.ts';

const SHOWN_INCIDENTS = 5;

/** @throws {AppError} when the database does not answer; a scheduler that does not answer is part of the answer */
export async function readStatus({ config, db, scheduler: job }: Monitor): Promise<Status> {
  const [monitor, mailboxes, failing, reconciliations, rejected] = await Promise.all([
    readMonitorStatus(db),
    readMailboxes(db),
    readFailingMessages(db),
    readReconciliationResults(db),
    findRejectedListings(db),
  ]);
  const current = config.gmail === null ? null : credentialFingerprint(config.gmail);
  const facts = mailboxes.map((mailbox) => ({
    mailbox,
    isCurrent: current !== null && mailbox.credential_fingerprint === current,
    failing: failing.get(mailbox.id) ?? null,
    monitor,
    pollIntervalSeconds: config.pollIntervalSeconds,
    runBudgetSeconds: config.runBudgetSeconds,
    isPushConfigured: config.pubsubTopic !== null,
  }));
  const [scheduler, shown] = await Promise.all([
    readScheduler(job, config, monitor.isRunning),
    Promise.all(
      facts.map(async (one) => {
        const incidents = await readIncidents(db, one.mailbox.id, SHOWN_INCIDENTS);
        return toMailboxStatus(one, incidents, reconciliations.get(one.mailbox.id) ?? null);
      }),
    ),
  ]);
  const reached = shown.find((mailbox) => mailbox.is_current);
  const body = {
    is_running: monitor.isRunning,
    last_poll_at: monitor.lastPollAt,
    last_error:
      config.credentialProblems.length > 0 ? config.credentialProblems.join('; ') : monitor.lastError,
    emails_processed_total: monitor.emailsProcessedTotal,
    state:
      config.gmail === null
        ? ('not_configured' as const)
        : (reached?.state ?? stateWithoutMailbox(monitor, config.pollIntervalSeconds)),
    scheduler,
    mailboxes: shown,
  };
  const currentFacts = facts.find((one) => one.isCurrent);
  const items = adviceFor(body, {
    config,
    now: monitor.readAt,
    lastErrorCode: monitor.lastErrorCode,
    silence:
      currentFacts === undefined
        ? { kind: 'no_run_begins', since: monitor.updatedAt }
        : findSilence(currentFacts),
    rejectedListings: rejected,
  });
  return { ...body, advice: items.map(adviceSentence), advice_items: items };
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
