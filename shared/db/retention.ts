/**
 * Retention: erases emails that every consumer has completed and that are older than RETENTION_DAYS. Scheduled runs call it when
 * `has_expired_emails` is true; the migration that creates the SQL functions has the rules. Like `erasure.ts`, it keeps each message
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
const READ = statement(
  `
select erased_count, erased_at, checked_at, is_stalled, blocked_count, blocked_reason, uncompleted
from retention_status($1::integer)`,
  {
    erased_count: 'bigint',
    erased_at: 'timestamp with time zone?',
    checked_at: 'timestamp with time zone?',
    is_stalled: 'boolean',
    blocked_count: 'integer',
    blocked_reason: 'text?',
    uncompleted: 'jsonb',
  },
);

type RetentionRow = NonNullable<(typeof READ)['row']>;

export interface RetentionProgress extends Omit<RetentionRow, 'uncompleted'> {
  /** Expired emails that are not completed. `consumer` is null when there is none: then `processed` is false. */
  readonly uncompleted: readonly { readonly consumer: string | null; readonly count: number }[];
}

/** Where `blocked_count` and the counts of `uncompleted` stop. */
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
  const row = await onlyRow(db, READ, [days]);
  return { ...row, uncompleted: row.uncompleted as RetentionProgress['uncompleted'] };
}
