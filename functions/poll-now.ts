/**
 * `poll-now`: runs one sync at an operator's request, even while the monitor is stopped or backing off. Messages that wait
 * for their next attempt are tried at once; a failure changes neither their attempts nor their next attempts.
 *
 * POST. `?mailbox=ADDRESS` runs that mailbox, even while it is paused; without it, all that are not paused run, as `poll` runs
 * those that are due. `?retry=dead` requeues the dead letters first. `?reconcile=all` (alias `?prove=all`) compares all mail
 * since the first start with Gmail, over as many runs as it takes; `status` shows the result.
 * 200 `{outcome, new_emails, ...}`, with outcome `busy` while another run works, and `dispatched` when the mailboxes were
 * published. 404 for an address that no monitored mailbox has, 409 without credentials. A failed run returns its error.
 */

import type { AppContext } from '../shared/control/app-context.ts';
import { assertConfigured } from '../shared/control/running-flag.ts';
import { requeueDeadLetters } from '../shared/db/dead-letters.ts';
import { findMailbox, listMailboxes } from '../shared/db/mailboxes.ts';
import { Deadline } from '../shared/deadline.ts';
import { AppError } from '../shared/errors.ts';
import { assertParameters, type HttpRequest, type Route } from '../shared/http.ts';
import type { IngestContext } from '../shared/ingest/ingest-context.ts';
import { type IngestRequest, ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import { MailboxContexts } from '../shared/ingest/mailbox-contexts.ts';
import { ofOne, type PollReport, pollMailboxes, requeueDeadOfAll } from '../shared/ingest/poll-mailboxes.ts';
import type { Log } from '../shared/log.ts';
import { mailboxParameter } from '../shared/mailbox-confirmation.ts';
import { hasAddedMailboxes } from '../shared/mailboxes/due-mailboxes.ts';
import { ingestResponse } from './runtime/ingest-response.ts';

export function createRoute(context: AppContext): Route {
  const contexts = new MailboxContexts(context);
  return {
    methods: ['POST'],
    handle: async (request, log) => {
      const { prove: _alias, ...query } = request.query;
      assertParameters({ ...request, query }, 'poll-now', ['mailbox', 'retry', 'reconcile']);
      const reconcilesAll =
        hasParameter(request, 'reconcile', 'all') || hasParameter(request, 'prove', 'all');
      const retriesDead = hasParameter(request, 'retry', 'dead');
      const deadline = Deadline.after(context.config.runBudgetSeconds * 1_000, contexts.first.clock);
      const mailbox = mailboxParameter(request.query);
      const { report, requeued } = await run(contexts, mailbox, {
        log,
        retriesDead,
        request: {
          trigger: 'manual',
          deadline,
          ...(reconcilesAll ? { reconcile: 'all' as const } : {}),
        },
      });
      return ingestResponse(report, requeued === null ? {} : { retried: requeued }, mailbox);
    },
  };
}

interface Asked {
  readonly log: Log;
  readonly retriesDead: boolean;
  readonly request: IngestRequest;
}

async function run(
  contexts: MailboxContexts,
  mailbox: string | null,
  { log, request, retriesDead }: Asked,
): Promise<{ readonly report: PollReport; readonly requeued: number | null }> {
  const { first } = contexts;
  if (mailbox === null) {
    if (first.gmail === null && !(await hasAddedMailboxes(first.db))) assertConfigured(first.config);
    const requeued = retriesDead ? await requeueDeadOfAll(contexts) : null;
    return { report: await pollMailboxes(contexts, request, log), requeued };
  }
  const app = await contexts.ofAddress(mailbox, log);
  if (app === null) {
    const isKnown = (await listMailboxes(first.db)).some((one) => one.emailAddress === mailbox);
    if (isKnown) assertConfigured(first.config);
    throw new AppError(
      'mailbox_unknown',
      'No monitored mailbox has this address. Without `mailbox`, poll-now runs all that are not paused.',
    );
  }
  const requeued = retriesDead ? await requeueDead(app) : null;
  return { report: ofOne(await ingestMailbox(app, request)), requeued };
}

function hasParameter(request: HttpRequest, name: 'retry' | 'reconcile' | 'prove', only: string): boolean {
  const value = request.query[name];
  if (value === undefined) return false;
  if (value !== only) throw new AppError('bad_request', `The only value of "${name}" is "${only}".`);
  return true;
}

async function requeueDead({ credentialFingerprint, db, settings }: IngestContext): Promise<number> {
  const mailboxId =
    settings === null
      ? ((await findMailbox(db, credentialFingerprint ?? ''))?.id ?? null)
      : settings.mailboxId;
  return mailboxId === null ? 0 : await requeueDeadLetters(db, mailboxId);
}
