/** Stored emails, and the calls of a worker, for tests of the queue. */
import { expect } from 'vitest';
import type { Queryable } from '../../shared/db/database.ts';
import { storeEmail } from '../../shared/db/emails.ts';
import { addLiveMessages, leasedMailbox } from './leased-mailbox.ts';
import { storable } from './storable-email.ts';
import type { TestDatabase } from './test-database.ts';

let count = 0;

/** Stores emails in a mailbox of their own. @returns their ids, lowest first */
export async function storeEmails(db: TestDatabase, howMany: number): Promise<number[]> {
  const lease = await leasedMailbox(db);
  const ids = Array.from({ length: howMany }, () => `queued-${++count}`);
  await addLiveMessages(db, lease, ...ids);
  for (const id of ids) await storeEmail(db, lease, await storable(id));
  const { rows } = await db.query<{ id: number }>(
    'select id from incoming_emails where mailbox_id = $1 order by id',
    [lease.mailboxId],
  );
  return rows.map((row) => row.id);
}

/** The calls of one worker of a consumer. */
export function workerOf(db: Queryable, consumer: string, worker = 'a') {
  const call = async <T>(sql: string, ...values: unknown[]): Promise<T> => {
    const { rows } = await db.query<{ value: T }>(`select ${sql} as value`, [consumer, worker, ...values]);
    return rows[0]?.value as T;
  };
  return {
    /** @returns the ids of the claimed emails */
    claim: async (maxCount = 1, lease = '5 minutes'): Promise<number[]> => {
      const { rows } = await db.query<{ id: number }>(
        'select id from claim_emails($1::text, $2::text, $3::integer, $4::interval)',
        [consumer, worker, maxCount, lease],
      );
      return rows.map((row) => row.id);
    },
    extend: async (id: number, lease = '5 minutes') =>
      await call<Date>('extend_claim($1::text, $2::text, $3::integer, $4::interval)', id, lease),
    complete: async (id: number | null, result: unknown = null) =>
      await call<null>(
        'complete_email($1::text, $2::text, $3::integer, $4::jsonb)',
        id,
        result === null ? null : JSON.stringify(result),
      ),
    fail: async (id: number, error: string | null = 'no total', retryIn: string | null = null) =>
      await call<Date | null>(
        'fail_email($1::text, $2::text, $3::integer, $4::text, $5::interval)',
        id,
        error,
        retryIn,
      ),
    release: async (id: number) => await call<null>('release_email($1::text, $2::text, $3::integer)', id),
  };
}

export async function requeue(db: Queryable, consumer: string, emailId: number): Promise<void> {
  await db.query('select requeue_email($1::text, $2::integer)', [consumer, emailId]);
}

/** As if the lease of the claim, or the wait of the email, were over. */
export async function passTime(db: Queryable, consumer: string, emailId: number): Promise<void> {
  const { rowCount } = await db.query(
    `update email_queue
     set due_at = clock_timestamp() - interval '1 second'
     where consumer = $1
       and email_id = $2`,
    [consumer, emailId],
  );
  expect(rowCount).toBe(1);
}

/** @returns the SQLSTATE of the error; null when the call succeeds */
export async function sqlStateOf(call: Promise<unknown>): Promise<string | null> {
  try {
    await call;
    return null;
  } catch (error) {
    for (let at: unknown = error; at instanceof Error; at = at.cause) {
      if ('code' in at && /^[0-9A-Z]{5}$/.test(String(at.code))) return String(at.code);
    }
    throw error;
  }
}
