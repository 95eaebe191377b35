/**
 * Push with the switch: `start` registers the watch, `stop` ends it. Never a reason for either to fail: what could
 * not be done is noted on the mailbox, shown by `status`, and done by the next poll.
 */
import type { Deadline } from '../deadline.ts';
import { isOfDatabase, toAppError } from '../errors.ts';
import type { CallContext } from '../gmail/gmail-client.ts';
import { identifyMailbox } from './identify.ts';
import type { System } from './run.ts';
import { endWatch, tendWatch } from './watch.ts';

/** @throws {AppError} database_unavailable only */
export async function switchPush(system: System, isOn: boolean, deadline: Deadline): Promise<void> {
  const { gmail, credentialFingerprint, config, log } = system;
  if (gmail === null || credentialFingerprint === null || config.pubsubTopic === null) return;
  try {
    const free: CallContext = { deadline, pay: async () => undefined };
    const mailbox = await identifyMailbox(system, gmail, credentialFingerprint, free);
    const target = { gmail, mailboxId: mailbox.id, deadline };
    if (isOn) await tendWatch(system, target, true);
    else await endWatch(system, target);
  } catch (thrown) {
    const error = toAppError(thrown);
    if (isOfDatabase(error.code)) throw error;
    log.write('WARNING', 'watch_failed', `Push is left to the next poll: ${error.title}`, {
      error_code: error.code,
      detail: error.message,
    });
  }
}
