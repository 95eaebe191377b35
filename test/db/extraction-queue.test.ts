/** The consumer `extraction`: an email is in its queue exactly while `processed` is false. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { passTime, requeue, sqlStateOf, storeEmails, workerOf } from '../helpers/email-queue.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());
beforeEach(async () => {
  await db.query('delete from incoming_emails; delete from consumers');
});

const worker = () => workerOf(db, 'extraction');

/** Emails with their two states, which must agree. */
async function states() {
  const { rows } = await db.query<{ id: number; is_processed: boolean; is_queued: boolean }>(
    `select e.id, e.processed as is_processed,
            exists (select from email_queue q where q.email_id = e.id and q.consumer = 'extraction') as is_queued
     from incoming_emails e
     order by e.id`,
  );
  return rows.map((row) => [
    row.id,
    row.is_processed ? 'processed' : 'new',
    row.is_queued ? 'queued' : 'not queued',
  ]);
}

async function setProcessed(id: number, value: boolean): Promise<void> {
  await db.query('update incoming_emails set processed = $2 where id = $1', [id, value]);
}

describe('processed and the queue', () => {
  it('complete_email sets processed, and requeue_email takes it back', async () => {
    await worker().claim();
    const [id = 0] = await storeEmails(db, 1);
    await worker().claim();
    expect(await states()).toEqual([[id, 'new', 'queued']]);
    await worker().complete(id);
    expect(await states()).toEqual([[id, 'processed', 'not queued']]);
    await requeue(db, 'extraction', id);
    expect(await states()).toEqual([[id, 'new', 'queued']]);
    expect(await worker().claim()).toEqual([id]);
  });

  it('a plain update of processed completes an email, even one that a worker has claimed', async () => {
    await worker().claim();
    const [id = 0] = await storeEmails(db, 1);
    await worker().claim();
    await setProcessed(id, true);
    expect(await states()).toEqual([[id, 'processed', 'not queued']]);
    expect(await sqlStateOf(worker().complete(id))).toBe('QE003');
    await setProcessed(id, false);
    expect(await worker().claim()).toEqual([id]);
  });

  it('a row that is deleted from the queue counts as processed', async () => {
    await worker().claim();
    const [id = 0] = await storeEmails(db, 1);
    await db.query("delete from email_queue where consumer = 'extraction'");
    expect(await states()).toEqual([[id, 'processed', 'not queued']]);
  });

  it('the first claim queues the emails that are not processed', async () => {
    const [done = 0, open = 0] = await storeEmails(db, 2);
    await setProcessed(done, true);
    expect(await worker().claim(10)).toEqual([open]);
    expect(await states()).toEqual([
      [done, 'processed', 'not queued'],
      [open, 'new', 'queued'],
    ]);
  });

  it('the end of the consumer processes nothing', async () => {
    await worker().claim();
    const [id = 0] = await storeEmails(db, 1);
    await db.query("delete from consumers where name = 'extraction'");
    await db.query("delete from email_queue where consumer = 'extraction'");
    await setProcessed(id, true);
    await setProcessed(id, false);
    expect(await states()).toEqual([[id, 'new', 'not queued']]);
  });

  it('an email that is completed after the end of the consumer is processed', async () => {
    await worker().claim();
    const [id = 0] = await storeEmails(db, 1);
    await worker().claim();
    await db.query("delete from consumers where name = 'extraction'");
    await worker().complete(id);
    expect(await states()).toEqual([[id, 'processed', 'not queued']]);
  });

  it('an email that is inserted as processed is not queued', async () => {
    await worker().claim();
    const [id = 0] = await storeEmails(db, 1);
    await db.query(
      `insert into incoming_emails
         (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version, processed)
       select mailbox_id, 'restored', received_at, 1, 0, 1, true
       from incoming_emails`,
    );
    expect((await states()).map(([, ...state]) => state)).toEqual([
      ['new', 'queued'],
      ['processed', 'not queued'],
    ]);
    expect(await worker().claim(2)).toEqual([id]);
  });

  it('another consumer neither sets processed nor is completed by it', async () => {
    const other = workerOf(db, 'audit');
    await other.claim();
    const [first = 0, second = 0] = await storeEmails(db, 2);
    await setProcessed(first, true);
    expect(await other.claim(10)).toEqual([first, second]);
    await other.complete(second);
    expect((await states()).map(([, processed]) => processed)).toEqual(['processed', 'new']);
  });

  it('the two agree after workers, updates and requeues at the same time', async () => {
    await worker().claim();
    const ids = await storeEmails(db, 40);
    const work = async (name: string) => {
      const one = workerOf(db, 'extraction', name);
      for (;;) {
        const [id] = await one.claim();
        if (id === undefined) return;
        await (id % 3 === 0 ? one.fail(id, 'x', '0') : one.complete(id)).catch(() => undefined);
      }
    };
    const update = async (value: boolean) => {
      for (const id of ids.filter((n) => n % 2 === 0)) await setProcessed(id, value);
    };
    const repeat = async () => {
      for (const id of ids.filter((n) => n % 5 === 0))
        await requeue(db, 'extraction', id).catch(() => undefined);
    };
    await Promise.all([work('a'), work('b'), update(true), update(false), repeat()]);
    for (const [, processed, queued] of await states())
      expect([processed, queued]).toEqual(
        processed === 'new' ? ['new', 'queued'] : ['processed', 'not queued'],
      );
  });
});

