/** The results of the last reconciliations, by mailbox: the newest one, and the newest full one. Read by `status`. */
import type { Queryable } from '../../db/database.ts';
import { statement } from '../../db/statement.ts';

// $1 mailbox ids
// Up to two rows per mailbox: the newest evaluated reconciliation, and the newest one since the first start.
const RESULTS = statement(
  `
select m.id as mailbox_id, r.is_full, r.evaluated_at as at, r.started_at as up_to, r.window_begins_at as since,
       coalesce(r.gmail_count, 0) as gmail_count,
       coalesce(r.stored_count, 0) as stored_count,
       coalesce(r.pending_count, 0) as pending_count,
       coalesce(r.failed_count, 0) as failed_count,
       coalesce(r.ignored_count, 0) as ignored_count,
       coalesce(r.gone_count, 0) as gone_count,
       coalesce(r.missing_count, 0) as missing_count
from mailboxes m
cross join lateral (
  (
    select *
    from reconciliations
    where mailbox_id = m.id
      and evaluated_at is not null
      and missing_count is not null
    order by evaluated_at desc
    limit 1
  )
  union
  (
    select *
    from reconciliations
    where mailbox_id = m.id
      and evaluated_at is not null
      and missing_count is not null
      and is_full
    order by evaluated_at desc
    limit 1
  )
) r
where m.id = any ($1::integer[])
order by m.id, r.evaluated_at desc`,
  {
    mailbox_id: 'integer',
    is_full: 'boolean',
    at: 'timestamp with time zone',
    up_to: 'timestamp with time zone',
    since: 'timestamp with time zone',
    gmail_count: 'integer',
    stored_count: 'integer',
    pending_count: 'integer',
    failed_count: 'integer',
    ignored_count: 'integer',
    gone_count: 'integer',
    missing_count: 'integer',
  },
);

type ReconciliationCounts = Omit<NonNullable<(typeof RESULTS)['row']>, 'mailbox_id' | 'is_full'>;

/** Those of the newest reconciliation, named as `status` shows them. */
export interface ReconciliationResults extends ReconciliationCounts {
  /** Null before the first full one. */
  readonly full: ReconciliationCounts | null;
}

/** Returns results by mailbox id; no entry before the first result. */
export async function readReconciliationResults(
  db: Queryable,
  mailboxIds: readonly number[],
): Promise<Map<number, ReconciliationResults>> {
  const results = new Map<number, ReconciliationResults>();
  for (const { is_full: isFull, mailbox_id: id, ...counts } of (await db.query(RESULTS, [mailboxIds])).rows) {
    const newest = results.get(id) ?? { ...counts, full: null };
    results.set(id, { ...newest, full: newest.full ?? (isFull ? counts : null) });
  }
  return results;
}
