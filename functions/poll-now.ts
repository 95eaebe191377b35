/**
 * `poll-now`: one cycle at an operator's word, also while the monitor is stopped or waits after a failure; what
 * waits for its next attempt is tried at once.
 *
 * POST. `?retry=dead` gives the dead messages their attempts back first; `?reconcile=all` compares everything since
 * the first start with Gmail, over as many invocations as it takes (`status` shows the result). 200 `{outcome, new_emails, ...}`,
 * outcome `busy` when a cycle runs already; 409 without credentials; a failed cycle answers with its fault.
 */

import { reviveDead } from '../shared/db/dead-messages.ts';
import { findMailbox } from '../shared/db/mailboxes.ts';
import { Deadline } from '../shared/deadline.ts';
import { AppError } from '../shared/errors.ts';
import type { HttpRequest, Route } from '../shared/http.ts';
import { ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import type { System } from '../shared/ingest/run.ts';
import { createSystem } from '../shared/ingest/system.ts';
import { assertConfigured } from '../shared/control/running-flag.ts';
import type { FunctionContext } from './context.ts';
import { reportAnswer } from './report-body.ts';

export function createRoute(context: FunctionContext): Route {
  const system = createSystem(context);
  return {
    methods: ['POST'],
    handle: async (request, log) => {
      assertConfigured(context.config);
      // `prove` is the former name.
      const provesAll = wants(request, 'reconcile', 'all') || wants(request, 'prove', 'all');
      const revived = wants(request, 'retry', 'dead') ? await retryDead(system) : null;
      const deadline = Deadline.after(context.config.runBudgetSeconds * 1_000);
      const report = await ingestMailbox(
        { ...system, log },
        {
          trigger: 'manual',
          deadline,
          ...(provesAll ? { prove: 'all' as const } : {}),
        },
      );
      return reportAnswer(report, revived === null ? {} : { retried: revived });
    },
  };
}

function wants(request: HttpRequest, name: 'retry' | 'reconcile' | 'prove', only: string): boolean {
  const value = request.query[name];
  if (value === undefined) return false;
  if (value !== only) throw new AppError('bad_request', `The only value of "${name}" is "${only}".`);
  return true;
}

async function retryDead(system: System): Promise<number> {
  if (system.credentialFingerprint === null) return 0;
  const mailbox = await findMailbox(system.db, system.credentialFingerprint);
  return mailbox === null ? 0 : await reviveDead(system.db, mailbox.id);
}
