/**
 * `npm run bench -- queue`: the hand-off of emails to workers: four workers of which one is killed every second, the claims per
 * second next to the large queue of another consumer, and what the queue costs the writers that store.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import pg from 'pg';
import { openDatabase } from '../../shared/db/database.ts';
import { storeEmail } from '../../shared/db/emails.ts';
import { addLiveMessages, leasedMailbox } from '../helpers/leased-mailbox.ts';
import { storable } from '../helpers/storable-email.ts';
import { type BenchDatabase, median, startBenchDatabase } from './bench-database.ts';
import { explainAll } from './plans.ts';
import type { Result, Section } from './results.ts';

const EMAILS = 10_000;
const WORKERS = 4;
const KILL_EVERY_MS = 1_000;
const OTHER_EMAILS = 1_000_000;
const CLAIMS = 1_000;
const ROUNDS = 5;
const WRITERS = 16;
const STORES = 800;

const PARTS: Readonly<Record<string, () => Promise<Part>>> = {
  workers: killWorkers,
  claims: measureClaims,
  stores: measureStores,
};

interface Part {
  readonly results: readonly Result[];
  readonly more?: string;
}

export async function queue(): Promise<Section> {
  const given = process.argv.slice(3);
  const parts: Part[] = [];
  for (const name of given.length > 0 ? given : Object.keys(PARTS)) {
    const part = await PARTS[name]?.();
    if (part === undefined) throw new Error(`There is no part ${name}.`);
    process.stdout.write(`${part.results.map((one) => `${one.what}: ${one.reached}`).join('\n')}\n`);
    parts.push(part);
  }
  return {
    name: 'queue',
    title: 'The queue of consumers',
    how:
      `${EMAILS} emails and ${WORKERS} workers, of which one is killed every second; one email in a hundred is poison: half fail with an error, ` +
      `half kill their worker. Claims by ${WORKERS} sessions, one email each. Stores by ${WRITERS} writers; the variants take turns, medians of ${ROUNDS} rounds.`,
    results: parts.flatMap((part) => part.results),
    more: parts.flatMap((part) => part.more ?? []).join('\n\n'),
  };
}

async function addEmails(db: BenchDatabase, count: number): Promise<void> {
  await db.rows(`
    insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
    select 1, 'bench-' || nextval('bench_messages'), now(), 1, 0, 1
    from generate_series(1, ${count})`);
}

async function startDatabase(): Promise<BenchDatabase> {
  const db = await startBenchDatabase(['session_preload_libraries=auto_explain', 'max_wal_size=8GB']);
  await db.rows("insert into mailboxes (email_address, cursor_history_id) values ('orders@example.com', 1)");
  await db.rows('create sequence bench_messages');
  return db;
}

async function killWorkers(): Promise<Part> {
  const db = await startDatabase();
  await db.rows(
    'create table bench_completed (email_id integer); create table bench_violations (email_id integer)',
  );
  await db.rows("select from claim_emails('bench', 'first')");
  await addEmails(db, EMAILS);
  const startedMs = performance.now();
  let killed = 0;
  let crashed = 0;
  const running: ChildProcess[] = [];
  const start = async (slot: number): Promise<void> => {
    for (;;) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'queue-worker.ts'), db.url], {
        stdio: 'inherit',
      });
      running[slot] = child;
      const [code, signal] = await once(child, 'exit');
      if (code === 0) return;
      if (signal !== 'SIGKILL') throw new Error(`A worker ended with ${code ?? signal}.`);
      crashed += 1;
    }
  };
  const killer = setInterval(() => {
    killed += running[killed % WORKERS]?.kill('SIGKILL') ? 1 : 0;
  }, KILL_EVERY_MS);
  await Promise.all(Array.from({ length: WORKERS }, async (_, slot) => await start(slot)));
  clearInterval(killer);
  const seconds = (performance.now() - startedMs) / 1_000;
  const [row] = await db.rows(`
    select (select count(*)::integer from incoming_emails where id % 100 <> 0) as good,
           (select count(distinct email_id)::integer from bench_completed) as completed,
           (select count(*)::integer from bench_completed) as completions,
           (select count(*)::integer from bench_violations) as violations,
           (select count(*)::integer from incoming_emails where id % 100 = 0) as poison,
           (select count(*)::integer from email_queue where state = 'dead' and email_id % 100 = 0 and failure_count = 5) as dead_poison,
           (select count(*)::integer from email_queue) as left_over`);
  await db.close();
  return {
    results: [
      {
        what: 'good emails completed exactly once',
        goal: 'all',
        reached: `${row.completed} of ${row.good}, ${row.completions} completions`,
        isMet: row.completed === row.good && row.completions === row.good,
      },
      {
        what: 'emails held by two workers at a time',
        goal: '0',
        reached: String(row.violations),
        isMet: row.violations === 0,
      },
      {
        what: 'poison emails dead after five failures',
        goal: 'all',
        reached: `${row.dead_poison} of ${row.poison}, ${row.left_over - row.dead_poison} others left`,
        isMet: row.dead_poison === row.poison && row.left_over === row.dead_poison,
      },
      {
        what: 'workers killed, and ended by poison; duration',
        goal: null,
        reached: `${killed}, ${crashed - killed}; ${seconds.toFixed(0)} s`,
      },
    ],
  };
}

async function measureClaims(): Promise<Part> {
  const db = await startDatabase();
  await db.rows("select from claim_emails('bench', 'first')");
  await addEmails(db, CLAIMS * (ROUNDS + 1));
  await db.rows('vacuum analyze');
  const alone = await claimRounds(db);
  // Of a consumer that works on other emails: all of them have lower ids.
  await db.rows("delete from email_queue; select from claim_emails('other', 'first')");
  await db.rows('alter table incoming_emails disable trigger user');
  await addEmails(db, OTHER_EMAILS);
  await db.rows('alter table incoming_emails enable trigger user');
  await db.rows(
    "insert into email_queue (consumer, email_id) select 'other', id from incoming_emails on conflict do nothing",
  );
  await addEmails(db, CLAIMS * (ROUNDS + 1));
  await db.rows('vacuum analyze');
  const nextToOther = await claimRounds(db);
  // Emails that wait for their retry have lower ids than the others.
  await db.rows(`
    insert into email_queue (consumer, email_id, due_at)
    select 'bench', id, now() + interval '1 hour' from incoming_emails order by id limit 10000
    on conflict do nothing`);
  await addEmails(db, CLAIMS * (ROUNDS + 1));
  await db.rows('vacuum analyze email_queue');
  const behind = await claimRounds(db);
  await explainAll(db);
  await db.rows('alter system set auto_explain.log_nested_statements = on');
  await db.rows('select pg_reload_conf(), pg_sleep(0.3)');
  await db.rows("select from claim_emails('bench', 'explained')");
  const plan = planOf(db.log());
  await db.close();
  const reached = (perSecond: number) => `${perSecond.toFixed(0)} per second`;
  return {
    results: [
      { what: 'claims, no other queue', goal: null, reached: reached(alone) },
      {
        what: `claims next to ${OTHER_EMAILS.toLocaleString('en')} emails of another consumer`,
        goal: null,
        reached: `${reached(nextToOther)}, ${(nextToOther / alone).toFixed(2)} of those without`,
      },
      { what: 'claims behind 10,000 emails that wait for their retry', goal: null, reached: reached(behind) },
    ],
    more: ['The plan of the statement that claims, next to the large queue:', '```', plan, '```'].join('\n'),
  };
}

/** @returns the median number of claims per second */
async function claimRounds(db: BenchDatabase): Promise<number> {
  const pool = new pg.Pool({ connectionString: db.url, max: WORKERS });
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const startedMs = performance.now();
    await Promise.all(
      Array.from({ length: WORKERS }, async (_, n) => {
        for (let claimed = 0; claimed < CLAIMS / WORKERS; claimed += 1) {
          const { rowCount } = await pool.query("select id from claim_emails('bench', $1)", [`worker-${n}`]);
          if (rowCount !== 1) throw new Error('There was nothing to claim.');
        }
      }),
    );
    // The first round warms the caches.
    if (round > 0) rounds.push((CLAIMS / (performance.now() - startedMs)) * 1_000);
  }
  await pool.end();
  return median(rounds);
}

