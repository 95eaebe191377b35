/**
 * Push: tells Gmail to publish to our topic, and keeps it so. A watch ends after seven days; every run renews it
 * in its last two, so that five days of failures are needed to lose it. Failing is a state with a cure, never a
 * reason to stop fetching: poll is the net below.
 */
import { clearWatch, readWatch, recordWatchFailure, saveWatch } from '../db/watch.ts';
import { toAppError } from '../errors.ts';
import type { CallContext, GmailClient } from '../gmail/gmail-client.ts';
import type { System } from './run.ts';

const RENEWAL_MARGIN_SECONDS = 2 * 86_400;

export interface WatchTarget {
  readonly gmail: GmailClient;
  readonly mailboxId: number;
  readonly call: CallContext;
}

/**
 * Registers or renews the watch when it is due, or always.
 *
 * @throws {AppError} database_unavailable only
 */
export async function tendWatch(system: System, target: WatchTarget, always = false): Promise<void> {
  const { db, config, log } = system;
  const { mailboxId } = target;
  const watch = await readWatch(db, mailboxId, config.pubsubTopic, RENEWAL_MARGIN_SECONDS);
  if (config.pubsubTopic === null) {
    // The topic was taken out of the configuration: nobody listens any more.
    if (watch.topic !== null) await endWatch(system, target);
    return;
  }
  if (!watch.isDue && !always) return;
  try {
    const { expiresAt } = await target.gmail.watch(target.call, config.pubsubTopic);
    await saveWatch(db, mailboxId, { topic: config.pubsubTopic, expiresAt });
    log.info('watch_renewed', 'Gmail publishes to the topic', {
      mailbox_id: mailboxId,
      topic: config.pubsubTopic,
      expires_at: expiresAt.toISOString(),
    });
  } catch (thrown) {
    const error = toAppError(thrown);
    if (error.code === 'out_of_time') return;
    await recordWatchFailure(db, mailboxId, { code: error.code, detail: error.message });
    log.write(error.severity, 'watch_failed', `Push could not be set up: ${error.title}`, {
      mailbox_id: mailboxId,
      error_code: error.code,
      detail: error.message,
      cure: error.cure,
    });
  }
}

/** Ends the watch. What fails is noted: a watch that goes on only sends hints, which are kept and harmless. */
export async function endWatch(system: System, target: WatchTarget): Promise<void> {
  try {
    await target.gmail.stopWatch(target.call);
    await clearWatch(system.db, target.mailboxId);
    system.log.info('watch_ended', 'Gmail publishes no longer', { mailbox_id: target.mailboxId });
  } catch (thrown) {
    const error = toAppError(thrown);
    await recordWatchFailure(system.db, target.mailboxId, { code: error.code, detail: error.message });
    system.log.write('WARNING', 'watch_failed', `Push could not be ended: ${error.title}`, {
      mailbox_id: target.mailboxId,
      error_code: error.code,
      detail: error.message,
    });
  }
}
