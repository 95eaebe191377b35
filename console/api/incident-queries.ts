/** Incidents, each with the meaning of its kind and what to do. */
import type { Queryable } from '../../shared/db/database.ts';
import type { IncidentKind } from '../../shared/db/incidents.ts';
import { statement } from '../../shared/db/statement.ts';
import type { Incident } from '../../shared/schemas/records.ts';
import { ABOVE_ALL, type PageAsk, type PageOf, toPage } from './pagination.ts';

const MEANINGS: Readonly<
  Record<IncidentKind, { readonly explanation: string; readonly remediation: string }>
> = {
  history_expired: {
    explanation:
      'Gmail no longer had the history since the last run, so the mail of that time is listed by date and fetched. Mail with an older date, such as an import, cannot be found this way.',
    remediation:
      'Nothing to do: it closes when all of it is fetched. After a long stop it is expected; if it repeats at once, check the Google Workspace status page.',
  },
  missing_found: {
    explanation:
      "A reconciliation with Gmail's own listing found messages that the history had not shown; they entered the ledger at once and are fetched.",
    remediation:
      'Wait for the next reconciliation, or POST poll-now?reconcile=all to reconcile everything now: it closes when nothing is missing. If messages are dead, requeue them.',
  },
};

// $1 ids below bigint, $2 rows int
const LIST = statement(
  `
select id, kind, opened_at, closed_at, detail
from incidents
where id < $1::bigint
order by id desc
limit $2::integer`,
  {
    id: 'bigint',
    kind: 'text',
    opened_at: 'timestamp with time zone',
    closed_at: 'timestamp with time zone?',
    detail: 'jsonb',
  },
);

/** The newest first. */
export async function listIncidents(db: Queryable, ask: PageAsk): Promise<PageOf<Incident>> {
  const { rows } = await db.query(LIST, [ask.before ?? ABOVE_ALL, ask.limit + 1]);
  const page = toPage(rows, ask.limit);
  return {
    ...page,
    rows: page.rows.map((row) => ({
      ...row,
      detail: row.detail as Incident['detail'],
      ...meaningOf(row.kind),
    })),
  };
}

/** Newer code may have written a kind that this code does not know. */
function meaningOf(kind: string): Pick<Incident, 'explanation' | 'remediation'> {
  return Object.hasOwn(MEANINGS, kind)
    ? MEANINGS[kind as IncidentKind]
    : { explanation: null, remediation: null };
}
