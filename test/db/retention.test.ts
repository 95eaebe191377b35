/** Which emails retention erases, and what it keeps. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sqlStateOf, storeEmails, workerOf } from '../helpers/email-queue.ts';
import {
  age,
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
beforeEach(async () => await startOver(db));

async function rowsOf(sql: string): Promise<Record<string, unknown>[]> {
  return (await db.query<Record<string, unknown>>(sql)).rows;
}

/** An expired email that both consumers have completed, and one for which `change` has then been done. */
async function completedAnd(change: (id: number) => Promise<void>): Promise<{ done: number; other: number }> {
  await workerOf(db, 'archive').claim();
  await workerOf(db, 'extraction').claim();
  const [done = 0, other = 0] = await storeExpired(db, 2);
  for (const consumer of ['archive', 'extraction']) {
    const worker = workerOf(db, consumer);
    await worker.claim(2);
    await worker.complete(done, { buyer: 'alice@example.com' });
  }
  await change(other);
  return { done, other };
}

describe('age', () => {
  test('erases an email that was received and stored longer ago than the limit', async () => {
    const [expired = 0, imported = 0, late = 0, young = 0] = await storeEmails(db, 4);
    await setProcessed(db, [expired, imported, late, young]);
    await age(db, [expired]);
    await age(db, [imported], { received: 900, stored: 29 });
    await age(db, [late], { received: 29, stored: 31 });
    await age(db, [young], { received: 29, stored: 29 });
    expect(await eraseExpired(db)).toBe(1);
    expect(await storedEmailIds(db)).toEqual([imported, late, young]);
  });

  test('erases an imported email with a date in the future by the time of its storing', async () => {
    const [expired = 0, young = 0] = await storeEmails(db, 2);
    await setProcessed(db, [expired, young]);
    await age(db, [expired], { received: -3_650, stored: 31 });
    await age(db, [young], { received: -3_650, stored: 29 });
    expect(await eraseExpired(db)).toBe(1);
    expect(await storedEmailIds(db)).toEqual([young]);
  });

  test.each([
    [0, 1],
    [36_501, 1],
    [null, 1],
    [1, 0],
    [1, 1_001],
    [1, null],
  ])('rejects %j days and %j emails', async (days, count) => {
    await setProcessed(db, await storeExpired(db, 1));
    const call = db.query('select erase_expired_emails($1::integer, $2::integer)', [days, count]);
    expect(await sqlStateOf(call)).toBe('22023');
    expect(await storedEmailIds(db)).toHaveLength(1);
  });

  test('begins again when the limit changes', async () => {
    await setProcessed(db, await storeExpired(db, 1));
    await db.query('select erase_expired_emails(300, 1)');
    expect(await storedEmailIds(db)).toHaveLength(1);
    expect(await hasExpired(db)).toBe(true);
    expect(await eraseExpired(db)).toBe(1);
  });
});

