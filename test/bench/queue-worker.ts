/**
 * A worker process of the `queue` benchmark: claims emails one at a time and completes each in the transaction that records it.
 * An advisory lock of the session shows whether another worker holds the same email. Ends when nothing is left.
 *
 * Arguments: the URL of the database. Poison emails fail: ids divisible by 200 by an error, other ids divisible by 100 by a
 * crash.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

const LEASE = '2 seconds';
const WORK_MS = 12;
const RETRY_MS = 100;

const worker = `${process.pid}-${randomUUID().slice(0, 8)}`;
const client = new pg.Client({ connectionString: process.argv[2] });
await client.connect();

async function value<T>(sql: string, ...parameters: unknown[]): Promise<T | null> {
  const { rows } = await client.query({ text: sql, values: parameters, rowMode: 'array' });
  return rows[0]?.[0] ?? null;
}

/** Before the call that ends the claim: another worker may claim the email right after it. */
async function unlock(): Promise<void> {
  await client.query('select pg_advisory_unlock_all()');
}

for (;;) {
  const id = await value<number>("select id from claim_emails('bench', $1, 1, $2)", worker, LEASE);
  if (id === null) {
    if (await value("select true from email_queue where consumer = 'bench' and state <> 'dead' limit 1")) {
      await delay(RETRY_MS);
      continue;
    }
    break;
  }
  if (!(await value('select pg_try_advisory_lock(4711, $1)', id)))
    await client.query('insert into bench_violations (email_id) values ($1)', [id]);
  if (id % 200 === 0) {
    await unlock();
    await client.query("select fail_email('bench', $1, $2, 'poison', '0')", [worker, id]);
  } else if (id % 100 === 0) {
    process.kill(process.pid, 'SIGKILL');
  } else {
    await delay(Math.random() * 2 * WORK_MS);
    await unlock();
    await client.query('begin');
    await client.query('insert into bench_completed (email_id) values ($1)', [id]);
    await client.query("select complete_email('bench', $1, $2)", [worker, id]);
    await client.query('commit');
  }
}
await client.end();