/** The logged plan of the nested statement that claims waiting emails. */
function planOf(log: string): string {
  const entry = log.split(/duration: /).findLast((one) => one.includes('q.failure_count = 0'));
  const plan = entry?.slice(entry.search(/\n[^\n]*\(cost=/) + 1) ?? 'not logged';
  return plan.split(/\n\d{4}-/)[0]?.trimEnd() ?? plan;
}

async function measureStores(): Promise<Part> {
  const server = await startDatabase();
  const db = openDatabase({ target: { kind: 'url', url: server.url }, poolSize: WRITERS + 1 });
  const variants: Record<string, () => Promise<unknown>> = {
    'without the triggers of the queue': async () => {
      await server.rows('alter table incoming_emails disable trigger incoming_emails_queue');
    },
    'no consumer': async () => {
      await server.rows('alter table incoming_emails enable trigger incoming_emails_queue');
    },
    'one consumer': async () => {
      await server.rows('alter table incoming_emails enable trigger incoming_emails_queue');
      await server.rows("insert into consumers (name) values ('extraction')");
    },
  };
  const rounds = new Map<string, number[]>(Object.keys(variants).map((name) => [name, []]));
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [name, prepare] of Object.entries(variants)) {
      await server.rows('delete from consumers');
      await prepare();
      const perSecond = await storesPerSecond(db, `${round}-${name}`);
      if (round > 0) rounds.get(name)?.push(perSecond);
    }
  }
  await db.close();
  await server.close();
  const before = median(rounds.get('without the triggers of the queue') ?? []);
  return {
    results: [...rounds].map(([name, values]) => ({
      what: `stores with ${WRITERS} writers, ${name}`,
      goal: null,
      reached: `${median(values).toFixed(0)} per second (${(median(values) / before).toFixed(2)})`,
    })),
  };
}

async function storesPerSecond(db: Parameters<typeof leasedMailbox>[0], prefix: string): Promise<number> {
  const lease = await leasedMailbox(db);
  const ids = Array.from({ length: STORES }, (_, n) => `${prefix}-${n}`);
  await addLiveMessages(db, lease, ...ids);
  const email = await storable('');
  const startedMs = performance.now();
  const next = ids.values();
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      for (const gmailMessageId of next) await storeEmail(db, lease, { ...email, gmailMessageId });
    }),
  );
  return (STORES / (performance.now() - startedMs)) * 1_000;
}