describe('completeness of processing', () => {
  test('erases an email that every consumer has completed, and keeps one that a consumer has not claimed', async () => {
    const { other } = await completedAnd(async (id) => {
      await workerOf(db, 'archive').complete(id);
      await workerOf(db, 'extraction').release(id);
    });
    expect(await eraseExpired(db)).toBe(1);
    expect(await storedEmailIds(db)).toEqual([other]);
  });

  test.each([
    ['claimed', async () => undefined],
    ['failed once', async (id: number) => void (await workerOf(db, 'extraction').fail(id))],
    [
      'failed five times',
      async (id: number) =>
        void (await db.query("update email_queue set state = 'dead', failure_count = 5 where email_id = $1", [
          id,
        ])),
    ],
  ])('keeps an email that one of two consumers has %s', async (_, change) => {
    const { other } = await completedAnd(async (id) => {
      await workerOf(db, 'archive').complete(id);
      await change(id);
    });
    expect(await eraseExpired(db)).toBe(1);
    expect(await storedEmailIds(db)).toEqual([other]);
  });

  test('keeps an email that a new consumer is still to get, although another one has completed it', async () => {
    const { done, other } = await completedAnd(async () => undefined);
    await db.query("insert into consumers (name) values ('billing')");
    expect(await eraseExpired(db)).toBe(0);
    // The second claim queues the older emails for good.
    expect(await workerOf(db, 'billing').claim(2)).toEqual([done, other]);
    await endPass(db);
    expect(await eraseExpired(db)).toBe(0);
    await workerOf(db, 'billing').complete(done);
    await workerOf(db, 'billing').claim();
    await endPass(db);
    expect(await eraseExpired(db)).toBe(1);
    expect(await storedEmailIds(db)).toEqual([other]);
  });

  test('keeps the emails above the position of a consumer that adds older emails, and erases those below', async () => {
    const ids = await storeExpired(db, 3);
    await workerOf(db, 'archive').claim();
    await db.query("delete from email_queue where consumer = 'archive'");
    await db.query('update consumers set is_adding_older = true, added_to_id = $1, add_to_id = $2', [
      ids[0],
      ids[1],
    ]);
    expect(await eraseExpired(db)).toBe(2);
    expect(await storedEmailIds(db)).toEqual([ids[1]]);
  });

  test('takes processed as completed by extraction, also before its first claim', async () => {
    const ids = await storeExpired(db, 2);
    await setProcessed(db, ids.slice(0, 1));
    await db.query("insert into consumers (name) values ('extraction')");
    expect(await eraseExpired(db)).toBe(1);
    expect(await storedEmailIds(db)).toEqual(ids.slice(1));
  });

  test('without consumers, erases an email with processed, and keeps one without', async () => {
    const ids = await storeExpired(db, 2);
    await setProcessed(db, ids.slice(0, 1));
    expect(await eraseExpired(db)).toBe(1);
    expect(await storedEmailIds(db)).toEqual(ids.slice(1));
  });

  test('keeps an email that is not yet published', async () => {
    const ids = await storeExpired(db, 2);
    await setProcessed(db, ids);
    await db.query(
      'insert into email_outbox (mailbox_id, email_id) select mailbox_id, id from incoming_emails where id = $1',
      [ids[0]],
    );
    expect(await eraseExpired(db)).toBe(1);
    expect(await storedEmailIds(db)).toEqual(ids.slice(0, 1));
  });
});

describe('what remains', () => {
  test('deletes the content from every table, and keeps id, hash and time in the ledger, where the message stays stored', async () => {
    const { done, other } = await completedAnd(async () => undefined);
    const [raw] = await rowsOf(`select sha256 from email_raw where email_id = ${done}`);
    await db.query("update email_ledger set error_code = 'gmail_unavailable', error_detail = 'Alice'");
    await eraseExpired(db);
    for (const table of ['email_attachments', 'email_raw', 'email_search', 'email_results', 'email_queue'])
      expect([table, await rowsOf(`select from ${table} where email_id = ${done}`)]).toEqual([table, []]);
    expect(await storedEmailIds(db)).toEqual([other]);
    expect(
      await rowsOf(
        `select state, erased_at > now() - interval '1 minute' as has_time, erased_sha256, error_code, error_detail
         from email_ledger
         where erased_at is not null`,
      ),
    ).toEqual([
      {
        state: 'stored',
        has_time: true,
        erased_sha256: raw?.['sha256'],
        error_code: null,
        error_detail: null,
      },
    ]);
  });

  test('records one row per day with counts and the limit, and no hash', async () => {
    await completedAnd(async () => undefined);
    await eraseExpired(db);
    await endPass(db);
    await db.query('delete from consumers; delete from email_queue');
    await setProcessed(db, await storedEmailIds(db));
    await eraseExpired(db);
    const record = {
      email_count: 2,
      attachment_count: 4,
      result_count: 2,
      retention_days: 30,
      selector_hmac: null,
    };
    const columns = 'email_count, attachment_count, result_count, retention_days, selector_hmac';
    const read = async () =>
      await rowsOf(
        `select ${columns}, byte_count > 0 and ended_at >= started_at as is_complete from erasures order by id`,
      );
    expect(await read()).toEqual([{ ...record, is_complete: true }]);
    await db.query("update erasures set started_at = started_at - interval '1 day'");
    await setProcessed(db, await storeExpired(db, 1));
    await eraseExpired(db);
    expect(await read()).toEqual([
      { ...record, is_complete: true },
      { ...record, email_count: 1, result_count: 0, attachment_count: 2, is_complete: true },
    ]);
  });

  test('counts the bytes of a raw email that is in the bucket', async () => {
    await setProcessed(db, await storeExpired(db, 1));
    await eraseExpired(db);
    const read = async () => (await rowsOf('select byte_count from erasures'))[0]?.['byte_count'];
    const before = Number(await read());
    await setProcessed(db, await storeExpired(db, 1));
    await db.query("update email_raw set data = null, bucket_object = 'raw/0.gz', bucket_bytes = 1048576");
    await endPass(db);
    await eraseExpired(db);
    expect(Number(await read())).toBeGreaterThanOrEqual(before + 1_048_576);
  });

  test('autovacuum frees the space of the content early, also that of TOAST tables', async () => {
    expect(
      await rowsOf(
        `select c.relname::text as name
         from pg_class c
         join pg_class toast on toast.oid = c.reltoastrelid
         where 'autovacuum_vacuum_scale_factor=0.02' = any (c.reloptions)
           and 'autovacuum_vacuum_scale_factor=0.02' = any (toast.reloptions)
         order by 1`,
      ),
    ).toEqual(
      ['email_attachments', 'email_raw', 'email_search', 'incoming_emails'].map((name) => ({ name })),
    );
  });

  test('does nothing the second time', async () => {
    await setProcessed(db, await storeExpired(db, 3));
    expect(await eraseExpired(db)).toBe(3);
    expect(await hasExpired(db)).toBe(false);
    await endPass(db);
    expect(await hasExpired(db)).toBe(false);
    expect(await eraseExpired(db)).toBe(0);
  });
});

