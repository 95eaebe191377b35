/**
 * `poll-now`: runs one sync at an operator's request, even while the monitor is stopped or backing off. Messages that wait
 * for their next attempt are tried at once; a failure changes neither their attempts nor their next attempts.
 *
 * POST. `?retry=dead` requeues the dead letters first. `?reconcile=all` (alias `?prove=all`) compares all mail since the
 * first start with Gmail, over as many runs as it takes; `status` shows the result.
 * 200 `{outcome, new_emails, ...}`, with outcome `busy` while another run works. 409 without credentials. A failed run
 * returns its error.
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
import { ingestResponse } from './runtime/ingest-response.ts';

export function createRoute(context: AppContext): Route {
  const app = createIngestContext(context);
  return {
    methods: ['POST'],
    handle: async (request, log) => {
      const { prove: _alias, ...query } = request.query;
      assertParameters({ ...request, query }, 'poll-now', ['retry', 'reconcile']);
      assertConfigured(context.config);
      const reconcilesAll =
        hasParameter(request, 'reconcile', 'all') || hasParameter(request, 'prove', 'all');
      const requeued = hasParameter(request, 'retry', 'dead') ? await requeueAll(app) : null;
      const deadline = Deadline.after(context.config.runBudgetSeconds * 1_000, app.clock);
      const report = await ingestMailbox(
        { ...app, log },
        { trigger: 'manual', deadline, ...(reconcilesAll ? { reconcile: 'all' as const } : {}) },
      );
      return ingestResponse(report, requeued === null ? {} : { retried: requeued });
    },
  };
}

function hasParameter(request: HttpRequest, name: 'retry' | 'reconcile' | 'prove', only: string): boolean {
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
