/**
 * A worker of the email queue (docs/consumer.md). It claims one email at a time, and extends the claim while it works.
 * On SIGTERM or Ctrl-C it gives the email back. Start as many as you like: DATABASE_URL=postgres://... node examples/worker.ts
 */
import { createHash, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

const { DATABASE_URL: connectionString, CONSUMER = 'extraction' } = process.env;
if (!connectionString) end('Set DATABASE_URL to the URL of the database.');
const [LEASE_SECONDS, POLL_SECONDS] = [seconds('LEASE_SECONDS', '300'), seconds('POLL_SECONDS', '30')];
const WORK_SECONDS = seconds('WORK_SECONDS', '0'); // Slow work can be killed.
const LEASE = `${LEASE_SECONDS} s`;
// New for each start, so that a worker cannot complete what an earlier process has claimed.
const WORKER = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;

function seconds(name: string, fallback: string): number {
  const value = Number(process.env[name] || fallback);
  return value >= 0 && value < 1e6 ? value : end(`${name} must be a number of seconds.`);
}

function end(text: string): never {
  console.error(text);
  process.exit(1);
}

type Email = { id: number; subject: string | null; attachments: { id: number }[] };
/** An error whose message is stored for operators. It must not contain mail. */
class WorkError extends Error {}

function explainLargeFile(error: unknown): never {
  if (Object(error).code !== 'QE007') throw error;
  throw new WorkError('A file is in the bucket. Download it: docs/consumer.md, Large files.');
}

/** Replace this. It can run twice for an email. The signal aborts when the claim is lost or the worker shuts down. */
async function work(email: Email, signal: AbortSignal): Promise<unknown> {
  if (email.attachments.length === 0) throw new WorkError('The email has no attachment.');
  await delay(WORK_SECONDS * 1_000, undefined, { signal });
  const read = (id: number) => call('select attachment_data($1)', id).catch(explainLargeFile);
  const files = await Promise.all(email.attachments.map(({ id }) => read(id)));
  const sha256 = files.map(([file]) => createHash('sha256').update(file.attachment_data).digest('hex'));
  return { subject: email.subject, sha256 };
}

async function handle(id: number): Promise<string> {
  const claim = [CONSUMER, WORKER, id];
  const lost = new AbortController();
  const extend = () => call('select extend_claim($1, $2, $3, $4)', ...claim, LEASE).catch(() => lost.abort());
  const timer = setInterval(extend, (LEASE_SECONDS * 1_000) / 3);
  try {
    const [email] = await call('select * from emails_for_processing where id = $1', id); // After the claim is committed.
    if (email === undefined) return 'discarded (erased)';
    const result = JSON.stringify(await work(email, AbortSignal.any([stop.signal, lost.signal])));
    return await call('select complete_email($1, $2, $3, $4)', ...claim, result).then(() => 'completed');
  } catch (error) {
    if (stop.signal.aborted) return call('select release_email($1, $2, $3)', ...claim).then(() => 'released');
    const { name, code = 'no code' } = Object(error); // The message of another error may quote the email.
    const text = error instanceof WorkError ? error.message : `Unexpected ${name} (${code}).`;
    return call('select fail_email($1, $2, $3, $4)', ...claim, text).then(() => `failed: ${text}`);
  } finally {
    clearInterval(timer);
  }
}

/** Runs a statement. While the database cannot be reached, it runs it again: each function of the queue allows that. */
async function call(sql: string, ...values: unknown[]): Promise<any[]> {
  for (;;) {
    try {
      return (await pool.query(sql, values)).rows;
    } catch (error) {
      // Errors of these classes pass: connection, rollback, resources, intervention (a restart).
      const isFinal = error instanceof pg.DatabaseError && !/^(08|40|53|57)/.test(error.code ?? '');
      if (isFinal || stop.signal.aborted) throw error;
      console.log(`The database cannot be reached: ${Object(error).message}. Next attempt in a second.`);
      await delay(1_000);
    }
  }
}

const stop = new AbortController();
for (const name of ['SIGTERM', 'SIGINT']) process.once(name, () => stop.abort());
let wait = new AbortController();
const endWait = () => wait.abort();
const listen = (client: pg.ClientBase) => client.on('notification', endWait).query('listen email_stored');
const options = { application_name: WORKER, max: 1, idleTimeoutMillis: 0 };
// An idle connection that breaks ends the wait too: the next claim connects and listens again.
const pool = new pg.Pool({ connectionString, ...options, onConnect: listen }).on('error', endWait);
while (!stop.signal.aborted) {
  wait = new AbortController(); // Before the claim: it does not see an email whose notification comes later.
  const signal = AbortSignal.any([stop.signal, wait.signal]);
  const claimed = call('select id from claim_emails($1, $2, 1, $3)', CONSUMER, WORKER, LEASE);
  // A wrong setting, for example. The message of this statement contains no mail.
  const [row] = await claimed.catch(({ code, hint = '', message }) =>
    end(`The worker ends: ${message} ${hint} (${code})`),
  );
  const id = row?.id;
  if (id === undefined) await delay(POLL_SECONDS * 1_000, null, { signal }).catch(() => null);
  else console.log(`Email ${id}: ${await handle(id).catch(({ code }) => `discarded (${code})`)}`);
}
await pool.end();
