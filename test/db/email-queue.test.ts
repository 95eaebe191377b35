/** The queue of consumers: which worker gets which email, and what each call changes. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { passTime, requeue, sqlStateOf, storeEmails, workerOf } from '../helpers/email-queue.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

let count = 0;
/** A consumer that exists and has no email yet, so that tests do not share one. */
async function newConsumer(): Promise<string> {
  count += 1;
  const consumer = `consumer-${count}`;
  await db.query('delete from incoming_emails');
  await workerOf(db, consumer).claim();
  return consumer;
}

async function rowOf(consumer: string, emailId: number) {
  const { rows } = await db.query(
    `select state, worker, failure_count, error,
            round(extract(epoch from due_at - clock_timestamp()) / 60)::integer as due_in_minutes
     from email_queue
     where consumer = $1
       and email_id = $2`,
    [consumer, emailId],
  );
  return rows[0] ?? null;
}

async function resultOf(consumer: string, emailId: number) {
  const { rows } = await db.query(
    'select worker, result from email_results where consumer = $1 and email_id = $2',
    [consumer, emailId],
  );
  return rows[0] ?? null;
}

describe('claim_emails', () => {
  it('returns each email to one worker, lowest id first', async () => {
    const consumer = await newConsumer();
    const ids = await storeEmails(db, 5);
    const [a, b] = [workerOf(db, consumer, 'a'), workerOf(db, consumer, 'b')];
    expect(await a.claim(2)).toEqual(ids.slice(0, 2));
    expect(await b.claim(2)).toEqual(ids.slice(2, 4));
    expect(await a.claim(10)).toEqual(ids.slice(4));
    expect(await b.claim()).toEqual([]);
  });

  it('queues an email for each known consumer in the commit that stores it', async () => {
    const consumer = await newConsumer();
    const other = `${consumer}-other`;
    await workerOf(db, other).claim();
    const [id = 0] = await storeEmails(db, 1);
    expect(await workerOf(db, consumer).claim()).toEqual([id]);
    expect(await workerOf(db, other).claim()).toEqual([id]);
  });

  it('returns an expired claim alone, and charges it', async () => {
    const consumer = await newConsumer();
    const [first = 0, second = 0] = await storeEmails(db, 2);
    await workerOf(db, consumer, 'a').claim();
    await passTime(db, consumer, first);
    const b = workerOf(db, consumer, 'b');
    expect(await b.claim(10)).toEqual([first]);
    expect(await rowOf(consumer, first)).toMatchObject({
      worker: 'b',
      failure_count: 1,
      error: 'The claim of the worker a expired.',
    });
    expect(await b.claim(10)).toEqual([second]);
  });

  it('makes an email dead after its fifth expired claim, and continues with the next one', async () => {
    const consumer = await newConsumer();
    const [poison = 0, next = 0] = await storeEmails(db, 2);
    for (let n = 1; n <= 5; n += 1) {
      expect(await workerOf(db, consumer, `worker-${n}`).claim()).toEqual([poison]);
      await passTime(db, consumer, poison);
    }
    expect(await workerOf(db, consumer, 'last').claim(10)).toEqual([next]);
    expect(await rowOf(consumer, poison)).toMatchObject({
      state: 'dead',
      failure_count: 5,
      worker: 'worker-5',
    });
  });

  it('passes over a row that another transaction has locked', async () => {
    const consumer = await newConsumer();
    const [first = 0, second = 0] = await storeEmails(db, 2);
    await db.transaction(async (tx) => {
      expect(await workerOf(tx, consumer, 'a').claim()).toEqual([first]);
      expect(await workerOf(db, consumer, 'b').claim()).toEqual([second]);
    });
  });
});

