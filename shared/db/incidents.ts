/** What went wrong in a way that somebody may ask about later, and how it ended. */
import type { Queryable } from './database.ts';

export type IncidentKind =
  /** The cursor was older than the history that Gmail keeps; the gap was listed instead. */
  | 'history_expired'
  /** A proof found messages that the ledger did not have; they were entered and fetched. */
  | 'missing_found';

export interface Incident {
  readonly id: number;
  readonly kind: IncidentKind;
  readonly openedAt: Date;
  /** Null while it lasts. */
  readonly closedAt: Date | null;
  /** Counts and ids, no mail content. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Inside the transaction that reacts to it. */
export async function openIncident(
  tx: Queryable,
  mailboxId: number,
  kind: IncidentKind,
  detail: Readonly<Record<string, unknown>>,
): Promise<number> {
  const { rows } = await tx.query<{ id: number }>(
    `insert into incidents (mailbox_id, kind, detail)
     values ($1::integer, $2::text, $3::jsonb)
     returning id`,
    [mailboxId, kind, JSON.stringify(detail)],
  );
  return rows[0]?.id ?? 0;
}

/**
 * The same thing again within the hour is the same incident: a fault that lasts must not fill the list.
 *
 * @returns its id, null when there is none
 */
export async function reopenIncident(
  tx: Queryable,
  mailboxId: number,
  kind: IncidentKind,
  detail: Readonly<Record<string, unknown>>,
): Promise<number | null> {
  const { rows } = await tx.query<{ id: number }>(
    `update incidents
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
    [mailboxId, kind, JSON.stringify(detail)],
  );
  return rows[0]?.id ?? null;
}

/**
 * Closes the expired histories whose gap is listed and of which nothing waits. May run at any time.
 *
 * @returns the closed ones
 */
export async function closeListedGaps(db: Queryable, mailboxId: number): Promise<Incident[]> {
  const { rows } = await db.query<IncidentRow>(
    `update incidents i
     set closed_at = now(),
         detail = i.detail || (
           select jsonb_build_object(
             'listed_count', coalesce(sum(s.listed_count), 0), 'new_count', coalesce(sum(s.new_count), 0))
           from listings s
           where i.detail -> 'listing_ids' @> to_jsonb(s.id)
         )
     where i.mailbox_id = $1::integer
       and i.kind = 'history_expired'
       and i.closed_at is null
       and not exists (
         select 1
         from listings s
         where s.mailbox_id = i.mailbox_id
           and s.purpose = 'gap'
           and s.finished_at is null
       )
       and not exists (
         select 1
         from email_ledger l
         where l.mailbox_id = i.mailbox_id
           and l.state = 'pending'
           and l.source = 'gap'
       )
     returning i.id, i.kind, i.opened_at, i.closed_at, i.detail`,
    [mailboxId],
  );
  return rows.map(toIncident);
}

/** Closes the incidents of missing mail: a later proof has found nothing missing. */
export async function closeMissing(tx: Queryable, mailboxId: number): Promise<Incident[]> {
  const { rows } = await tx.query<IncidentRow>(
    `update incidents
     set closed_at = now()
     where mailbox_id = $1::integer
       and kind = 'missing_found'
       and closed_at is null
     returning id, kind, opened_at, closed_at, detail`,
    [mailboxId],
  );
  return rows.map(toIncident);
}

/** The open ones, and the newest of the closed ones. */
export async function readIncidents(
  db: Queryable,
  mailboxId: number,
  closedCount: number,
): Promise<Incident[]> {
  const { rows } = await db.query<IncidentRow>(
    `select id, kind, opened_at, closed_at, detail
     from (
       select *, row_number() over (partition by closed_at is null order by id desc) as rank
       from incidents
       where mailbox_id = $1::integer
     ) ranked
     where closed_at is null or rank <= $2::integer
     order by id desc`,
    [mailboxId, closedCount],
  );
  return rows.map(toIncident);
}

interface IncidentRow {
  id: number;
  kind: IncidentKind;
  opened_at: Date;
  closed_at: Date | null;
  detail: Record<string, unknown>;
}

function toIncident(row: IncidentRow): Incident {
  return { id: row.id, kind: row.kind, openedAt: row.opened_at, closedAt: row.closed_at, detail: row.detail };
}
