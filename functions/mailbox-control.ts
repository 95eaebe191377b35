/**
 * What `start` and `stop` do with Gmail: identify the mailbox, resolve its label, register or end its watch. The Gmail
 * client is loaded only here, and not without credentials.
 */
import { readMonitorStatus } from '../shared/db/monitor-status.ts';
import { Deadline } from '../shared/deadline.ts';
import type { MailboxConfirmation } from '../shared/mailbox-confirmation.ts';
import type { FunctionContext } from './context.ts';

/** A person waits for the answer; the next poll does what takes longer. */
const BUDGET_MS = 20_000;

/**
 * Carries out the confirmation of a person, before anything is turned on.
 *
 * @throws {AppError} not_configured, bad_request, account_unconfirmed, of Gmail, of the database
 */
export async function confirmMailbox(
  context: FunctionContext,
  confirmation: MailboxConfirmation,
): Promise<void> {
  const { createIngestContext } = await import('../shared/ingest/context.ts');
  const ingest = await import('../shared/ingest/identify-mailbox.ts');
  await ingest.confirmMailbox(createIngestContext(context), confirmation, Deadline.after(BUDGET_MS));
}

/** Operators do not change the flag so often within one call. */
const MAX_CHANGES = 5;

/**
 * Prepares or releases the mailbox as the `is_running` flag says. The flag is read again afterwards, and the other step follows
 * when a concurrent call has changed it: whichever call reaches Gmail last reads the flag after it, so the watch ends as the
 * flag does.
 *
 * @param isRunning the flag as the caller knows it
 * @throws {AppError} of the database; errors of Gmail are shown by `status`
 */
export async function followRunningFlag(context: FunctionContext, isRunning: boolean): Promise<void> {
  let applied = isRunning;
  for (let change = 0; change < MAX_CHANGES; change += 1) {
    await (applied ? prepareMailbox : releaseMailbox)(context);
    const current = (await readMonitorStatus(context.db)).isRunning;
    if (current === applied) return;
    applied = current;
  }
}

async function prepareMailbox(context: FunctionContext): Promise<void> {
  if (context.config.gmail === null) return;
  const { createIngestContext } = await import('../shared/ingest/context.ts');
  const { identifyAtStart } = await import('../shared/ingest/identify-mailbox.ts');
  const { resolveLabelAtStart } = await import('../shared/ingest/resolve-label.ts');
  const { enableWatch } = await import('../shared/ingest/watch.ts');
  const app = createIngestContext(context);
  const deadline = Deadline.after(BUDGET_MS, app.clock);
  const mailbox = await identifyAtStart(app, deadline);
  if (mailbox === null) return;
  await resolveLabelAtStart(app, mailbox.id, deadline);
  await enableWatch(app, mailbox.id, deadline);
}

async function releaseMailbox(context: FunctionContext): Promise<void> {
  if (context.config.pubsubTopic === null || context.config.gmail === null) return;
  const { createIngestContext } = await import('../shared/ingest/context.ts');
  const { findMailbox } = await import('../shared/db/mailboxes.ts');
  const { disableWatch } = await import('../shared/ingest/watch.ts');
  const app = createIngestContext(context);
  const mailbox = await findMailbox(app.db, app.credentialFingerprint ?? '');
  if (mailbox !== null) await disableWatch(app, mailbox.id, Deadline.after(BUDGET_MS, app.clock));
}
