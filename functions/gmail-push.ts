/**
 * `gmail-push`: what the Pub/Sub subscription calls when Gmail announces a change. Keeps the announced historyId
 * first, then runs a cycle; whoever holds the lease meanwhile looks again for it.
 *
 * POST, a Pub/Sub push body or a CloudEvent around it. 204 acknowledges: the hint is durable, or the message is
 * none of ours and would be none the next time. A fault (503) makes Pub/Sub deliver again.
 */
import { recordHint } from '../shared/db/mailboxes.ts';
import { Deadline } from '../shared/deadline.ts';
import { toAppError } from '../shared/errors.ts';
import { decodeNotification } from '../shared/gmail/notification.ts';
import { logFault, noContent, type Route } from '../shared/http.ts';
import { ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import { createSystem } from '../shared/ingest/system.ts';
import type { FunctionContext } from './context.ts';

export function createRoute(context: FunctionContext): Route {
  const system = createSystem(context);
  return {
    methods: ['POST'],
    handle: async (request, log) => {
      const deadline = Deadline.after(context.config.runBudgetSeconds * 1_000);
      const notification = decodeNotification(request.body);
      if (notification === null) {
        log.write(
          'WARNING',
          'push_ignored',
          'A push that is no Gmail notification was acknowledged and dropped',
        );
        return noContent();
      }
      const hint = await recordHint(system.db, notification);
      if (hint === null) {
        log.write(
          'WARNING',
          'push_ignored',
          'A push for a mailbox that is not watched here was acknowledged and dropped',
        );
        return noContent();
      }
      log.debug('hint_recorded', 'A push was recorded', {
        mailbox_id: hint.mailboxId,
        history_id: notification.historyId,
        is_news: hint.isNews,
      });
      try {
        await ingestMailbox({ ...system, log }, { trigger: 'push', deadline });
      } catch (thrown) {
        // The hint is durable: the next poll serves it. A redelivery would only repeat what failed.
        logFault(log, toAppError(thrown));
      }
      return noContent();
    },
  };
}
