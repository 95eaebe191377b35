/** The answer of `poll` and `poll-now`: what the cycle did, and why it failed if it did. */
import { type HttpAnswer, json, problem } from '../shared/http.ts';
import type { IngestReport } from '../shared/ingest/ingest-mailbox.ts';

/** A failed cycle reads like every other fault, with our own members beside those of RFC 9457. */
export function reportAnswer(
  { counts, error, outcome }: IngestReport,
  more: Readonly<Record<string, unknown>> = {},
): HttpAnswer {
  const members = {
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
  return error === null ? json(200, members) : problem(error, {}, members);
}
