/**
 * `poll`: called by Cloud Scheduler once per minute. Runs one cycle of ingest, if the monitor is on and a poll is due.
 *
 * POST, body ignored. 200 `{outcome, new_emails, ...}` also when there was nothing to do. A failed cycle answers with its
 * error, so that Cloud Scheduler shows it too. Safe to call at any time: the lease lets one run work.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { Deadline } from '../shared/deadline.ts';
import type { Route } from '../shared/http.ts';
import { createIngestContext } from '../shared/ingest/ingest-context.ts';
import { ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import { reportAnswer } from './runtime/ingest-response.ts';

export function createRoute(context: AppContext): Route {
  const app = createIngestContext(context);
  return {
    methods: ['POST'],
    handle: async (_request, log) => {
      const deadline = Deadline.after(context.config.runBudgetSeconds * 1_000, app.clock);
      return reportAnswer(await ingestMailbox({ ...app, log }, { trigger: 'schedule', deadline }));
    },
  };
}
