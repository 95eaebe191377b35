/**
 * `poll-now`: one cycle on an operator's request, also while the monitor is stopped or backs off. Messages that wait for
 * their next attempt are tried at once; a failure changes neither their attempts nor their next attempts.
 *
 * POST. `?retry=dead` requeues the dead letters first. `?reconcile=all` (also spelled `?prove=all`) compares everything
 * since the first start with Gmail, over as many calls as it takes; `status` shows the result. 200
 * `{outcome, new_emails, ...}`, outcome `busy` while another run works; 409 without credentials; a failed cycle answers with
 * its error.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { assertConfigured } from '../shared/control/running-flag.ts';
import { requeueDeadLetters } from '../shared/db/dead-letters.ts';
import { findMailbox } from '../shared/db/mailboxes.ts';
import { Deadline } from '../shared/deadline.ts';
import { AppError } from '../shared/errors.ts';
import { assertParameters, type HttpRequest, type Route } from '../shared/http.ts';
import { createIngestContext, type IngestContext } from '../shared/ingest/ingest-context.ts';
import { ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import { reportAnswer } from './runtime/ingest-response.ts';

export function createRoute(context: AppContext): Route {
  const app = createIngestContext(context);
  return {
    methods: ['POST'],
    handle: async (request, log) => {
      assertParameters(request, 'poll-now', ['retry', 'reconcile', 'prove']);
      assertConfigured(context.config);
      const reconcilesAll = hasQuery(request, 'reconcile', 'all') || hasQuery(request, 'prove', 'all');
      const requeued = hasQuery(request, 'retry', 'dead') ? await requeueAll(app) : null;
      const deadline = Deadline.after(context.config.runBudgetSeconds * 1_000, app.clock);
      const report = await ingestMailbox(
        { ...app, log },
        { trigger: 'manual', deadline, ...(reconcilesAll ? { reconcile: 'all' as const } : {}) },
      );
      return reportAnswer(report, requeued === null ? {} : { retried: requeued });
    },
  };
}

function hasQuery(request: HttpRequest, name: 'retry' | 'reconcile' | 'prove', only: string): boolean {
  const value = request.query[name];
  if (value === undefined) return false;
  if (value !== only) throw new AppError('bad_request', `The only value of "${name}" is "${only}".`);
  return true;
}

async function requeueAll(app: IngestContext): Promise<number> {
  if (app.credentialFingerprint === null) return 0;
  const mailbox = await findMailbox(app.db, app.credentialFingerprint);
  return mailbox === null ? 0 : await requeueDeadLetters(app.db, mailbox.id);
}
