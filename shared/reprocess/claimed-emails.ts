/** Whether a worker of a consumer works on an email. Called by `reprocess`, which changes no email that is in use. */
import type { Queryable } from '../db/database.ts';
import { onlyRow } from '../db/rows.ts';
import { statement } from '../db/statement.ts';

// $1 email id int
// Always one row.
const READ = statement(
  `
select exists (
  select
  from email_queue q
  where q.email_id = $1::integer
    and q.state = 'claimed'
    and q.due_at > clock_timestamp()
) as is_in_use`,
  { is_in_use: 'boolean' },
);

// $1 email id int
// Always one row.
const LOCK = statement('select lock_unclaimed_email($1::integer) as is_free', { is_free: 'boolean' });

// $1 email id int
const REQUEUE_EXPIRED = statement(`
select
from email_queue q
join consumers c on c.name = q.consumer
cross join lateral requeue_email(q.consumer, q.email_id)
where q.email_id = $1::integer
  and q.state = 'claimed'`);

/** True when a claim on the email has not expired. */
export async function isInUse(db: Queryable, emailId: number): Promise<boolean> {
  return (await onlyRow(db, READ, [emailId])).is_in_use;
}

/**
 * Lets no worker claim the email until the transaction ends. The caller has locked the email.
 *
 * @returns false when a worker has claimed it, or is claiming it now
 */
export async function lockUnclaimed(tx: Queryable, emailId: number): Promise<boolean> {
  return (await onlyRow(tx, LOCK, [emailId])).is_free;
}

/**
 * The email has changed. The last holder of an expired claim may otherwise still complete it, and has read the former values. Needs
 * `lockUnclaimed` in the same transaction.
 */
export async function requeueExpired(tx: Queryable, emailId: number): Promise<void> {
  await tx.query(REQUEUE_EXPIRED, [emailId]);
}