describe('bounds', () => {
  test('erases at most the given number, and continues behind it', async () => {
    const ids = await storeExpired(db, 5);
    await setProcessed(db, ids);
    for (const left of [ids.slice(2), ids.slice(4), []]) {
      expect(await hasExpired(db)).toBe(true);
      await db.query('select erase_expired_emails(30, 2)');
      expect(await storedEmailIds(db)).toEqual(left);
    }
  });

  test('examines emails that were not completed once per pass, and a pass begins an hour after the last one', async () => {
    const [waiting = 0] = await storeExpired(db, 1);
    expect(await hasExpired(db)).toBe(true);
    expect(await eraseExpired(db)).toBe(0);
    expect(await hasExpired(db)).toBe(false);
    await setProcessed(db, [waiting]);
    expect(await eraseExpired(db)).toBe(0);
    await endPass(db);
    expect(await hasExpired(db)).toBe(true);
    expect(await eraseExpired(db)).toBe(1);
  });

  test('examines at most 1,000 emails per call, and then the ones behind them', async () => {
    await storeExpired(db, 1);
    await db.query(
      `insert into incoming_emails (
         mailbox_id, gmail_message_id, received_at, created_at, size_bytes, attachment_count, parser_version, processed)
       select mailbox_id, 'copy-' || n, received_at, created_at, 1, 0, 1, n = 1000
       from incoming_emails, generate_series(1, 1000) n`,
    );
    expect([await eraseExpired(db), await hasExpired(db)]).toEqual([0, true]);
    expect([await eraseExpired(db), await hasExpired(db)]).toEqual([1, false]);
  });

  test('an idle poll and status read few pages, although 5,000 expired emails are kept and 15,000 are stored since', async () => {
    await storeExpired(db, 1);
    await db.query(
      `alter table incoming_emails disable trigger user;
       insert into incoming_emails (
         mailbox_id, gmail_message_id, received_at, created_at, size_bytes, attachment_count, parser_version)
       select mailbox_id, 'copy-' || n, at, at, 1, 0, 1
       from incoming_emails
       cross join generate_series(1, 20000) n
       cross join lateral (select now() - case when n <= 5000 then interval '31 days' else interval '1 day' end) t (at);
       alter table incoming_emails enable trigger user;
       insert into consumers (name, is_adding_older) values ('archive', false);
       insert into email_queue (consumer, email_id) select 'archive', id from incoming_emails`,
    );
    await db.query('vacuum analyze incoming_emails, email_queue');
    let calls = 0;
    for (; await hasExpired(db); calls += 1) expect(await eraseExpired(db)).toBe(0);
    expect(calls).toBe(6);
    for (const sql of ['select has_expired_emails(30)', 'select * from retention_status(30)']) {
      await db.query(sql);
      const { rows } = await db.query<{ 'QUERY PLAN': string }>(
        `explain (analyze, costs off, timing off, summary off) ${sql}`,
      );
      const pages = Number(/shared hit=(\d+)/.exec(rows.map((row) => row['QUERY PLAN']).join(''))?.[1]);
      expect(pages).toBeGreaterThan(0);
      expect(pages).toBeLessThan(100);
    }
  });

  test('a second concurrent call erases nothing', async () => {
    await setProcessed(db, await storeExpired(db, 1));
    await db.transaction(async (tx) => {
      await tx.query('select from retention_progress for update');
      expect(await eraseExpired(db)).toBe(0);
    });
    expect(await eraseExpired(db)).toBe(1);
  });
});