describe('a new consumer', () => {
  it('gets the older emails from its first claim on, at most 5,000 per call', async () => {
    await db.query('delete from incoming_emails');
    const [id = 0] = await storeEmails(db, 1);
    await db.query(
      `insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
       select mailbox_id, 'copy-' || n, received_at, 1, 0, 1
       from incoming_emails, generate_series(1, 7000) n`,
    );
    const worker = workerOf(db, 'newcomer');
    expect(await worker.claim()).toEqual([id]);
    const queued = async () =>
      (await db.query<{ n: number }>("select count(*) as n from email_queue where consumer = 'newcomer'"))
        .rows[0]?.n;
    expect(await queued()).toBe(5_000);
    await worker.claim();
    expect(await queued()).toBe(7_001);
  });

  it('gets no email that the consumer of that name had completed before it was removed', async () => {
    const consumer = await newConsumer();
    const [first = 0, second = 0] = await storeEmails(db, 2);
    const worker = workerOf(db, consumer);
    await worker.claim();
    await worker.complete(first);
    await db.query('delete from consumers where name = $1', [consumer]);
    await db.query('delete from email_queue where consumer = $1', [consumer]);
    expect(await worker.claim(10)).toEqual([second]);
  });

  it('misses no email of sixteen writers that store while it is created', async () => {
    const writers = await createTestDatabase(16);
    try {
      const names = Array.from({ length: 20 }, (_, n) => `created-${n}`);
      const stored = Promise.all(Array.from({ length: 16 }, async () => await storeEmails(writers, 25)));
      const creation = (async () => {
        for (const name of names) {
          await workerOf(writers, name).claim();
          await workerOf(writers, name).claim();
        }
      })();
      await Promise.all([stored, creation]);
      const { rows } = await writers.query<{ name: string; is_adding_older: boolean; missed: number }>(
        `select c.name, c.is_adding_older,
                (select count(*) from incoming_emails e
                 where not exists (select from email_queue q where q.consumer = c.name and q.email_id = e.id)) as missed
         from consumers c`,
      );
      expect(rows).toHaveLength(20);
      expect(rows.filter((row) => row.missed > 0 || row.is_adding_older)).toEqual([]);
    } finally {
      await writers.close();
    }
  });

  it('does not block stores while the transaction of its first claim is open', async () => {
    await db.transaction(async (tx) => {
      await workerOf(tx, 'slow-newcomer').claim();
      await storeEmails(db, 1);
      await workerOf(tx, 'slow-newcomer').claim();
      await storeEmails(db, 1);
    });
    const worker = workerOf(db, 'slow-newcomer');
    await worker.claim();
    const { rows } = await db.query<{ missed: number }>(
      `select count(*) as missed
       from incoming_emails e
       where not exists (select from email_queue q where q.consumer = 'slow-newcomer' and q.email_id = e.id)`,
    );
    expect(rows).toEqual([{ missed: 0 }]);
  });

  it('gets the email of a store that began before its first claim and commits after its second', async () => {
    const worker = workerOf(db, 'patient');
    await db.query('delete from incoming_emails');
    const [known = 0] = await storeEmails(db, 1);
    const stored = await db.transaction(async (tx) => {
      const { rows } = await tx.query<{ id: number }>(
        `insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
         select mailbox_id, 'in-flight', received_at, 1, 0, 1
         from incoming_emails
         returning id`,
      );
      expect(await worker.claim(10)).toEqual([known]);
      // Waits 0.1 s for the store.
      expect(await worker.claim(10)).toEqual([]);
      return rows[0]?.id;
    });
    expect(await worker.claim(10)).toEqual([stored]);
  });
});

describe('complete_email', () => {
  it('removes the email from the queue and keeps the result', async () => {
    const consumer = await newConsumer();
    const [id = 0] = await storeEmails(db, 1);
    const worker = workerOf(db, consumer);
    await worker.claim();
    await worker.complete(id, { order: 4711 });
    expect(await rowOf(consumer, id)).toBeNull();
    expect(await resultOf(consumer, id)).toEqual({ worker: 'a', result: { order: 4711 } });
  });

  it('accepts a late call while no other worker has claimed the email', async () => {
    const consumer = await newConsumer();
    const [id = 0] = await storeEmails(db, 1);
    const worker = workerOf(db, consumer);
    await worker.claim();
    await passTime(db, consumer, id);
    await worker.complete(id);
    expect(await resultOf(consumer, id)).toMatchObject({ worker: 'a' });
  });

  it('accepts the late call of the last holder of an email that its expiry made dead', async () => {
    const consumer = await newConsumer();
    const [id = 0] = await storeEmails(db, 1);
    for (let n = 1; n <= 5; n += 1) {
      await workerOf(db, consumer, `worker-${n}`).claim();
      await passTime(db, consumer, id);
    }
    await workerOf(db, consumer, 'other').claim();
    await workerOf(db, consumer, 'worker-5').complete(id);
    expect(await rowOf(consumer, id)).toBeNull();
  });

  it.each<['extend' | 'fail' | 'release', object]>([
    ['extend', { state: 'claimed', worker: 'worker-5' }],
    ['fail', { state: 'dead', worker: null, failure_count: 6 }],
    ['release', { state: 'waiting', worker: null, failure_count: 5 }],
  ])('accepts that holder to %s the email too', async (name, expected) => {
    const consumer = await newConsumer();
    const [id = 0] = await storeEmails(db, 1);
    for (let n = 1; n <= 5; n += 1) {
      await workerOf(db, consumer, `worker-${n}`).claim();
      await passTime(db, consumer, id);
    }
    await workerOf(db, consumer, 'other').claim();
    expect(await rowOf(consumer, id)).toMatchObject({ state: 'dead' });
    await workerOf(db, consumer, 'worker-5')[name](id);
    expect(await rowOf(consumer, id)).toMatchObject(expected);
  });

  it('refuses a late call after another worker has claimed the email, with SQLSTATE QE001', async () => {
    const consumer = await newConsumer();
    const [id = 0] = await storeEmails(db, 1);
    const [a, b] = [workerOf(db, consumer, 'a'), workerOf(db, consumer, 'b')];
    await a.claim();
    await passTime(db, consumer, id);
    await b.claim();
    expect(await sqlStateOf(a.complete(id))).toBe('QE001');
    expect(await sqlStateOf(a.extend(id))).toBe('QE001');
    expect(await sqlStateOf(a.fail(id))).toBe('QE001');
    expect(await sqlStateOf(a.release(id))).toBe('QE001');
    await b.complete(id);
    expect(await resultOf(consumer, id)).toMatchObject({ worker: 'b' });
  });

  it('distinguishes an email that is not claimed, completed already, and unknown or erased', async () => {
    const consumer = await newConsumer();
    const [first = 0, second = 0, erased = 0] = await storeEmails(db, 3);
    const worker = workerOf(db, consumer);
    await worker.claim();
    await worker.complete(first);
    await db.query('delete from incoming_emails where id = $1', [erased]);
    expect(await sqlStateOf(worker.complete(second))).toBe('QE002');
    expect(await sqlStateOf(worker.complete(first))).toBe('QE003');
    expect(await sqlStateOf(worker.complete(erased))).toBe('QE004');
    expect(await sqlStateOf(worker.complete(2_000_000_000))).toBe('QE004');
    expect(await sqlStateOf(worker.complete(null))).toBe('QE004');
  });

  it('refuses a result above 1 MiB, and the claim remains', async () => {
    const consumer = await newConsumer();
    const [id = 0] = await storeEmails(db, 1);
    const worker = workerOf(db, consumer);
    await worker.claim();
    expect(await sqlStateOf(worker.complete(id, 'x'.repeat(1_048_576)))).toBe('QE006');
    await worker.complete(id, 'x'.repeat(1_048_574));
    expect(await rowOf(consumer, id)).toBeNull();
  });
});

