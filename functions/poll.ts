/**
 * `poll`: what Cloud Scheduler calls every minute. One cycle of ingest, if the monitor is on and it is time.
 *
 * POST, body ignored. 200 `{outcome, new_emails, ...}` also when there was nothing to do; a failed cycle answers
 * with its fault, so that Scheduler shows it too. Safe to call at any time: the lease lets one in.
 */
import { Deadline } from '../shared/deadline.ts';
import type { Route } from '../shared/http.ts';
import { ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import { createSystem } from '../shared/ingest/system.ts';
import type { FunctionContext } from './context.ts';
import { reportAnswer } from './report-body.ts';

export function createRoute(context: FunctionContext): Route {
  const system = createSystem(context);
  return {
    methods: ['POST'],
    handle: async (_request, log) => {
      const deadline = Deadline.after(context.config.runBudgetSeconds * 1_000);
      const report = await ingestMailbox({ ...system, log }, { trigger: 'schedule', deadline });
      return reportAnswer(report);
    },
  };
}
