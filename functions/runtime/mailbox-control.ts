/** What `start` and `stop` do in Gmail: identify the mailbox, resolve its label, and register or end its watch. */

import type { AppContext } from '../../shared/control/app-context.ts';
import { followRunningFlag } from '../../shared/control/running-flag.ts';
import { findMailbox } from '../../shared/db/mailboxes.ts';
import { Deadline } from '../../shared/deadline.ts';
import * as identify from '../../shared/ingest/identify-mailbox.ts';
import { createIngestContext } from '../../shared/ingest/ingest-context.ts';
import { resolveLabelAtStart } from '../../shared/ingest/resolve-label.ts';
import { disableWatch, enableWatch } from '../../shared/ingest/watch.ts';
import type { MailboxConfirmation } from '../../shared/mailbox-confirmation.ts';

/** An operator waits for the response; the next poll does what takes longer. */
const BUDGET_MS = 20_000;

/**
 * Applies an operator's confirmation, before the monitor is turned on.
 *
 * @throws {AppError} not_configured, bad_request, account_unconfirmed; any error of Gmail or the database
 */
export async function confirmMailbox(context: AppContext, confirmation: MailboxConfirmation): Promise<void> {
  await identify.confirmMailbox(createIngestContext(context), confirmation, Deadline.after(BUDGET_MS));
}

/**
 * Prepares the mailbox when the `is_running` flag is set, and releases it otherwise. Errors of Gmail are not thrown;
 * `status` shows them.
 *
 * @param isRunning the flag as the caller last read it
 * @throws {AppError} scheduler_unavailable when the flag keeps changing; any error of the database
 */
export async function prepareOrRelease(context: AppContext, isRunning: boolean): Promise<void> {
  await followRunningFlag(context.db, isRunning, async (isOn) => {
    await (isOn ? prepareMailbox : releaseMailbox)(context);
  });
}

async function prepareMailbox(context: AppContext): Promise<void> {
  if (context.config.gmail === null) return;
  const app = createIngestContext(context);
  const deadline = Deadline.after(BUDGET_MS, app.clock);
  const mailbox = await identify.identifyAtStart(app, deadline);
  if (mailbox === null) return;
  await resolveLabelAtStart(app, mailbox.id, deadline);
  await enableWatch(app, mailbox.id, deadline);
}

async function releaseMailbox(context: AppContext): Promise<void> {
  if (context.config.pubsubTopic === null || context.config.gmail === null) return;
  const app = createIngestContext(context);
  const mailbox = await findMailbox(app.db, app.credentialFingerprint ?? '');
  if (mailbox !== null) await disableWatch(app, mailbox.id, Deadline.after(BUDGET_MS, app.clock));
}
