/** Incidents: problems that an operator may look up later, and how each one ended. */
import type { Queryable } from './database.ts';
import { type CamelCase, camelCase, onlyRow } from './rows.ts';
import { type RowOf, statement } from './statement.ts';

export type IncidentKind =
  /** Gmail no longer had the history after the cursor; the gap was listed by date instead. */
  | 'history_expired'
  /** A reconciliation found messages that the history never showed; the ledger has them now. */
  | 'missing_found';

const COLUMNS = {
  id: 'bigint',
  kind: 'text',
  opened_at: 'timestamp with time zone',
  /** Null while the incident is open. */
  closed_at: 'timestamp with time zone?',
  detail: 'jsonb',
} as const;

export interface Incident extends CamelCase<RowOf<typeof COLUMNS>> {
  readonly kind: IncidentKind;
  /** Counts and ids, no mail content. */
  readonly detail: Readonly<Record<string, unknown>>;
}

// $1 mailbox id, $2 kind, $3 detail
const OPEN = statement(
  `
insert into incidents (mailbox_id, kind, detail)
values ($1::integer, $2::text, $3::jsonb)
returning id`,
  { id: 'bigint' },
  { isRepeatable: false },
);

/** Opens an incident, in the transaction that reacts to it. @returns its id */
export async function openIncident(
  tx: Queryable,
  mailboxId: number,
  kind: IncidentKind,
  detail: Readonly<Record<string, unknown>>,
): Promise<number> {
  return (await onlyRow(tx, OPEN, [mailboxId, kind, JSON.stringify(detail)])).id;
}

// $1 mailbox id, $2 kind, $3 detail
// No row: no incident of this kind is open or was opened within the hour.
const REOPEN = statement(
  `
update incidents
set closed_at = null,
    detail = detail || $3::jsonb
where id = (
  select max(id)
  from incidents
  where mailbox_id = $1::integer
    and kind = $2::text
    and (closed_at is null or opened_at > now() - interval '1 hour')
)
returning id`,
  { id: 'bigint' },
);

/**
 * Continues the incident of this kind that is open or was opened within the last hour, so that a repeated error does not fill
 * the list.
 *
 * @returns its id; null when there is none
 */
export async function reopenIncident(
  tx: Queryable,
  mailboxId: number,
  kind: IncidentKind,
  detail: Readonly<Record<string, unknown>>,
): Promise<number | null> {
  const { rows } = await tx.query(REOPEN, [mailboxId, kind, JSON.stringify(detail)]);
  return rows[0]?.id ?? null;
}

// $1 mailbox id
// One row per incident that was closed.
const CLOSE_LISTED_GAPS = statement(
  `
update incidents i
set closed_at = now(),
    detail = i.detail || (
      select jsonb_build_object(
        'listed_count', coalesce(sum(j.listed_count), 0), 'new_count', coalesce(sum(j.new_count), 0))
      from list_jobs j
      where j.id = (i.detail ->> 'list_job_id')::integer
    )
where i.mailbox_id = $1::integer
  and i.kind = 'history_expired'
  and i.closed_at is null
  and not exists (
    select 1
    from list_jobs j
    where j.mailbox_id = $1::integer
      and j.purpose = 'gap'
      and j.finished_at is null
  )
  -- Evaluated only while such an incident is open, because it can read the whole backlog.
  and (
    select l.id
    from email_ledger l
    where l.mailbox_id = i.mailbox_id
      and l.state = 'pending'
      and l.source = 'gap'
    order by l.priority, l.discovered_at
    limit 1
  ) is null
returning i.id, i.kind, i.opened_at, i.closed_at, i.detail`,
  COLUMNS,
);

/** Closes `history_expired` once its gap is listed and has no pending message. May run at any time. @returns the closed ones */
export async function closeListedGaps(db: Queryable, mailboxId: number): Promise<Incident[]> {
  const { rows } = await db.query(CLOSE_LISTED_GAPS, [mailboxId]);
  return rows.map((row) => camelCase(row) as Incident);
}

// $1 mailbox id
const CLOSE_MISSING = statement(`
update incidents
set closed_at = now()
where mailbox_id = $1::integer
  and kind = 'missing_found'
  and closed_at is null`);

/** Closes `missing_found`, for a later reconciliation that found no missing message. May run twice. */
export async function closeMissing(tx: Queryable, mailboxId: number): Promise<void> {
  await tx.query(CLOSE_MISSING, [mailboxId]);
}

// $1 mailbox ids, $2 number of closed incidents per mailbox
const READ = statement(
  `
select mailbox_id, id, kind, opened_at, closed_at, detail
from (
  select *, row_number() over (partition by mailbox_id, closed_at is null order by id desc) as rank
  from incidents
  where mailbox_id = any ($1::integer[])
) ranked
where closed_at is null or rank <= $2::integer
order by id desc`,
  { mailbox_id: 'integer', ...COLUMNS },
);

/** Returns the open incidents and the newest closed ones, newest first, by mailbox id; no entry for none. */
export async function readIncidents(
  db: Queryable,
  mailboxIds: readonly number[],
  closedCount: number,
): Promise<Map<number, Incident[]>> {
  const { rows } = await db.query(READ, [mailboxIds, closedCount]);
  const incidents = new Map<number, Incident[]>();
  for (const { mailbox_id: id, ...row } of rows)
    incidents.set(id, [...(incidents.get(id) ?? []), camelCase(row) as Incident]);
  return incidents;
}
