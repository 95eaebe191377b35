/**
 * `poll`: Cloud Scheduler calls it once per minute. Runs one sync if the monitor is on and a poll is due.
 *
 * POST, body ignored. 200 `{outcome, new_emails, ...}`, also when there is nothing to do. A failed run returns its error,
 * so that Cloud Scheduler shows it too. Safe to call at any time, because the lease admits one run per mailbox.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { Deadline } from '../shared/deadline.ts';
import type { Route } from '../shared/http.ts';
import { createIngestContext } from '../shared/ingest/ingest-context.ts';
import { ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import { ingestResponse } from './runtime/ingest-response.ts';

export function createRoute(context: AppContext): Route {
  const app = createIngestContext(context);
  return {
    methods: ['POST'],
    handle: async (_request, log) => {
      const deadline = Deadline.after(context.config.runBudgetSeconds * 1_000, app.clock);
      return ingestResponse(await ingestMailbox({ ...app, log }, { trigger: 'schedule', deadline }));
    },
  };
}
