/** The answer of `poll` and `poll-now`: what the run did, and why it failed if it did. */
import { type HttpAnswer, json, problem } from '../../shared/http.ts';
import type { IngestReport } from '../../shared/ingest/ingest-mailbox.ts';
import type { PollAnswer } from '../../shared/schemas/poll.ts';

/** A failed run answers a problem, with the members of the run beside those of RFC 9457. */
export function reportAnswer(
  { counts, error, outcome }: IngestReport,
  more: Pick<PollAnswer, 'retried'> = {},
): HttpAnswer {
  const members: PollAnswer = {
    outcome,
    new_emails: counts.stored,
    discovered: counts.discovered,
    gone: counts.gone,
    ignored: counts.ignored,
    failed: counts.failed,
    dead: counts.dead,
    quota_units: counts.quotaUnits,
    ...more,
  };
  return error === null ? json<PollAnswer>(200, members) : problem(error, {}, members);
}
