/** The example workers, as real processes against a real PostgreSQL. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { passTime, storeEmails, workerOf } from '../helpers/email-queue.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';
import { type BreakableProxy, startBreakableProxy } from '../pubsub/breakable-proxy.ts';
import {
  addGates,
  closeGate,
  type ExampleWorker,
  type Gate,
  type Gated,
  PYTHON,
  startWorker,
} from './example-worker.ts';

const POLL = { timeout: 30_000 };
const ALL_DAY = { WORK_SECONDS: '86400' };
/** What the stored emails contain: subject, sender, file names and text. */
const MAIL_CONTENT = /Order 1|alice|example\.com|order\.pdf|lines\.csv|Two files/i;

it.runIf(process.env['CI'])('CI has a python3 with psycopg', () => {
  expect(PYTHON).not.toBeNull();
});

describe.each([
  { language: 'TypeScript', title: 'worker.ts', isSkipped: false },
  {
    language: 'Python',
    title: `worker.py${PYTHON === null ? ' (skipped: there is no python3 with psycopg)' : ''}`,
    isSkipped: PYTHON === null,
  },
] as const)('$title', ({ language, isSkipped }) => {
  let db: TestDatabase;
  let proxy: BreakableProxy;
  const workers: ExampleWorker[] = [];
  const gates: Gate[] = [];

  beforeAll(async () => {
    if (isSkipped) return;
    db = await createTestDatabase();
    proxy = await startBreakableProxy(db.url);
    await addGates(db);
  });
  beforeEach(async ({ skip }) => {
    if (isSkipped) skip();
    await db.query('delete from incoming_emails');
  });
  afterEach(async () => {
    for (const gate of gates.splice(0)) await gate.open();
    await Promise.all(workers.map(async (worker) => await worker.end('SIGKILL')));
    await Promise.all(workers.map(async (worker) => await worker.disconnected()));
    for (const { output } of workers.splice(0)) expect(output).not.toMatch(MAIL_CONTENT);
  });
  afterAll(async () => {
    if (isSkipped) return;
    proxy.close();
    await db.close();
  });

  const start = (env: Record<string, string> = {}): ExampleWorker => {
    const worker = startWorker(language, db, env);
    workers.push(worker);
    return worker;
  };
  const close = async (of: Gated): Promise<Gate> => {
    const gate = await closeGate(db, of);
    gates.push(gate);
    return gate;
  };
  const notify = async () => await db.query("select pg_notify('email_stored', '')");
  const completed = async (): Promise<number> =>
    (await db.query<{ n: number }>('select count(*)::integer as n from email_results')).rows[0]?.n ?? 0;
  const claimCount = async (): Promise<number> =>
    (await db.query<{ n: number }>('select last_value::integer as n from claim_count')).rows[0]?.n ?? 0;
  const rowOf = async (emailId: number) =>
    (
      await db.query<{ failure_count: number }>(
        'select state, worker, failure_count, error from email_queue where email_id = $1::integer',
        [emailId],
      )
    ).rows[0];
  const dueAt = async (emailId: number): Promise<number> =>
    (
      await db.query<{ due_at: Date }>('select due_at from email_queue where email_id = $1::integer', [
        emailId,
      ])
    ).rows[0]?.due_at.getTime() ?? 0;

  it('two workers complete sixty emails together, each email once', async () => {
    const [a, b] = [start(), start()];
    await Promise.all([a.waiting(), b.waiting()]);
    const gate = await close('attachment_data');
    const ids = await storeEmails(db, 60);
    await notify();
    expect(await a.working()).not.toBe(await b.working());
    await gate.open();
    await expect.poll(completed, POLL).toBe(60);
    await Promise.all([a.waiting(), b.waiting()]);

    expect(a.idsOf('completed').length).toBeGreaterThan(0);
    expect(b.idsOf('completed').length).toBeGreaterThan(0);
    expect([...a.idsOf('completed'), ...b.idsOf('completed')].sort((x, y) => x - y)).toEqual(ids);
    const { rows } = await db.query<{ id: number }>(
      `select e.id
       from incoming_emails e
       join email_results r on r.email_id = e.id and r.consumer = 'extraction'
       where e.processed
         and r.result->>'subject' = 'Order 1'
         and r.result->'sha256' = (select jsonb_agg(a.sha256 order by a.id) from email_attachments a where a.email_id = e.id)
       order by e.id`,
    );
    expect(rows.map((row) => row.id)).toEqual(ids);
  });

  it('an email of a worker that is killed in the middle of its work is completed by another worker', async () => {
    const killed = start(ALL_DAY);
    await killed.waiting();
    const [first = 0] = await storeEmails(db, 3);
    await notify();
    expect(await killed.working()).toBe(first);
    expect(await killed.end('SIGKILL')).toBe('SIGKILL');

    const other = start();
    await expect.poll(completed, POLL).toBe(2);
    await other.waiting();
    expect(await rowOf(first)).toMatchObject({ state: 'claimed', failure_count: 0 });
    await passTime(db, 'extraction', first);
    await notify();
    await expect.poll(completed, POLL).toBe(3);
    expect(killed.idsOf('completed')).toEqual([]);
    await expect.poll(() => other.idsOf('completed')).toContain(first);
  });

  it('an email whose worker is killed while it reads it is charged after the lease', async () => {
    const gate = await close('emails_for_processing');
    const [id = 0] = await storeEmails(db, 1);
    const killed = start();
    await killed.reading();
    expect(await killed.end('SIGKILL')).toBe('SIGKILL');
    await gate.open();

    await passTime(db, 'extraction', id);
    expect(await workerOf(db, 'extraction', 'other').claim()).toEqual([id]);
    expect(await rowOf(id)).toMatchObject({ state: 'claimed', worker: 'other', failure_count: 1 });
  });

  it('a worker discards an email that is erased between its claim and its reading', async () => {
    const worker = start();
    await worker.waiting();
    const [id = 0, next] = await storeEmails(db, 2);
    await db.query(
      `create function erase_email() returns trigger
       language plpgsql
       as $$
       begin
         delete from incoming_emails where id = new.email_id;
         return null;
       end
       $$;
       create constraint trigger erase_claimed
       after update on email_queue
       deferrable initially deferred
       for each row when (new.email_id = ${id})
       execute function erase_email()`,
    );
    await notify();
    await expect.poll(() => worker.idsOf('completed'), POLL).toEqual([next]);
    await db.query('drop function erase_email() cascade');
    expect(worker.idsOf('discarded (erased)')).toEqual([id]);
  });

  it('an email with a file in the bucket fails with the section that says how to download it', async () => {
    const [emailId = 0] = await storeEmails(db, 1);
    await db.query(
      "update email_attachments set file_data = null, bucket_object = 'files/0' where email_id = $1",
      [emailId],
    );
    const worker = start();
    const outcome = 'failed: A file is in the bucket. Download it: docs/consumer.md, Large files.';
    await expect.poll(() => worker.idsOf(outcome), POLL).toEqual([emailId]);
    expect(await rowOf(emailId)).toMatchObject({
      error: 'A file is in the bucket. Download it: docs/consumer.md, Large files.',
    });
  });

  it('an unexpected error is printed and stored without its message, which may quote the email', async () => {
    const [id = 0] = await storeEmails(db, 1);
    await db.query(
      `create function fail_to_read() returns boolean
       language plpgsql
       as $$ begin raise exception 'Order 1 of alice' using errcode = '22000'; end $$;
       alter function attachment_data(integer) rename to readable_data;
       create function attachment_data(attachment_id integer) returns bytea
       language plpgsql
       as $$ begin perform fail_to_read(); return null; end $$`,
    );
    try {
      const worker = start();
      await expect.poll(async () => (await rowOf(id))?.failure_count, POLL).toBe(1);
      await expect
        .poll(() => worker.output, POLL)
        .toMatch(/^Email \d+: failed: Unexpected \w+ \(22000\)\.$/m);
    } finally {
      await db.query(
        'drop function attachment_data(integer); alter function readable_data(integer) rename to attachment_data',
      );
    }
  });

  it.each([
    ['no DATABASE_URL', { DATABASE_URL: '' }, /^Set DATABASE_URL to the URL of the database\.\n$/],
    [
      'a LEASE_SECONDS that is no number',
      { LEASE_SECONDS: '5 min' },
      /^LEASE_SECONDS must be a number of seconds\.\n$/,
    ],
    [
      'a LEASE_SECONDS of 0',
      { LEASE_SECONDS: '0' },
      /^The worker ends: The lease is invalid\. Use [^\n]* \(QE005\)\n$/,
    ],
    [
      'an invalid CONSUMER',
      { CONSUMER: 'Orders!' },
      /^The worker ends: The consumer name is invalid\. Use [^\n]* \(QE005\)\n$/,
    ],
  ])('a worker with %s ends with one sentence and the exit code 1', async (_what, env, text) => {
    const worker = start(env);
    expect(await worker.ended()).toBe(1);
    expect(worker.output).toMatch(text);
  });

  it('an email that fails five times is dead, and the others are completed', async () => {
    const worker = start();
    await worker.waiting();
    const [poison = 0] = await storeEmails(db, 2);
    await db.query('delete from email_attachments where email_id = $1::integer', [poison]);
    for (let failures = 1; failures <= 5; failures += 1) {
      await notify();
      await expect.poll(async () => (await rowOf(poison))?.failure_count, POLL).toBe(failures);
      if (failures < 5) await passTime(db, 'extraction', poison);
    }
    await expect.poll(completed, POLL).toBe(1);
    await worker.waiting();
    expect(await rowOf(poison)).toMatchObject({ state: 'dead', error: 'The email has no attachment.' });
    await expect
      .poll(() => worker.idsOf('failed: The email has no attachment.'))
      .toEqual(Array(5).fill(poison));
  });

  it('workers complete what they had claimed, and the rest, after the database was away', async () => {
    const [a, b] = [start({ DATABASE_URL: proxy.url }), start({ DATABASE_URL: proxy.url })];
    await Promise.all([a.waiting(), b.waiting()]);
    const gate = await close('attachment_data');
    await storeEmails(db, 20);
    await notify();
    const held = [await a.working(), await b.working()];
    proxy.break();
    await db.query(
      `select pg_terminate_backend(pid)
       from pg_stat_activity
       where datname = current_database()
         and application_name like any (array(select worker from email_queue where state = 'claimed'))`,
    );
    await expect
      .poll(() => [a, b].filter((one) => one.output.includes('cannot be reached')).length, POLL)
      .toBe(2);
    proxy.restore();
    await gate.open();
    await expect.poll(completed, POLL).toBe(20);
    await Promise.all([a.waiting(), b.waiting()]);
    expect(a.idsOf('completed')).toContain(held[0]);
    expect(b.idsOf('completed')).toContain(held[1]);
  });

  it('a worker whose idle connection broke listens again', async () => {
    const worker = start();
    const backend = await worker.waiting();
    await db.query('select pg_terminate_backend($1::integer)', [backend]);
    await expect.poll(async () => await worker.waiting(), POLL).not.toBe(backend);
    await storeEmails(db, 1);
    await notify();
    await expect.poll(completed, POLL).toBe(1);
  });

  it('a notification starts the work at once, although the worker polls once an hour', async () => {
    const before = await claimCount();
    const worker = start();
    await worker.waiting();
    const [id] = await storeEmails(db, 1);
    await notify();
    await expect.poll(() => worker.idsOf('completed'), POLL).toEqual([id]);
    await worker.waiting();
    // At most one before the email, one for it, one after it, and one for a late notification: a worker that waits does not claim.
    expect((await claimCount()) - before).toBeLessThanOrEqual(4);
  });

  it('a worker misses no notification that arrives while it claims', async () => {
    const gate = await close('claim_emails');
    const worker = start();
    await worker.claiming();
    const [id] = await storeEmails(db, 1);
    await notify();
    await gate.open();
    await expect.poll(() => worker.idsOf('completed'), POLL).toEqual([id]);
  });

  it('a worker finds an email without a notification when it polls', async () => {
    const worker = start({ POLL_SECONDS: '0.05' });
    await worker.waiting();
    const [id] = await storeEmails(db, 1);
    await expect.poll(() => worker.idsOf('completed'), POLL).toEqual([id]);
  });

  it('a worker extends its claim while it works, and gives it back uncharged on SIGTERM', async () => {
    const worker = start({ ...ALL_DAY, LEASE_SECONDS: '0.6' });
    await worker.waiting();
    const [id = 0] = await storeEmails(db, 1);
    await notify();
    expect(await worker.working()).toBe(id);
    for (let extensions = 1; extensions <= 3; extensions += 1) {
      const before = await dueAt(id);
      await expect.poll(async () => await dueAt(id), POLL).toBeGreaterThan(before);
    }
    expect(await worker.end('SIGTERM')).toBe(0);
    expect(worker.idsOf('released')).toEqual([id]);
    expect(await rowOf(id)).toMatchObject({ state: 'waiting', worker: null, failure_count: 0 });
  });

  it('a worker that waits ends on SIGTERM', async () => {
    const worker = start();
    await worker.waiting();
    expect(await worker.end('SIGTERM')).toBe(0);
    expect(worker.output).toBe('');
  });

  it('a worker stops its work when another worker has claimed the email, and continues with the next one', async () => {
    const worker = start({ ...ALL_DAY, LEASE_SECONDS: '0.6' });
    await worker.waiting();
    const [id = 0, next] = await storeEmails(db, 2);
    await notify();
    expect(await worker.working()).toBe(id);
    await db.transaction(async (tx) => {
      await passTime(tx, 'extraction', id);
      expect(await workerOf(tx, 'extraction', 'other').claim()).toEqual([id]);
    });
    await expect.poll(() => worker.idsOf('discarded (QE001)'), POLL).toEqual([id]);
    await expect.poll(async () => await worker.working(), POLL).toBe(next);
    await workerOf(db, 'extraction', 'other').complete(id);
  });

  it.each([
    ['set to processed', 'QE003', 'update incoming_emails set processed = true where id = $1::integer'],
    ['erased', 'QE004', 'delete from incoming_emails where id = $1::integer'],
  ])('a worker discards its work on an email that is %s in the meantime', async (_name, code, change) => {
    const worker = start();
    await worker.waiting();
    const gate = await close('attachment_data');
    const [id = 0, next = 0] = await storeEmails(db, 2);
    await notify();
    expect(await worker.working()).toBe(id);
    // It has read the email.
    await worker.downloading();
    await db.query(change, [id]);
    await gate.open();
    await expect.poll(() => worker.idsOf('completed'), POLL).toEqual([next]);
    expect(worker.idsOf(`discarded (${code})`)).toEqual([id]);
  });
});
