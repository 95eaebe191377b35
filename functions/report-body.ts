/** The answer of `poll` and `poll-now`: what the cycle did, and why it failed if it did. */
import type { IngestReport } from '../shared/ingest/ingest-mailbox.ts';

export function reportBody(report: IngestReport): Record<string, unknown> {
  const { counts, error } = report;
  return {
    // RFC 9457 beside our own members, so that a failed cycle reads like every other fault.
    ...(error === null
      ? {}
      : {
          type: 'about:blank',
          title: error.title,
          status: error.status,
          detail: error.message,
          code: error.code,
          cure: error.cure,
        }),
    outcome: report.outcome,
    new_emails: counts.stored,
    discovered: counts.discovered,
    gone: counts.gone,
    ignored: counts.ignored,
    failed: counts.failed,
    dead: counts.dead,
    quota_units: counts.quotaUnits,
  };
}
