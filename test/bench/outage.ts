/**
 * `npm run bench -- outage`: twelve simulated hours in which nearly all calls fail, with an email every 20 s and a poll every
 * minute. No message may be dead afterwards, and all must be stored soon after the outage ends.
 */
import { openDatabase } from '../../shared/db/database.ts';
import { mail } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import { startBenchDatabase } from './bench-database.ts';
import type { Result, Section } from './results.ts';

const HOURS = 12;
const MAILS_PER_MINUTE = 3;
const FAILING_SHARE = 0.95;
const MAX_RUNS_AFTER = 15;

const KINDS: Readonly<Record<string, { readonly method?: string }>> = {
  'messages.get': { method: 'messages.get' },
  'all calls': {},
};

export async function outage(): Promise<Section> {
  const given = Number(process.argv[3]);
  const hours = Number.isFinite(given) ? given : HOURS;
  const results: Result[] = [];
  for (const [name, where] of Object.entries(KINDS)) results.push(...(await simulate(name, where, hours)));
  return {
    name: 'outage',
    title: 'An outage of Gmail',
    how:
      `${hours} hours in which ${FAILING_SHARE * 100} % of the calls return 503, with ${MAILS_PER_MINUTE} emails and one scheduled run per minute. ` +
      'Time is simulated: rows are back-dated, and sleeps are skipped.',
    results,
  };
}

async function simulate(name: string, where: { readonly method?: string }, hours: number): Promise<Result[]> {
  const server = await startBenchDatabase(['fsync=off', 'synchronous_commit=off']);
  const db = openDatabase({ target: { kind: 'url', url: server.url }, poolSize: 4 });
  const system = await createTestSystem({ db: { ...db, url: server.url }, env: { LOG_LEVEL: 'error' } });
  try {
    await system.turnOn();
    await system.ingest({ trigger: 'schedule' });
    system.gmail.faults.add({ kind: 'status', status: 503, probability: FAILING_SHARE, ...where });
    let delivered = 0;
    for (let minute = 0; minute < hours * 60; minute += 1) {
      for (let n = 0; n < MAILS_PER_MINUTE; n += 1) system.gmail.deliver(mail(`Order ${delivered++}`));
      await system.ingest({ trigger: 'schedule', budgetMs: 50_000 });
      await system.pass(60);
      if (minute % 60 === 59)
        process.stdout.write(`${name}, hour ${(minute + 1) / 60}: ${await counts(system)}\n`);
    }
    const [state] = await system.rows<{ dead: number; charged: number; stored: number }>(`
      select count(*) filter (where state = 'dead')::int as dead, max(attempt_count) as charged,
             count(*) filter (where state = 'stored')::int as stored
      from email_ledger`);
    system.gmail.faults.clear();
    let runs = 0;
    while (runs < MAX_RUNS_AFTER && (await stored(system)) < delivered) {
      await system.ingest({ trigger: 'schedule', budgetMs: 50_000 });
      await system.pass(60);
      runs += 1;
    }
    const missing = delivered - (await stored(system));
    return [
      { what: `${name}: dead messages`, goal: '0', reached: String(state?.dead), isMet: state?.dead === 0 },
      {
        what: `${name}: highest number of counted failures of a message`,
        goal: null,
        reached: String(state?.charged),
      },
      { what: `${name}: stored during the outage`, goal: null, reached: `${state?.stored} of ${delivered}` },
      {
        what: `${name}: runs after the outage until all are stored`,
        goal: `at most ${MAX_RUNS_AFTER}`,
        reached: missing === 0 ? String(runs) : `${missing} missing`,
        isMet: missing === 0,
      },
    ];
  } finally {
    await system.close();
    await server.close();
  }
}

async function counts(system: TestSystem): Promise<string> {
  const rows = await system.rows<{ state: string; n: number; charged: number }>(
    'select state, count(*)::int as n, max(attempt_count) as charged from email_ledger group by 1 order by 1',
  );
  return rows
    .map(({ state, n, charged }) => `${state} ${n} (at most ${charged} counted failures)`)
    .join(', ');
}

async function stored(system: TestSystem): Promise<number> {
  const [row] = await system.rows<{ n: number }>('select count(*)::int as n from incoming_emails');
  return row?.n ?? 0;
}
