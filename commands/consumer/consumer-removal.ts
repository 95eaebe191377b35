/**
 * The removal of a consumer, for the operator. The queue itself is in SQL (`sql/migrations/0006_email-queue.sql`), and
 * `shared/control/status/consumer-backlogs.ts` reads the backlogs.
 */
import type { Database, Queryable } from '../../shared/db/database.ts';
import { camelCase, onlyRow } from '../../shared/db/rows.ts';
import { statement } from '../../shared/db/statement.ts';

export interface ConsumerData {
  /** False: it was removed, or never claimed an email. */
  readonly exists: boolean;
  readonly queuedCount: number;
  readonly resultCount: number;
}

const DATA = statement(
  `select exists (select from consumers c where c.name = $1::text) as exists,
          (select count(*) from email_queue q where q.consumer = $1::text) as queued_count,
          (select count(*) from email_results r where r.consumer = $1::text) as result_count`,
  { exists: 'boolean', queued_count: 'bigint', result_count: 'bigint' },
);

const DELETE_CONSUMER = statement('delete from consumers c where c.name = $1::text', {});

/** Each waits 0.1 s. */
const MAX_WAITS = 300;
const AWAIT_STORES = statement('select await_stores() as have_ended', { have_ended: 'boolean' });

const LOCK_CONSUMER = statement('select try_lock_consumer($1::text) as is_locked', { is_locked: 'boolean' });

const IS_KNOWN = statement('select 1 as found from consumers c where c.name = $1::text', {
  found: 'integer?',
});

function deleteNext(table: 'email_queue' | 'email_results') {
  return statement(
    `with next as (
       select t.email_id
       from ${table} t
       where t.consumer = $1::text
         and t.email_id > $2::integer
       order by t.email_id
       limit $3::integer
       for update
     ),
     deleted as (
       delete from ${table} t
       using next n
       where t.consumer = $1::text
         and t.email_id = n.email_id
       returning t.email_id
     )
     select count(*) as count, max(d.email_id) as last_email_id
     from deleted d`,
    { count: 'bigint', last_email_id: 'integer?' },
  );
}

const DELETE_BATCH = { email_queue: deleteNext('email_queue'), email_results: deleteNext('email_results') };

/** Few enough that a batch takes well below a second. */
const BATCH = 1_000;

export async function readConsumerData(db: Queryable, consumer: string): Promise<ConsumerData> {
  return camelCase(await onlyRow(db, DATA, [consumer]));
}

/**
 * Afterwards no further email is queued for the consumer. Its claims can still be completed. May run any number of times.
 *
 * @returns false when a transaction that may queue emails does not end
 */
export async function deleteConsumer(db: Database, consumer: string): Promise<boolean> {
  await db.query(DELETE_CONSUMER, [consumer]);
  for (let waits = 0; waits < MAX_WAITS; waits += 1)
    if ((await onlyRow(db, AWAIT_STORES)).have_ended) return true;
  return false;
}

export interface DeletedBatch {
  readonly count: number;
  /** Null: nothing was left. */
  readonly lastEmailId: number | null;
}

/**
 * Deletes the next rows of a removed consumer. A worker may have created the consumer again: then nothing is deleted, because an
 * email counts as processed when it leaves the queue of a consumer that exists.
 *
 * @param afterEmailId 0 at first, then `lastEmailId`
 * @returns null: the consumer exists again
 */
export async function deleteBatch(
  db: Database,
  from: keyof typeof DELETE_BATCH,
  consumer: string,
  afterEmailId: number,
): Promise<DeletedBatch | null> {
  return await db.transaction(async (tx) => {
    if (!(await onlyRow(tx, LOCK_CONSUMER, [consumer])).is_locked) return null;
    if ((await tx.query(IS_KNOWN, [consumer])).rows.length > 0) return null;
    return camelCase(await onlyRow(tx, DELETE_BATCH[from], [consumer, afterEmailId, BATCH]));
  });
}
