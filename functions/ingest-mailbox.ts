/**
 * `ingestMailbox`: the Pub/Sub subscription of WORK_PUBSUB_TOPIC calls it with one mailbox that `poll` found due. Runs one sync
 * of that mailbox.
 *
 * POST with a Pub/Sub push body, or a CloudEvent that contains one: `{"mailbox": ADDRESS, "last_run_at": TIME}`.
 * 204 acknowledges: the run ended, another run covers it, nothing is due, the mailbox is paused, stopped or unknown, or the run
 * failed: the backoff of the mailbox decides when the next poll publishes it again.
 * 503 makes Pub/Sub deliver again: the database does not answer.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { Deadline } from '../shared/deadline.ts';
import { isDatabaseError } from '../shared/errors.ts';
import { type HttpResponse, noContent, problem, type Route } from '../shared/http.ts';
import { ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import { MailboxContexts } from '../shared/ingest/mailbox-contexts.ts';
import { decodeWork } from '../shared/ingest/work-topic.ts';
import type { Log } from '../shared/log.ts';

export function createRoute(context: AppContext): Route {
  const contexts = new MailboxContexts(context);
  return {
    methods: ['POST'],
    handle: async (request, log) => {
      const deadline = Deadline.after(context.config.runBudgetSeconds * 1_000, contexts.first.clock);
      const work = decodeWork(request.body);
      if (work === null) return ignored(log, 'Dropped a message that names no mailbox');
      const app = await contexts.ofAddress(work.emailAddress, log);
      if (app === null) return ignored(log, 'Dropped a message for an unknown mailbox');
      const { trigger, lastRunAt } = work;
      const { error } = await ingestMailbox(app, { trigger, deadline, lastRunAt });
      return error !== null && isDatabaseError(error.code) ? problem(error) : noContent();
    },
  };
}

function ignored(log: Log, message: string): HttpResponse {
  log.write('WARNING', 'work_ignored', message);
  return noContent();
}
