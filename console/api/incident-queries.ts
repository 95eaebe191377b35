/** Incidents for the console, each with an explanation of its kind and a remediation. */
import type { Queryable } from '../../shared/db/database.ts';
import type { IncidentKind } from '../../shared/db/incidents.ts';
import { statement } from '../../shared/db/statement.ts';
import { withCommand } from '../../shared/operator-commands.ts';
import type { AdviceAction } from '../../shared/schemas/actions.ts';
import type { Incident } from '../../shared/schemas/records.ts';
import { MAX_ID, type PageRequest, type ResultPage, toPage } from './pagination.ts';

interface Meaning {
  readonly explanation: string;
  /** Without the command of `action`. */
  readonly text: string;
  readonly action: AdviceAction | null;
}

const MEANINGS: Readonly<Record<IncidentKind, Meaning>> = {
  history_expired: {
    explanation:
      'Gmail had already deleted the history since the last run. The emails of that period are listed by date and fetched. Emails with an older date, such as imported ones, cannot be found this way.',
    text: 'Nothing to do: the incident closes when all of these emails are fetched. It is expected after a long stop. If it repeats soon, check the Google Workspace status page.',
    action: null,
  },
  missing_found: {
    explanation:
      'A reconciliation found messages in Gmail that the history had not reported. They were added to the ledger and are being fetched.',
    text: 'Wait for the next reconciliation, or reconcile everything now. The incident closes when nothing is missing. If messages are dead, retry them.',
    action: 'reconcile_all',
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

/** A page of incidents, the newest first. */
export async function listIncidents(db: Queryable, request: PageRequest): Promise<ResultPage<Incident>> {
  const { rows } = await db.query(LIST, [request.beforeId ?? MAX_ID, request.limit + 1]);
  const page = toPage(rows, request.limit);
  return {
    ...page,
    rows: page.rows.map((row) => ({
      ...row,
      detail: row.detail as Incident['detail'],
      ...meaningOf(row.kind),
    })),
  };
}

/** All are null for a kind that newer code has written and this version does not know. */
function meaningOf(
  kind: string,
): Pick<Incident, 'action' | 'explanation' | 'remediation' | 'remediation_text'> {
  if (!Object.hasOwn(MEANINGS, kind))
    return { action: null, explanation: null, remediation: null, remediation_text: null };
  const { action, explanation, text } = MEANINGS[kind as IncidentKind];
  return { action, explanation, remediation: withCommand(text, action), remediation_text: text };
}
