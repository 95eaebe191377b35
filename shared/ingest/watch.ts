/**
 * Push: tells Gmail to publish to our topic, and keeps it so. A watch ends after seven days; every scheduled run
 * renews it in its last two, so that five days of failures are needed to lose it. Failing is a state with a remediation and
 * costs the run a few seconds at most: poll is the net below.
 */
import { takeQuota } from '../db/quota.ts';
import { clearWatch, readWatch, recordWatchFailure, saveWatch } from '../db/watch.ts';
import { Deadline } from '../deadline.ts';
import { AppError, isOfDatabase, needsPerson, toAppError } from '../errors.ts';
import type { CallContext, GmailClient } from '../gmail/gmail-client.ts';
import type { System } from './run.ts';

export const RENEWAL_MARGIN_SECONDS = 2 * 86_400;
/** A watch takes a fraction of a second. The mail does not wait longer for a Gmail that keeps this call hanging. */
const WATCH_MS = 5_000;
/** After a failure; polling goes on meanwhile. */
const RETRY_SECONDS = 600;

export interface WatchTarget {
  readonly gmail: GmailClient;
  readonly mailboxId: number;
  /** Time that the caller can spare. */
  readonly deadline: Deadline;
}

/**
 * Registers or renews the watch when it is due, or always; ends it when no topic is configured any more.
 *
 * @throws {AppError} database_unavailable only
 */
export async function tendWatch(system: System, target: WatchTarget, always = false): Promise<void> {
  const { db, config, log } = system;
  const { mailboxId } = target;
  const topic = config.pubsubTopic;
  const watch = await readWatch(db, mailboxId, topic, RENEWAL_MARGIN_SECONDS);
  if (topic === null) {
    if (watch.topic !== null) await endWatch(system, target);
    else if (watch.errorCode !== null) await clearWatch(db, mailboxId);
    return;
  }
  if (!watch.isDue && !always) return;
  try {
    const { expiresAt } = await target.gmail.watch(briefCall(system, target), topic);
    await saveWatch(db, mailboxId, { topic, expiresAt });
    log.info('watch_renewed', 'Gmail publishes to the topic', {
      mailbox_id: mailboxId,
      topic,
      expires_at: expiresAt.toISOString(),
    });
  } catch (thrown) {
    await noteFailure(system, mailboxId, toAppError(thrown), 'Push could not be set up');
  }
}

/** Ends the watch. What fails is noted: a watch that goes on only sends hints, which are kept and harmless. */
export async function endWatch(system: System, target: WatchTarget): Promise<void> {
  try {
    await target.gmail.stopWatch(briefCall(system, target));
    await clearWatch(system.db, target.mailboxId);
    system.log.info('watch_ended', 'Gmail publishes no longer', { mailbox_id: target.mailboxId });
  } catch (thrown) {
    await noteFailure(system, target.mailboxId, toAppError(thrown), 'Push could not be ended');
  }
}

async function noteFailure(system: System, mailboxId: number, error: AppError, what: string): Promise<void> {
  // The next call of the run meets it too, and says so once.
  if (needsPerson(error.code)) return;
  if (isOfDatabase(error.code)) throw error;
  const code = error.code === 'out_of_time' ? 'gmail_unavailable' : error.code;
  await recordWatchFailure(system.db, mailboxId, { code, detail: error.message, waitSeconds: RETRY_SECONDS });
  system.log.write(error.severity, 'watch_failed', `${what}: ${error.title}`, {
    mailbox_id: mailboxId,
    error_code: code,
    detail: error.message,
    remediation: error.remediation,
  });
}

/** A few seconds, and units only if they are there: nothing waits for push. */
function briefCall({ db, config, clock }: System, target: WatchTarget): CallContext {
  const deadline = Deadline.after(Math.min(WATCH_MS, target.deadline.remainingMs()), clock);
  return {
    deadline,
    pay: async (units) => {
      const ask = { least: units, most: units, unitsPerMinute: config.quotaUnitsPerMinute };
      const { units: granted } = await takeQuota(db, target.mailboxId, ask);
      if (granted === 0) throw new AppError('out_of_time', 'The quota of the running minute is spent.');
    },
  };
}
