/** Whether a worker of a consumer works on an email. Called by `reprocess`, which changes no email that is in use. */
import type { Queryable } from '../db/database.ts';
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

// claim_emails passes over locked rows, so no worker claims the email until the transaction ends. A row that is locked already
// may be one that a worker is claiming.
// $1 email id int
// Always one row.
const LOCK = statement(
  `
with free as materialized (
  select q.consumer
  from email_queue q
  where q.email_id = $1::integer
    and (q.state <> 'claimed' or q.due_at <= clock_timestamp())
  for update skip locked
)
select exists (
  select
  from email_queue q
  where q.email_id = $1::integer
    and not exists (select from free f where f.consumer = q.consumer)
) as is_in_use`,
  { is_in_use: 'boolean' },
);

/** True when a claim on the email has not expired. */
export async function isInUse(db: Queryable, emailId: number): Promise<boolean> {
  return (await db.query(READ, [emailId])).rows[0]?.is_in_use ?? false;
}

/**
 * Lets no worker claim the email until the transaction ends. The caller has locked the email.
 *
 * @returns false when a worker has claimed it, or is claiming it now
 */
export async function lockUnclaimed(tx: Queryable, emailId: number): Promise<boolean> {
  return (await tx.query(LOCK, [emailId])).rows[0]?.is_in_use === false;
}
