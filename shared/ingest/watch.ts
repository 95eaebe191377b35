/**
 * Push: keeps Gmail publishing to the topic. `start` registers the watch, `stop` ends it, scheduled runs renew it.
 * An error of Gmail is a state of the mailbox with its remediation and costs a run some seconds: polling goes on.
 */
import { clearWatch, databaseTime, readWatch, recordWatchFailure, saveWatch } from '../db/watches.ts';
import { Deadline } from '../deadline.ts';
import { type AppError, isDatabaseError, requiresOperator, toAppError } from '../errors.ts';
import type { GmailClient } from '../gmail/gmail-client.ts';
import { callOutsideRun, UnitWait } from './call-outside-run.ts';
import type { IngestContext, RunContext } from './ingest-context.ts';

/** The bucket refills 100 units a second at the usual budget. A run beside a backlog waits for its turn, and no longer. */
const UNITS_WAIT_MS = 10_000;
/** A watch takes a fraction of a second. The run does not wait longer for a Gmail that keeps this call hanging. */
const CALL_MS = 5_000;
/** After a failure of Gmail; polling goes on meanwhile. */
const RETRY_SECONDS = 600;

interface WatchTarget {
  readonly app: IngestContext;
  readonly gmail: GmailClient;
  readonly mailboxId: number;
  /** Time that the caller can spare. */
  readonly deadline: Deadline;
}

/**
 * The watch step of a scheduled run: registers or renews the watch when it is due, ends it when no topic is configured any
 * more. To be called between batches of messages, not beside them: they would take the units that it waits for.
 *
 * @returns true when Gmail was called
 * @throws {AppError} of the database
 */
export async function renewWatch(run: RunContext): Promise<boolean> {
  const app: IngestContext = { ...run.app, log: run.log };
  const target = { app, gmail: run.gmail, mailboxId: run.lease.mailboxId, deadline: run.deadline };
  const topic = run.config.pubsubTopic;
  const watch = await readWatch(run.db, target.mailboxId, topic, app.credentialFingerprint);
  if (topic !== null) {
    if (watch.isDue) await register(target, topic);
    return watch.isDue;
  }
  if (watch.topic !== null && watch.isDue) await end(target);
  else if (watch.topic === null && watch.errorCode !== null) await clearWatch(run.db, target.mailboxId);
  return watch.topic !== null && watch.isDue;
}

/**
 * Registers the watch, whether it is due or not: for `start`. Does nothing without a topic.
 *
 * @throws {AppError} of the database
 */
export async function enableWatch(app: IngestContext, mailboxId: number, deadline: Deadline): Promise<void> {
  const { gmail } = app;
  const topic = app.config.pubsubTopic;
  if (gmail !== null && topic !== null) await register({ app, gmail, mailboxId, deadline }, topic);
}

/**
 * Ends the watch: for `stop`. Does nothing without a topic. A watch that could not be ended only sends hints, which are
 * stored and harmless.
 *
 * @throws {AppError} of the database
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
      // Gmail keeps one watch per client and mailbox, and says to end the other one. Once: if it comes back, another
      // deployment shares the client, and each would end the watch of the other in turn.
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

/** Runs the call with units that it waits for within a bound. Only an error of Gmail is recorded. */
async function attempt(
  { app, mailboxId, deadline }: WatchTarget,
  what: string,
  work: (call: UnitWait['call']) => Promise<void>,
): Promise<void> {
  // A call that our own deadline cuts would look like an error of Gmail: the next run tries it.
  if (!deadline.hasTimeFor(CALL_MS)) return;
  const waitMs = Math.min(UNITS_WAIT_MS, deadline.remainingMs() - CALL_MS);
  const waited = new UnitWait({
    ...callOutsideRun(app, mailboxId, Deadline.after(waitMs, app.clock)),
    deadline: Deadline.after(waitMs + CALL_MS, app.clock),
  });
  try {
    await work(waited.call);
  } catch (thrown) {
    const error = toAppError(thrown);
    if (isDatabaseError(error.code)) throw error;
    if (waited.hasFailed) {
      // Gmail was not asked: the watch stays due, and the next run tries it.
      app.log.debug('watch_failed', `${what}: no quota units were available in time`, {
        mailbox_id: mailboxId,
      });
      return;
    }
    await recordFailure(app, mailboxId, error, what);
  }
}

async function recordFailure(
  app: IngestContext,
  mailboxId: number,
  error: AppError,
  what: string,
): Promise<void> {
  // The next call of the run gets the same error, and ends the run with it.
  if (requiresOperator(error.code)) return;
  const code = error.code === 'out_of_time' ? 'gmail_unavailable' : error.code;
  await recordWatchFailure(app.db, mailboxId, { code, detail: error.message, waitSeconds: RETRY_SECONDS });
  app.log.write(error.severity, 'watch_failed', `${what}: ${error.title}`, {
    mailbox_id: mailboxId,
    error_code: code,
    detail: error.message,
    remediation: error.remediation,
  });
}
