/**
 * Messages that cannot be fetched or stored, by mailbox: pending ones whose last attempt failed, and dead ones that no
 * operator has given up. Read by `status`.
 */
import type { Queryable } from './database.ts';
import { statement } from './statement.ts';

// One row per mailbox that has any. error_* are of the newest failure.
const FAILING = statement(
  `
with failing as (
  select mailbox_id, state, error_code, error_detail, last_attempt_at, next_attempt_at, discovered_at
  from email_ledger
  where state = 'pending'
    and last_attempt_at is not null
    and error_code is not null
  union all
  select mailbox_id, state, error_code, error_detail, last_attempt_at, next_attempt_at, discovered_at
  from email_ledger
  where state = 'dead'
    and given_up_at is null
)
select mailbox_id,
       count(*) as failing_count,
       count(*) filter (where state = 'dead') as dead_count,
       (array_agg(error_code order by last_attempt_at desc nulls last))[1] as error_code,
       (array_agg(error_detail order by last_attempt_at desc nulls last))[1] as error_detail,
       min(next_attempt_at) as next_attempt_at,
       min(discovered_at) as oldest_since
from failing
group by mailbox_id`,
  {
    mailbox_id: 'integer',
    failing_count: 'bigint',
    dead_count: 'bigint',
    error_code: 'text?',
    error_detail: 'text?',
    next_attempt_at: 'timestamp with time zone?',
    oldest_since: 'timestamp with time zone',
  },
);

export type FailingRow = NonNullable<(typeof FAILING)['row']>;

/** @returns by mailbox id; without an entry nothing fails */
export async function readFailingMessages(db: Queryable): Promise<Map<number, FailingRow>> {
  const { rows } = await db.query(FAILING);
  return new Map(rows.map((row) => [row.mailbox_id, row]));
}
