/** Retention while consumers, operators and foreign keys use the same emails. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requeueEmail } from '../../console/api/requeue-emails.ts';
import { requeue, sqlStateOf, workerOf } from '../helpers/email-queue.ts';
import {
  endPass,
  eraseExpired,
  hasExpired,
  setProcessed,
  startOver,
  storedEmailIds,
  storeExpired,
} from '../helpers/expired-emails.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());
beforeEach(async () => {
  await db.query('drop schema if exists orders cascade');
  await startOver(db);
});

/** Expired emails that the consumer `archive` has completed. */
async function storeCompleted(howMany: number): Promise<number[]> {
  await workerOf(db, 'archive').claim();
  const ids = await storeExpired(db, howMany);
  const worker = workerOf(db, 'archive');
  await worker.claim(howMany);
  for (const id of ids) await worker.complete(id);
  return ids;
}

/** The SQL of a session that waits for a lock. */
async function isWaiting(sql: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `select from pg_stat_activity
     where datname = current_database()
       and wait_event_type = 'Lock'
       and strpos(query, $1::text) > 0`,
    [sql],
  );
  return rowCount > 0;
}

describe('an email that is used at the same moment', () => {
  test('is not erased when it is queued again after it was found completed', async () => {
    const [first = 0, second = 0] = await storeCompleted(2);
    const HOLD = 4_712;
    await db.query(
      `create function wait_for_test() returns trigger language plpgsql set lock_timeout = 0 as $$
       begin
         perform pg_advisory_xact_lock(${HOLD});
         return old;
       end $$;
       create trigger wait_for_test before delete on incoming_emails
       for each row when (old.id = ${first}) execute function wait_for_test()`,
    );
    let erased = Promise.resolve(0);
    try {
      await db.transaction(async (tx) => {
        await tx.query(`select pg_advisory_xact_lock(${HOLD})`);
        erased = eraseExpired(db);
        await expect.poll(async () => await isWaiting('erase_expired_emails')).toBe(true);
        await requeue(db, 'archive', second);
      });
      expect(await erased).toBe(1);
      expect(await storedEmailIds(db)).toEqual([second]);
      expect(await workerOf(db, 'archive').claim()).toEqual([second]);
    } finally {
      await erased.catch(() => undefined);
      await db.query('drop function wait_for_test cascade');
    }
  });

  test.each([
    ['is being queued again', "select requeue_email('archive', $1::integer)"],
    ['is being parsed again', 'select from incoming_emails where id = $1::integer for update'],
    ['is being made unprocessed', 'update incoming_emails set processed = processed where id = $1::integer'],
    [
      'is being read by a transaction that adds a result',
      'select from incoming_emails where id = $1::integer for key share',
    ],
  ])('is not erased while it %s', async (_, sql) => {
    const [used = 0] = await storeCompleted(2);
    await db.transaction(async (tx) => {
      await tx.query(sql, [used]);
      expect(await eraseExpired(db)).toBe(1);
    });
    expect(await storedEmailIds(db)).toEqual([used]);
  });

  test('is reported as erased to an operator who queues it again at the same moment', async () => {
    const [id = 0] = await storeCompleted(1);
    let queued: Promise<string> = Promise.resolve('');
    let unprocessed: Promise<number> = Promise.resolve(1);
    await db.transaction(async (tx) => {
      expect(await eraseExpired(tx)).toBe(1);
      queued = requeueEmail(db, 'archive', id).then(
        () => 'queued',
        (error: Error) => error.message,
      );
      unprocessed = db
        .query('update incoming_emails set processed = false where id = $1::integer', [id])
        .then(({ rowCount }) => rowCount);
      await expect.poll(async () => await isWaiting('requeue_email')).toBe(true);
      await expect.poll(async () => await isWaiting('set processed = false')).toBe(true);
    });
    expect(await queued).toMatch(`No email has the id ${id}`);
    expect(await unprocessed).toBe(0);
    expect((await db.query('select from email_queue')).rowCount).toBe(0);
  });
});