describe('fail_email', () => {
  it('retries after 1, 5, 25 and 125 minutes, and makes the email dead at the fifth failure', async () => {
    const consumer = await newConsumer();
    const [id = 0] = await storeEmails(db, 1);
    const worker = workerOf(db, consumer);
    for (const minutes of [1, 5, 25, 125]) {
      expect(await worker.claim()).toEqual([id]);
      expect(await worker.fail(id)).toBeInstanceOf(Date);
      expect(await rowOf(consumer, id)).toMatchObject({
        state: 'waiting',
        due_in_minutes: minutes,
        error: 'no total',
      });
      expect(await worker.claim()).toEqual([]);
      await passTime(db, consumer, id);
    }
    await worker.claim();
    expect(await worker.fail(id, 'no order number')).toBeNull();
    expect(await rowOf(consumer, id)).toMatchObject({
      state: 'dead',
      failure_count: 5,
      error: 'no order number',
    });
    await passTime(db, consumer, id);
    expect(await worker.claim()).toEqual([]);
  });

  it('retries after the interval that the worker gives', async () => {
    const consumer = await newConsumer();
    const [id = 0] = await storeEmails(db, 1);
    const worker = workerOf(db, consumer);
    await worker.claim();
    await worker.fail(id, null, '0');
    expect(await rowOf(consumer, id)).toMatchObject({ error: 'The worker gave no error.' });
    expect(await worker.claim()).toEqual([id]);
    await worker.fail(id, 'later', '7 minutes');
    expect(await rowOf(consumer, id)).toMatchObject({ due_in_minutes: 7 });
  });
});

it('extend_claim moves the expiry, and release_email gives the email back without a charge', async () => {
  const consumer = await newConsumer();
  const [id = 0] = await storeEmails(db, 1);
  const worker = workerOf(db, consumer);
  await worker.claim();
  await worker.extend(id, '30 minutes');
  expect(await rowOf(consumer, id)).toMatchObject({ due_in_minutes: 30 });
  await worker.release(id);
  expect(await rowOf(consumer, id)).toMatchObject({ state: 'waiting', worker: null, failure_count: 0 });
  expect(await workerOf(db, consumer, 'b').claim()).toEqual([id]);
});

