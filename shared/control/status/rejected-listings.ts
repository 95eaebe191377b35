/** Listings that Gmail rejected: those that wait for a retry, and backfills that ended with a rejection in the last week. */
import type { Queryable } from '../../db/database.ts';
import type { ListPurpose } from '../../db/list-jobs.ts';
import { camelCase } from '../../db/rows.ts';
import { statement } from '../../db/statement.ts';

export interface RejectedListing {
  /** Unique among the listings of one purpose. */
  readonly id: number;
  /** Of the mailbox. */
  readonly address: string;
  readonly purpose: ListPurpose | 'reconciliation';
  readonly query: string;
  readonly detail: string;
  /** False when the system needs the listing and retries it within the hour. */
  readonly isFinished: boolean;
}

// $1 days during which an ended backfill is shown
// One row per listing, list jobs first. Omits a rejected backfill when the same query was planned again and not rejected.
const REJECTED = statement(
  `
select rejected.id, rejected.purpose, rejected.query, rejected.detail, rejected.is_finished,
       m.email_address as address
from (
  select j.mailbox_id, j.id::bigint as id, j.purpose, j.query, coalesce(j.error_detail, j.error_code) as detail,
         j.finished_at is not null as is_finished
  from list_jobs j
  where j.error_code is not null
    and (j.finished_at is null or j.finished_at > now() - $1::integer * interval '1 day')
    and not exists (
      select 1
      from list_jobs again
      where again.mailbox_id = j.mailbox_id
        and again.query = j.query
        and again.id > j.id
        and again.error_code is null
    )
  union all
  select r.mailbox_id, r.id, 'reconciliation', r.query, coalesce(r.error_detail, r.error_code), false
  from reconciliations r
  where r.evaluated_at is null
    and r.error_code is not null
) rejected
join mailboxes m on m.id = rejected.mailbox_id
order by rejected.purpose = 'reconciliation', rejected.id`,
  {
    id: 'bigint',
    purpose: 'text',
    query: 'text',
    detail: 'text',
    is_finished: 'boolean',
    address: 'text',
  },
);

const SHOWN_DAYS = 7;

/** Returns the rejected listings of all mailboxes. */
export async function findRejectedListings(db: Queryable): Promise<RejectedListing[]> {
  const { rows } = await db.query(REJECTED, [SHOWN_DAYS]);
  return rows.map((row) => ({ ...camelCase(row), purpose: row.purpose as RejectedListing['purpose'] }));
}
