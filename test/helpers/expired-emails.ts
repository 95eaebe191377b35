/** Emails that are older than a retention of 30 days, and what retention leaves of them. */
import type { Queryable } from '../../shared/db/database.ts';
import { eraseExpiredEmails } from '../../shared/db/retention.ts';
import { storeEmails } from './email-queue.ts';
import type { TestDatabase } from './test-database.ts';

export const RETENTION_DAYS = 30;

/** Back-dates the emails, as if they were received and stored that many days ago. */
export async function age(
  db: Queryable,
  ids: readonly number[],
  { received, stored }: { readonly received: number; readonly stored: number } = { received: 31, stored: 31 },
): Promise<void> {
  await db.query(
    `update incoming_emails
     set received_at = now() - $2::integer * interval '1 day',
         created_at = now() - $3::integer * interval '1 day'
     where id = any ($1::integer[])`,
    [ids, received, stored],
  );
}

/** Stores emails that expired a day ago. @returns their ids, lowest first */
export async function storeExpired(db: TestDatabase, howMany: number): Promise<number[]> {
  const ids = await storeEmails(db, howMany);
  await age(db, ids);
  return ids;
}

export async function setProcessed(db: Queryable, ids: readonly number[]): Promise<void> {
  await db.query('update incoming_emails set processed = true where id = any ($1::integer[])', [ids]);
}

/** One call of a scheduled run. @returns how many emails it erased */
export async function eraseExpired(db: Queryable): Promise<number> {
  return await eraseExpiredEmails(db, RETENTION_DAYS);
}

/** The next call examines all emails again. */
export async function endPass(db: Queryable): Promise<void> {
  await db.query("update retention_progress set pass_began_at = pass_began_at - interval '61 minutes'");
}

export async function hasExpired(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ value: boolean }>('select has_expired_emails($1::integer) as value', [
    RETENTION_DAYS,
  ]);
  return rows[0]?.value ?? false;
}

export async function storedEmailIds(db: Queryable): Promise<number[]> {
  return (await db.query<{ id: number }>('select id from incoming_emails order by id')).rows.map(
    ({ id }) => id,
  );
}

/** Deletes all emails, messages and consumers, and what retention has recorded. */
export async function startOver(db: Queryable): Promise<void> {
  await db.query(
    `delete from incoming_emails;
     delete from email_ledger;
     delete from consumers;
     delete from erasures;
     update retention_progress
     set days = null, checked_to_id = 0, expired_to_id = 0, checked_at = null, pass_began_at = now()`,
  );
}