describe('an erased email', () => {
  it('leaves no row of its own, and its worker gets SQLSTATE QE004', async () => {
    await worker().claim();
    const [erased = 0, completed = 0] = await storeEmails(db, 2);
    await worker().claim(2);
    await worker().complete(completed);
    await db.query('delete from incoming_emails');
    expect(await sqlStateOf(worker().complete(erased))).toBe('QE004');
    const { rows } = await db.query<{ n: number }>(
      'select (select count(*) from email_queue) + (select count(*) from email_results) as n',
    );
    expect(rows).toEqual([{ n: 0 }]);
  });

  it('does not wait for a worker that completes it at the same time', async () => {
    await worker().claim();
    for (let round = 0; round < 10; round += 1) {
      const [id = 0] = await storeEmails(db, 1);
      await worker().claim();
      const [, erased] = await Promise.allSettled([
        worker().complete(id),
        db.query('delete from incoming_emails where id = $1', [id]),
      ]);
      expect(erased.status).toBe('fulfilled');
    }
    expect(await states()).toEqual([]);
  });
});

it('a change of processed that commits while older emails are queued is not undone', async () => {
  const [first = 0] = await storeEmails(db, 1);
  await db.query(
    `insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
     select mailbox_id, 'copy-' || n, received_at, 1, 0, 1
     from incoming_emails, generate_series(1, 5000) n`,
  );
  const { rows } = await db.query<{ id: number }>('select max(id) as id from incoming_emails');
  const done = rows[0]?.id ?? 0;
  // Queues all but the last email.
  expect(await worker().claim()).toEqual([first]);
  let claimed: Promise<number[]> = Promise.resolve([]);
  await db.transaction(async (tx) => {
    await tx.query('update incoming_emails set processed = true where id = $1', [done]);
    claimed = worker().claim();
    await expect
      .poll(async () => {
        const { rowCount } = await db.query(
          "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        );
        return rowCount;
      })
      .toBe(1);
  });
  await claimed;
  expect((await states()).at(-1)).toEqual([done, 'processed', 'not queued']);
});

it('an expired claim of extraction does not change processed', async () => {
  await worker().claim();
  const [id = 0] = await storeEmails(db, 1);
  await worker().claim();
  await passTime(db, 'extraction', id);
  expect(await workerOf(db, 'extraction', 'b').claim()).toEqual([id]);
  expect(await states()).toEqual([[id, 'new', 'queued']]);
});
