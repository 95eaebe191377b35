/**
 * What `start` and `stop` do with Gmail: identify the mailbox, resolve its label, register or end its watch. The Gmail
 * client is loaded only here, and not without credentials.
 */

import type { AppContext } from '../../shared/control/app-context.ts';
import { followRunningFlag } from '../../shared/control/running-flag.ts';
import { Deadline } from '../../shared/deadline.ts';
import type { MailboxConfirmation } from '../../shared/mailbox-confirmation.ts';

/** A person waits for the answer; the next poll does what takes longer. */
const BUDGET_MS = 20_000;

/**
 * Carries out the confirmation of a person, before anything is turned on.
 *
 * @throws {AppError} not_configured, bad_request, account_unconfirmed, of Gmail, of the database
 */
export async function confirmMailbox(context: AppContext, confirmation: MailboxConfirmation): Promise<void> {
  const { createIngestContext } = await import('../../shared/ingest/ingest-context.ts');
  const ingest = await import('../../shared/ingest/identify-mailbox.ts');
  await ingest.confirmMailbox(createIngestContext(context), confirmation, Deadline.after(BUDGET_MS));
}

/**
 * Prepares or releases the mailbox as the `is_running` flag says.
 *
 * @param isRunning the flag as the caller knows it
 * @throws {AppError} of the database, scheduler_unavailable when the flag keeps changing; errors of Gmail are shown by `status`
 */
export async function prepareOrRelease(context: AppContext, isRunning: boolean): Promise<void> {
  await followRunningFlag(context.db, isRunning, async (isOn) => {
    await (isOn ? prepareMailbox : releaseMailbox)(context);
  });
}

async function prepareMailbox(context: AppContext): Promise<void> {
  if (context.config.gmail === null) return;
  const { createIngestContext } = await import('../../shared/ingest/ingest-context.ts');
  const { identifyAtStart } = await import('../../shared/ingest/identify-mailbox.ts');
  const { resolveLabelAtStart } = await import('../../shared/ingest/resolve-label.ts');
  const { enableWatch } = await import('../../shared/ingest/watch.ts');
  const app = createIngestContext(context);
  const deadline = Deadline.after(BUDGET_MS, app.clock);
  const mailbox = await identifyAtStart(app, deadline);
  if (mailbox === null) return;
  await resolveLabelAtStart(app, mailbox.id, deadline);
  await enableWatch(app, mailbox.id, deadline);
}

async function releaseMailbox(context: AppContext): Promise<void> {
  if (context.config.pubsubTopic === null || context.config.gmail === null) return;
  const { createIngestContext } = await import('../../shared/ingest/ingest-context.ts');
  const { findMailbox } = await import('../../shared/db/mailboxes.ts');
  const { disableWatch } = await import('../../shared/ingest/watch.ts');
  const app = createIngestContext(context);
  const mailbox = await findMailbox(app.db, app.credentialFingerprint ?? '');
  if (mailbox !== null) await disableWatch(app, mailbox.id, Deadline.after(BUDGET_MS, app.clock));
}
