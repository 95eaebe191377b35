/** The response of `poll` and `poll-now`: what the run did, and why it failed if it did. */
import { remediationFor } from '../../shared/errors.ts';
import { type HttpResponse, json, problem } from '../../shared/http.ts';
import type { PollReport } from '../../shared/ingest/poll-mailboxes.ts';
import type { PollAnswer } from '../../shared/schemas/poll.ts';

/**
 * A failed run returns a problem that also has the members of a successful run.
 *
 * @param address of the one mailbox that ran, for the commands of the remediation; null for several
 */
export function ingestResponse(
  { counts, dispatched, error, mailboxes, outcome }: PollReport,
  more: Pick<PollAnswer, 'retried'> = {},
  address: string | null = null,
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
  if (error === null) return json<PollAnswer>(200, members);
  return problem(error, {}, { ...members, remediation: remediationFor(error.code, address) });
}
