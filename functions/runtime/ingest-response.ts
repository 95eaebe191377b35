/** The response of `poll` and `poll-now`: what the run did, and why it failed if it did. */
import { type HttpResponse, json, problem } from '../../shared/http.ts';
import type { PollReport } from '../../shared/ingest/poll-mailboxes.ts';
import type { PollAnswer } from '../../shared/schemas/poll.ts';

/** A failed run returns a problem that also has the members of a successful run. */
export function ingestResponse(
  { counts, dispatched, error, mailboxes, outcome }: PollReport,
  more: Pick<PollAnswer, 'retried'> = {},
): HttpResponse {
  const members: PollAnswer = {
    outcome,
    new_emails: counts.stored,
    discovered: counts.discovered,
    gone: counts.gone,
    ignored: counts.ignored,
    failed: counts.failed,
    dead: counts.dead,
    quota_units: counts.quotaUnits,
    ...(dispatched !== null && { dispatched }),
    ...(mailboxes !== null && { mailboxes: mailboxes.count, failed_mailboxes: mailboxes.failedCount }),
    ...more,
  };
  return error === null ? json<PollAnswer>(200, members) : problem(error, {}, members);
}