describe('requeue_email', () => {
  it('queues a dead and a completed email again, without its failures', async () => {
    const consumer = await newConsumer();
    const [dead = 0, completed = 0] = await storeEmails(db, 2);
    const worker = workerOf(db, consumer);
    expect(await worker.claim(2)).toEqual([dead, completed]);
    await worker.complete(completed);
    await db.query("update email_queue set state = 'dead', failure_count = 5 where email_id = $1", [dead]);
    await requeue(db, consumer, dead);
    await requeue(db, consumer, completed);
    expect(await rowOf(consumer, dead)).toMatchObject({
      state: 'waiting',
      failure_count: 0,
      worker: null,
      error: null,
    });
    expect(await worker.claim(2)).toEqual([dead, completed]);
    await worker.complete(completed, 'second');
    expect(await resultOf(consumer, completed)).toMatchObject({ result: 'second' });
  });

  it('refuses an email that a worker is claiming, after its claim has committed', async () => {
    const consumer = await newConsumer();
    const [id = 0] = await storeEmails(db, 1);
    let state: Promise<string | null> = Promise.resolve(null);
    await db.transaction(async (tx) => {
      await workerOf(tx, consumer).claim();
      state = sqlStateOf(requeue(db, consumer, id));
      await expect
        .poll(async () => {
          const { rowCount } = await db.query(
            "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
          );
          return rowCount;
        })
        .toBe(1);
    });
    expect(await state).toBe('QE001');
    expect(await rowOf(consumer, id)).toMatchObject({ state: 'claimed', worker: 'a' });
  });

  it('refuses an email that a worker has, that is unknown, and a consumer that does not exist', async () => {
    const consumer = await newConsumer();
    const [id = 0] = await storeEmails(db, 1);
    await workerOf(db, consumer).claim();
    expect(await sqlStateOf(requeue(db, consumer, id))).toBe('QE001');
    expect(await sqlStateOf(requeue(db, consumer, 2_000_000_000))).toBe('QE004');
    expect(await sqlStateOf(requeue(db, 'no-such-consumer', id))).toBe('QE005');
    await passTime(db, consumer, id);
    await requeue(db, consumer, id);
    expect(await rowOf(consumer, id)).toMatchObject({ state: 'waiting', worker: null });
  });
});

it.each([
  ['an upper-case consumer name', "claim_emails('Extraction', 'a')"],
  ['a consumer name of 64 characters', `claim_emails('${'x'.repeat(64)}', 'a')`],
  ['no consumer name', 'claim_emails(null, $$a$$)'],
  ['an empty worker name', "claim_emails('extraction', ' ')"],
  ['no email to claim', "claim_emails('extraction', 'a', 0)"],
  ['too many emails to claim', "claim_emails('extraction', 'a', 1001)"],
  ['a lease of zero', "claim_emails('extraction', 'a', 1, '0')"],
  ['a lease of two days', "claim_emails('extraction', 'a', 1, '2 days')"],
  ['a negative wait', "fail_email('extraction', 'a', 1, 'e', '-1 minute')"],
  ['a worker name of 201 characters', `release_email('extraction', '${'x'.repeat(201)}', 1)`],
])('%s is refused with SQLSTATE QE005', async (_name, call) => {
  expect(await sqlStateOf(db.query(`select ${call}`))).toBe('QE005');
});

it('claim_emails refuses an isolation level that cannot see what others committed', async () => {
  const claim = db.transaction(async (tx) => {
    await tx.query('set transaction isolation level repeatable read');
    await workerOf(tx, 'isolated').claim();
  });
  expect(await sqlStateOf(claim)).toBe('QE005');
});

it('an update of processed refuses an isolation level that cannot see a new consumer', async () => {
  const update = db.transaction(async (tx) => {
    await tx.query('set transaction isolation level repeatable read');
    await tx.query('update incoming_emails set processed = true where false');
  });
  expect(await sqlStateOf(update)).toBe('QE005');
});

it('a new consumer waits for no worker, and no worker for it', async () => {
  await db.query('delete from incoming_emails; delete from consumers');
  await workerOf(db, 'extraction').claim();
  const ids = await storeEmails(db, 2);
  expect(await workerOf(db, 'extraction').claim(2)).toEqual(ids);
  await db.transaction(async (tx) => {
    expect(await workerOf(tx, 'newest').claim()).toEqual(ids.slice(0, 1));
    for (const id of ids) await workerOf(db, 'extraction').complete(id);
    // Another worker of the new consumer gets nothing until it is committed.
    expect(await workerOf(db, 'newest', 'b').claim()).toEqual([]);
  });
  expect(await workerOf(db, 'newest', 'b').claim()).toEqual(ids.slice(1));
});

it('a worker that leaves a transaction open ends after a minute, unless its session has a timeout of its own', async () => {
  const timeoutAfterClaim = async (own: string) =>
    await db.transaction(async (tx) => {
      await tx.query(`set idle_in_transaction_session_timeout = '${own}'`);
      await workerOf(tx, 'idle').claim();
      const { rows } = await tx.query<{ timeout: string }>(
        "select current_setting('idle_in_transaction_session_timeout') as timeout",
      );
      await tx.query("set idle_in_transaction_session_timeout = '15s'");
      return rows[0]?.timeout;
    });
  expect(await timeoutAfterClaim('0')).toBe('1min');
  expect(await timeoutAfterClaim('7s')).toBe('7s');
});
