/**
 * `gmail-push`: called by the Pub/Sub subscription when Gmail announces a change. Stores the announced history id (the hint)
 * first, then runs a cycle of ingest; a run that is at work already looks for the hint before it ends.
 *
 * POST, a Pub/Sub push body or a CloudEvent around it. 204 acknowledges: the message is not for us, or the hint is stored
 * and was served, or another run, a newer hint or an operator takes care of it. 503 makes Pub/Sub deliver again: the hint
 * could not be stored, or the run failed in a passing way and the hint is still the newest.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import type { Database } from '../shared/db/database.ts';
import { readHintState, recordHint } from '../shared/db/mailboxes.ts';
import { Deadline } from '../shared/deadline.ts';
import { AppError, requiresOperator } from '../shared/errors.ts';
import { decodeNotification, type GmailNotification } from '../shared/gmail/notification.ts';
import { type HttpAnswer, noContent, problem, type Route } from '../shared/http.ts';
import { identifyAfterUnknownPush } from '../shared/ingest/identify-mailbox.ts';
import { createIngestContext, type IngestContext } from '../shared/ingest/ingest-context.ts';
import { type IngestReport, ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import type { Log } from '../shared/log.ts';

/** A push run ends within a minute: Pub/Sub waits so long for the acknowledgement. */
const MAX_RUN_MS = 55_000;

export function createRoute(context: AppContext): Route {
  const app = createIngestContext(context);
  const budgetMs = Math.min(context.config.runBudgetSeconds * 1_000, MAX_RUN_MS);
  return {
    methods: ['POST'],
    handle: async (request, log) => {
      const deadline = Deadline.after(budgetMs, app.clock);
      const notification = decodeNotification(request.body);
      if (notification === null) return ignored(log, 'A push that is not a Gmail notification was dropped');
      return await handleNotification({ ...app, log }, notification, deadline);
    },
  };
}

async function handleNotification(
  app: IngestContext,
  notification: GmailNotification,
  deadline: Deadline,
): Promise<HttpAnswer> {
  let hint = await recordHint(app.db, notification);
  if (hint === null && (await identifyAfterUnknownPush(app, notification.emailAddress, deadline))) {
    hint = await recordHint(app.db, notification);
  }
  if (hint === null) return ignored(app.log, 'A push for a mailbox that is not watched here was dropped');
  app.log.debug('hint_recorded', 'A push was recorded', {
    mailbox_id: hint.mailboxId,
    history_id: notification.historyId,
    is_newest: hint.isNewest,
  });
  // A listing has shown it already: the poll or an earlier push was faster.
  if (!hint.isUnseen) return noContent();
  const report = await ingestMailbox(app, { trigger: 'push', deadline });
  const error = errorToRepeat(report);
  if (error === null) return noContent();
  const needsDelivery = await isHintWaiting(app.db, hint.mailboxId, notification.historyId);
  return needsDelivery ? problem(error) : noContent();
}

/** No newer hint is stored, and no operator has to act first. */
async function isHintWaiting(db: Database, mailboxId: number, historyId: string): Promise<boolean> {
  const { isNewest, lastErrorCode } = await readHintState(db, mailboxId, historyId);
  return isNewest && !requiresOperator(lastErrorCode);
}

/** Null: the push is done, or delivering it again would change nothing. */
function errorToRepeat({ outcome, error }: IngestReport): AppError | null {
  if (outcome === 'not_due') return new AppError('backing_off', 'The mailbox waits after failed runs.');
  // Without the lease another instance works on the mailbox.
  if (error === null || error.code === 'lease_lost' || requiresOperator(error.code)) return null;
  return error;
}

function ignored(log: Log, message: string): HttpAnswer {
  log.write('WARNING', 'push_ignored', message);
  return noContent();
}