describe('a table of a consumer that refers to emails', () => {
  async function refer(ids: readonly number[], constraint: string): Promise<void> {
    await db.query(
      `create schema orders;
       create table orders.lines (email_id integer constraint line_of_email references incoming_emails ${constraint})`,
    );
    await db.query('insert into orders.lines select unnest($1::integer[])', [ids]);
  }

  async function blocks(): Promise<unknown[]> {
    return (await db.query('select email_id, reason from retention_blocks order by email_id')).rows;
  }

  test.each(['', 'on delete restrict', 'deferrable initially deferred'])(
    'keeps its emails with the name of the foreign key, and no other email: %s',
    async (constraint) => {
      const ids = await storeCompleted(3);
      await refer(ids.slice(0, 1), constraint);
      expect(await eraseExpired(db)).toBe(2);
      expect(await storedEmailIds(db)).toEqual(ids.slice(0, 1));
      expect(await blocks()).toEqual([
        { email_id: ids[0], reason: 'the constraint line_of_email of the table orders.lines' },
      ]);
      expect(await hasExpired(db)).toBe(false);
      const { rows } = await db.query(
        'select count(*)::integer as erased from email_ledger where erased_at is not null',
      );
      expect(rows).toEqual([{ erased: 2 }]);
    },
  );

  test('loses its rows with the email when it says so', async () => {
    await refer(await storeCompleted(2), 'on delete cascade');
    expect(await eraseExpired(db)).toBe(2);
    expect((await db.query('select from orders.lines')).rowCount).toBe(0);
  });

  test('is reported until its row is gone and the next pass erases the email', async () => {
    const [id = 0] = await storeCompleted(1);
    await refer([id], '');
    await eraseExpired(db);
    await endPass(db);
    expect(await eraseExpired(db)).toBe(0);
    expect(await blocks()).toHaveLength(1);
    await db.query('delete from orders.lines');
    await endPass(db);
    expect(await eraseExpired(db)).toBe(1);
    expect(await blocks()).toEqual([]);
  });

  test('is no longer reported when its email is queued again', async () => {
    const [id = 0] = await storeCompleted(1);
    await refer([id], '');
    await eraseExpired(db);
    await requeue(db, 'archive', id);
    await endPass(db);
    await eraseExpired(db);
    expect(await blocks()).toEqual([]);
  });

  test('fails 20 deletions per call at most, and the next call continues behind them', async () => {
    const ids = await storeCompleted(30);
    await refer(ids.slice(0, 25), '');
    expect(await eraseExpired(db)).toBe(0);
    expect(await blocks()).toHaveLength(20);
    expect(await hasExpired(db)).toBe(true);
    expect(await eraseExpired(db)).toBe(5);
    expect(await blocks()).toHaveLength(25);
  });

  test('delays its email to the next pass while a transaction has its row locked', async () => {
    const ids = await storeCompleted(2);
    await refer(ids.slice(0, 1), 'on delete cascade');
    await db.transaction(async (tx) => {
      await tx.query('select from orders.lines for update');
      expect(await eraseExpired(db)).toBe(1);
    });
    expect(await storedEmailIds(db)).toEqual(ids.slice(0, 1));
    await endPass(db);
    expect(await eraseExpired(db)).toBe(1);
  });

  test('may raise an error of its own, which is reported without its message', async () => {
    const ids = await storeCompleted(2);
    await refer(ids.slice(0, 1), 'on delete cascade');
    await db.query(
      `create function orders.refuse() returns trigger language plpgsql as $$
       begin
         raise exception 'The line of alice@example.com stays.';
       end $$;
       create trigger refuse before delete on orders.lines for each row execute function orders.refuse()`,
    );
    expect(await eraseExpired(db)).toBe(1);
    expect(await blocks()).toEqual([{ email_id: ids[0], reason: 'an error with the SQLSTATE P0001' }]);
  });
});

test('a transaction with another isolation level erases nothing', async () => {
  await setProcessed(db, await storeExpired(db, 1));
  const call = db.transaction(async (tx) => {
    await tx.query('set transaction isolation level repeatable read');
    await eraseExpired(tx);
  });
  expect(await sqlStateOf(call)).toBe('QE005');
});
