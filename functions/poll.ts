/**
 * `poll`: Cloud Scheduler calls it once per minute. While the monitor is on, it runs one sync of each mailbox that is due. With
 * several mailboxes and WORK_PUBSUB_TOPIC it publishes them instead, and `ingestMailbox` runs each.
 *
 * POST, body ignored. 200 `{outcome, new_emails, ...}`, also when there is nothing to do. A failed run returns its error,
 * so that Cloud Scheduler shows it too; of several mailboxes in place, only when all failed. Safe to call at any time, because
 * the lease admits one run per mailbox.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { Deadline } from '../shared/deadline.ts';
import type { Route } from '../shared/http.ts';
import { MailboxContexts } from '../shared/ingest/mailbox-contexts.ts';
import { pollMailboxes } from '../shared/ingest/poll-mailboxes.ts';
import { ingestResponse } from './runtime/ingest-response.ts';

export function createRoute(context: AppContext): Route {
  const contexts = new MailboxContexts(context);
  return {
    methods: ['POST'],
    handle: async (_request, log) => {
      const deadline = Deadline.after(context.config.runBudgetSeconds * 1_000, contexts.first.clock);
      return ingestResponse(await pollMailboxes(contexts, { trigger: 'schedule', deadline }, log));
    },
  };
}
