/**
 * The watch, which makes Gmail publish changes to the topic. `start` registers it, `stop` ends it, runs renew it.
 * A Gmail error becomes a state of the mailbox with its remediation. It delays a run by seconds and does not stop polling.
 */
import {
  clearWatch,
  databaseTime,
  RENEW_EVERY_SECONDS,
  readWatch,
  recordWatchFailure,
  saveWatch,
} from '../db/watches.ts';
import { Deadline } from '../deadline.ts';
import { isDatabaseError, requiresOperator, toAppError } from '../errors.ts';
import type { CallContext, GmailClient } from '../gmail/gmail-client.ts';
import { callOutsideRun } from './call-outside-run.ts';
import type { IngestContext } from './ingest-context.ts';
import type { RunContext } from './run-context.ts';
import { spreadSeconds } from './spread.ts';

/** How long a watch call waits for quota units. The default budget refills 100 units, the price of a watch, per second. */
const UNITS_WAIT_MS = 10_000;
/** A watch call takes a fraction of a second. The run does not wait longer for one that hangs. A short run has less time for it. */
const CALL_MS = 5_000;
/** Wait after a Gmail error. Polling continues. */
const RETRY_SECONDS = 600;

interface WatchTarget {
  readonly app: IngestContext;
  readonly gmail: GmailClient;
  readonly mailboxId: number;
  /** When the caller needs the result. */
  readonly deadline: Deadline;
}

/**
 * The watch step of a run: registers or renews the watch when it is due, and ends it when no topic is configured any more.
 * Call it between batches of messages: concurrent fetches would take the units that it waits for.
 *
 * @throws {AppError} database errors
 */
export async function renewWatch(run: RunContext): Promise<void> {
  const { credentialFingerprint, deadline, gmail } = run;
  const target = { app: run, gmail, mailboxId: run.lease.mailboxId, deadline };
  const topic = run.config.pubsubTopic;
  const renewAfterSeconds = spreadSeconds(run, RENEW_EVERY_SECONDS);
  const watch = await readWatch(run.db, target.mailboxId, topic, credentialFingerprint, renewAfterSeconds);
  if (topic !== null) {
    if (watch.isDue) await register(target, topic);
  } else if (watch.topic !== null) {
    if (watch.isDue) await end(target);
  } else if (watch.errorCode !== null) await clearWatch(run.db, target.mailboxId);
}

/**
 * Registers the watch at `start`, whether it is due or not. Does nothing without a topic.
 *
 * @throws {AppError} database errors
 */
export async function enableWatch(app: IngestContext, mailboxId: number, deadline: Deadline): Promise<void> {
  const { gmail } = app;
  const topic = app.config.pubsubTopic;
  if (gmail !== null && topic !== null) await register({ app, gmail, mailboxId, deadline }, topic);
}

/**
 * Ends the watch at `stop`. Does nothing without a topic. A watch that could not be ended only sends hints, which are stored
 * and harmless.
 *
 * @throws {AppError} database errors
 */
export async function disableWatch(app: IngestContext, mailboxId: number, deadline: Deadline): Promise<void> {
  const { gmail } = app;
  if (gmail !== null && app.config.pubsubTopic !== null) await end({ app, gmail, mailboxId, deadline });
}

async function register(target: WatchTarget, topic: string): Promise<void> {
  const { app, gmail, mailboxId } = target;
  await attempt(target, 'Push could not be set up', async (call) => {
    const registeredAt = await databaseTime(app.db);
    const { expiresAt } = await gmail.watch(call, topic).catch(async (thrown: unknown) => {
      // Gmail keeps one watch per client and mailbox, and asks to stop the other one. Stop it only once: if it comes back,
      // another deployment shares the client, and the two would keep ending each other's watch.
      if (toAppError(thrown).code !== 'watch_conflict') throw thrown;
      await gmail.stopWatch(call);
      return await gmail.watch(call, topic);
    });
    const fingerprint = app.credentialFingerprint;
    await saveWatch(app.db, mailboxId, { topic, registeredAt, expiresAt, fingerprint });
    app.log.info('watch_renewed', 'Gmail publishes to the topic', {
      mailbox_id: mailboxId,
      topic,
      expires_at: expiresAt.toISOString(),
    });
  });
}

async function end(target: WatchTarget): Promise<void> {
  const { app, gmail, mailboxId } = target;
  await attempt(target, 'Push could not be ended', async (call) => {
    await gmail.stopWatch(call);
    await clearWatch(app.db, mailboxId);
    app.log.info('watch_ended', 'Gmail no longer publishes', { mailbox_id: mailboxId });
  });
}

/** Runs the call, with a bounded wait for its units. Records only Gmail errors. */
async function attempt(
  { app, mailboxId, deadline }: WatchTarget,
  what: string,
  work: (call: CallContext) => Promise<void>,
): Promise<void> {
  // A call that our own deadline cuts would look like a Gmail error. The next run tries it.
  if (!deadline.hasTimeOrHalf(CALL_MS)) return;
  const callMs = Math.min(CALL_MS, deadline.lengthMs / 2);
  const waitMs = Math.min(UNITS_WAIT_MS, deadline.remainingMs() - callMs);
  try {
    await work({
      ...callOutsideRun(app, mailboxId, Deadline.after(waitMs, app.clock)),
      deadline: Deadline.after(waitMs + callMs, app.clock),
    });
  } catch (thrown) {
    const error = toAppError(thrown);
    if (isDatabaseError(error.code)) throw error;
    if (error.code === 'quota_used_up') {
      // Gmail was not called: the watch stays due, and the next run tries it.
      app.log.debug('watch_failed', `${what}: no quota units were available in time`, {
        mailbox_id: mailboxId,
      });
      return;
    }
    // The next call of the run meets the same error and ends the run with it.
    if (requiresOperator(error.code)) return;
    const code = error.code === 'out_of_time' ? 'gmail_unavailable' : error.code;
    await recordWatchFailure(app.db, mailboxId, { code, detail: error.message, waitSeconds: RETRY_SECONDS });
    app.log.write(error.severity, 'watch_failed', `${what}: ${error.title}`, {
      mailbox_id: mailboxId,
      ...error.logFields,
      error_code: code,
    });
  }
}
