/**
 * `gmail-push`: the Pub/Sub subscription calls it when Gmail announces a change. It first stores the announced history id
 * (the hint), then runs a sync. A run that is already active checks for newer hints before it ends.
 *
 * POST with a Pub/Sub push body, or a CloudEvent that contains one.
 * 204 acknowledges: the message is not for us, or the hint is stored and one of these holds: the run succeeded or was cut,
 * another run or a newer hint covers it, the monitor is stopped, the mailbox is paused, or an operator has to act first.
 * 503 makes Pub/Sub deliver again: the hint could not be stored, or the run failed temporarily and the hint is the newest.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import type { Database } from '../shared/db/database.ts';
import { readHintState, recordHint } from '../shared/db/hints.ts';
import { Deadline } from '../shared/deadline.ts';
import { AppError, requiresOperator } from '../shared/errors.ts';
import { decodeNotification, type GmailNotification } from '../shared/gmail/notification.ts';
import { type HttpResponse, noContent, problem, type Route } from '../shared/http.ts';
import { identifyAfterUnknownPush } from '../shared/ingest/identify-mailbox.ts';
import type { IngestContext } from '../shared/ingest/ingest-context.ts';
import { type IngestReport, ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import { MailboxContexts } from '../shared/ingest/mailbox-contexts.ts';
import type { Log } from '../shared/log.ts';

/** Pub/Sub waits one minute for the acknowledgement. */
const MAX_RUN_MS = 55_000;

export function createRoute(context: AppContext): Route {
  const contexts = new MailboxContexts(context);
  const budgetMs = Math.min(context.config.runBudgetSeconds * 1_000, MAX_RUN_MS);
  return {
    methods: ['POST'],
    handle: async (request, log) => {
      const deadline = Deadline.after(budgetMs, contexts.first.clock);
      const notification = decodeNotification(request.body);
      if (notification === null) return ignored(log, 'Dropped a push that is not a Gmail notification');
      return await handleNotification(contexts, notification, { deadline, log });
    },
  };
}

async function handleNotification(
  contexts: MailboxContexts,
  notification: GmailNotification,
  { deadline, log }: { readonly deadline: Deadline; readonly log: Log },
): Promise<HttpResponse> {
  const first: IngestContext = { ...contexts.first, log };
  const record = async () => await recordHint(first.db, notification, first.credentialFingerprint);
  let hint = await record();
  if (hint === null && (await identifyAfterUnknownPush(first, notification.emailAddress, deadline)))
    hint = await record();
  if (hint === null) return ignored(log, 'Dropped a push for an unknown mailbox');
  log.debug('hint_recorded', 'Recorded a push', {
    mailbox_id: hint.mailboxId,
    history_id: notification.historyId,
    is_newest: hint.isNewest,
  });
  // A poll or an earlier push has already listed this change.
  if (!hint.isUnseen) return noContent();
  // Gmail keeps publishing for up to seven days after an operator removed the mailbox.
  if (hint.owner === 'removed') return noContent();
  const app = hint.owner === 'added' ? await contexts.ofMailbox(hint.mailboxId, log) : first;
  // Removed in the meantime.
  if (app === null) return noContent();
  const report = await ingestMailbox(app, { trigger: 'push', deadline });
  const error = retryableError(report);
  if (error === null) return noContent();
  const isPending = await isHintPending(first.db, hint.mailboxId, notification.historyId);
  return isPending ? problem(error) : noContent();
}

/** True when no newer hint is stored and no operator has to act first. */
async function isHintPending(db: Database, mailboxId: number, historyId: string): Promise<boolean> {
  const { isNewest, lastErrorCode } = await readHintState(db, mailboxId, historyId);
  return isNewest && !requiresOperator(lastErrorCode);
}

/** The error that another delivery may get past; null when the push is done or another delivery would change nothing. */
function retryableError({ outcome, error }: IngestReport): AppError | null {
  if (outcome === 'not_due')
    return new AppError('backing_off', 'The mailbox is backing off after failed runs.');
  // After losing the lease, leave the mailbox to the instance that took over.
  if (error === null || error.code === 'lease_lost' || requiresOperator(error.code)) return null;
  return error;
}

function ignored(log: Log, message: string): HttpResponse {
  log.write('WARNING', 'push_ignored', message);
  return noContent();
}
