/**
 * Retention: erases emails that every consumer has completed and that are older than RETENTION_DAYS. Scheduled runs call it when
 * `has_expired_emails` is true; the migration that creates the SQL functions has the rules. Like `npm run erase`, it keeps each message
 * `stored` in the ledger.
 */
import type { Queryable } from './database.ts';
import { onlyRow } from './rows.ts';
import { statement } from './statement.ts';

/** Per call. 1,440 polls per day erase 288,000 emails, more than a mailbox receives. */
const MAX_EMAILS = 200;

// $1 days int, $2 emails int
// Always one row.
const ERASE = statement('select erase_expired_emails($1::integer, $2::integer) as erased_count', {
  erased_count: 'integer',
});

// $1 days int
// Always one row.
// unpublished_count: in the order of the index on email_id, because a long outbox would be scanned otherwise.
const READ = statement(
  `
select r.erased_count, r.erased_at, r.checked_at, r.is_stalled, r.blocked_count, r.blocked_reason, r.uncompleted,
       (
         select count(*)::integer
         from (
           select
           from email_outbox o
           where o.email_id <= (select p.expired_to_id from retention_progress p)
           order by o.email_id
           limit 1000
         ) expired
       ) as unpublished_count
from retention_status($1::integer) r`,
  {
    erased_count: 'bigint',
    erased_at: 'timestamp with time zone?',
    checked_at: 'timestamp with time zone?',
    is_stalled: 'boolean',
    blocked_count: 'integer',
    blocked_reason: 'text?',
    uncompleted: 'jsonb',
    unpublished_count: 'integer',
  },
);

export interface RetentionProgress extends NonNullable<(typeof READ)['row']> {
  /** Expired emails that are not completed. `consumer` is null when there is none: then `processed` is false. */
  readonly uncompleted: readonly { readonly consumer: string | null; readonly count: number }[];
}

/** Where `blocked_count`, `unpublished_count` and the counts of `uncompleted` stop. */
export const COUNTED_EMAILS = 1_000;

/**
 * Erases some of the emails that were received and stored more than `days` days ago, for about a second. May run twice, and
 * concurrently.
 *
 * @returns how many; 0 also while another call runs
 * @throws {AppError} database_denied, database_unavailable; nothing was erased then
 */
export async function eraseExpiredEmails(db: Queryable, days: number): Promise<number> {
  return (await onlyRow(db, ERASE, [days, MAX_EMAILS])).erased_count;
}

/** Reads only. @throws {AppError} database_denied, database_unavailable */
export async function readRetention(db: Queryable, days: number): Promise<RetentionProgress> {
  return (await onlyRow(db, READ, [days])) as RetentionProgress;
}
