import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { deleteBatch, deleteConsumer } from '../../commands/consumer/consumer-removal.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { storeEmails, workerOf } from '../helpers/email-queue.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

// Each command is a separate process, which starts slowly on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

let db: TestDatabase;
let ids: number[];

/** Of three emails `extraction` has completed one and claimed one. `indexing` waits for all. */
beforeEach(async () => {
  db = await createTestDatabase();
  ids = await storeEmails(db, 3);
  const worker = workerOf(db, 'extraction');
  await worker.claim(2);
  await worker.complete(ids[0] ?? 0, { order: 4711 });
  const other = workerOf(db, 'indexing');
  await other.claim();
  await other.release(ids[0] ?? 0);
});
afterEach(async () => await db.close());

async function run(...args: string[]) {
  return await runToEnd('consumer', args, { DATABASE_URL: db.url });
}

/** The rows of a consumer, and how many emails are processed. */
async function stateOf(consumer: string) {
  const { rows } = await db.query<Record<string, number>>(
    `select (select count(*) from consumers where name = $1::text) as consumers,
            (select count(*) from email_queue where consumer = $1::text) as queued,
            (select count(*) from email_results where consumer = $1::text) as results,
            (select count(*) from incoming_emails where processed) as processed`,
    [consumer],
  );
  return rows[0];
}

describe('npm run consumer -- list', () => {
  it('prints the backlog of each consumer and since when the oldest email is queued', async () => {
    await db.query("update email_queue set queued_at = '2026-11-02T08:00:00Z' where consumer = 'indexing'");
    await db.query("update email_queue set state = 'dead' where consumer = 'indexing' and email_id = $1", [
      ids[2],
    ]);
    await db.query("update consumers set is_adding_older = (name = 'extraction')");
    const { code, output } = await run('list');
    expect(code).toBe(0);
    const [extraction, indexing] = output.split('\n');
    expect(extraction).toMatch(
      /^extraction: 1 waiting, 1 claimed, 0 dead; the oldest is queued since \d{4}-\d\d-\d\dT\d\d:\d\dZ; its next claims queue older emails$/,
    );
    expect(indexing).toBe(
      'indexing: 2 waiting, 0 claimed, 1 dead; the oldest is queued since 2026-11-02T08:00Z',
    );
  });

  it('says that there is no consumer before the first claim', async () => {
    await db.query('delete from consumers');
    expect(await run('list')).toMatchObject({ code: 0, output: expect.stringContaining('no consumer yet') });
  });
});

describe('npm run consumer -- remove', () => {
  it('says what it would delete, and changes nothing without --apply', async () => {
    const before = await stateOf('extraction');
    const { code, output } = await run('remove', 'extraction');
    expect(code).toBe(0);
    expect(output).toContain('extraction has 2 emails in its queue.');
    expect(output).toContain('It has 1 result, which stay');
    expect(output).toContain('Nothing was changed. Stop its workers');
    expect(await stateOf('extraction')).toEqual(before);
  });

  it('removes the consumer and its queue, keeps its results, and leaves other consumers and processed alone', async () => {
    const other = await stateOf('indexing');
    const { code, output } = await run('remove', 'extraction', '--apply');
    expect([code, output]).toEqual([0, expect.stringContaining('Removed.')]);
    expect(await stateOf('extraction')).toEqual({ consumers: 0, queued: 0, results: 1, processed: 1 });
    expect(await stateOf('indexing')).toEqual(other);
    expect(await run('remove', 'extraction')).toMatchObject({
      code: 1,
      output: expect.stringContaining('There is no consumer extraction. It has 1 result'),
    });
    // The worker that claims again gets what was not completed.
    expect(await workerOf(db, 'extraction').claim(10)).toEqual(ids.slice(1));
  });

  it('deletes the results too with --results, also those of a consumer that is removed already', async () => {
    await run('remove', 'extraction', '--apply');
    const { code, output } = await run('remove', 'extraction', '--results', '--apply');
    expect([code, output]).toEqual([0, expect.stringContaining('1 result, which are deleted too')]);
    expect(await stateOf('extraction')).toMatchObject({ results: 0 });
  });

  it('continues a removal that was interrupted', async () => {
    await deleteConsumer(db, 'extraction');
    const { code, output } = await run('remove', 'extraction', '--apply');
    expect([code, output]).toEqual([0, expect.stringContaining('which is removed already')]);
    expect(await stateOf('extraction')).toMatchObject({ queued: 0 });
  });

  it('deletes nothing from the queue of a consumer that a worker has created again', async () => {
    await deleteConsumer(db, 'extraction');
    await workerOf(db, 'extraction').claim();
    const before = await stateOf('extraction');
    expect(await deleteBatch(db, 'email_queue', 'extraction', 0)).toBeNull();
    expect(await deleteBatch(db, 'email_results', 'extraction', 0)).toBeNull();
    expect(await stateOf('extraction')).toEqual(before);
  });

  it('deletes the queue in batches, between which emails are stored', async () => {
    await db.query(
      `insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
       select mailbox_id, id || '-copy-' || n, received_at, 1, 0, 1
       from incoming_emails, generate_series(1, 500) n
       where id = any ($1::integer[])`,
      [ids],
    );
    await deleteConsumer(db, 'indexing');
    const first = await deleteBatch(db, 'email_queue', 'indexing', 0);
    expect(first?.count).toBe(1_000);
    await storeEmails(db, 1);
    const second = await deleteBatch(db, 'email_queue', 'indexing', first?.lastEmailId ?? 0);
    expect(second?.count).toBe(503);
    expect(await deleteBatch(db, 'email_queue', 'indexing', second?.lastEmailId ?? 0)).toEqual({
      count: 0,
      lastEmailId: null,
    });
    expect(await stateOf('indexing')).toMatchObject({ queued: 0 });
  });
});
