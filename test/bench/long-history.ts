/**
 * `npm run bench -- long-history`: 100,000 label changes and runs of 10 s, each one settle time after the previous one,
 * simulated by back-dating. Checks that each run moves the cursor and stores a live email.
 */
import { mailWithAttachment } from './bench-mail.ts';
import { type BenchSystem, inSystem, NO_QUOTA } from './bench-system.ts';
import { startIngest } from './ingest-run.ts';
import { type Section, tableOf } from './results.ts';
import { backdateSeconds } from './simulated-minutes.ts';

const RECORDS = 100_000;
const LABELED_EMAILS = 20;
const LATENCY_MS = 50;
const MAIL_BYTES = 10_000;
const BUDGET_MS = 10_000;
const SETTLE_SECONDS = 90;
const MAX_RUNS = 60;

interface Run {
  readonly outcome: string;
  readonly cursorBefore: number;
  readonly cursorAfter: number;
  /** Whether the run stored the live email that arrived before it. */
  readonly isStored: boolean;
}

export async function longHistory(): Promise<Section> {
  const runs = await inSystem({ quotaUnitsPerMinute: null, latencyMs: LATENCY_MS }, measure);
  // In the first run no history is old enough to be confirmed.
  const later = runs.slice(1, -1);
  const moved = later.filter((run) => run.cursorAfter > run.cursorBefore).length;
  const stored = runs.filter((run) => run.isStored).length;
  const isComplete = runs.at(-1)?.outcome === 'completed';
  return {
    name: 'long-history',
    title: 'A long history',
    how:
      `${RECORDS} label changes after the cursor; ${LATENCY_MS} ms per call, no quota, runs of ${BUDGET_MS / 1_000} s, each ` +
      `${SETTLE_SECONDS} s (back-dated) after the previous one, a live email before each.`,
    results: [
      {
        what: 'runs that moved the cursor, without the first and the last',
        goal: 'all',
        reached: `${moved} of ${later.length}`,
        isMet: moved === later.length,
      },
      {
        what: 'runs that stored the live email that had arrived before them',
        goal: 'all',
        reached: `${stored} of ${runs.length}`,
        isMet: stored === runs.length,
      },
      {
        what: 'runs until the whole history is read',
        goal: `at most ${MAX_RUNS}`,
        reached: isComplete ? String(runs.length) : 'not read completely',
        isMet: isComplete,
      },
    ],
    more: tableOf(
      ['run', 'outcome', 'cursor moved by', 'live email stored'],
      runs.map((run, n) => [
        String(n + 1),
        run.outcome,
        String(run.cursorAfter - run.cursorBefore),
        run.isStored ? 'yes' : 'no',
      ]),
    ),
  };
}

async function measure(system: BenchSystem): Promise<Run[]> {
  const env = { ...system.env, ...NO_QUOTA, GMAIL_SETTLE_SECONDS: String(SETTLE_SECONDS) };
  const ingest = await startIngest(env, { inFlight: null, trigger: 'schedule', budgetMs: BUDGET_MS });
  await ingest.warmUp();
  await addLabelChanges(system);
  const runs: Run[] = [];
  while (runs.length < MAX_RUNS && runs.at(-1)?.outcome !== 'completed') {
    const raw = mailWithAttachment(runs.length, MAIL_BYTES).toString('base64');
    const { id } = await system.gmail.control<{ id: string }>('deliver', { raw });
    const cursorBefore = await cursorOf(system);
    const { outcome } = await ingest.run();
    const rows = await system.db.rows(`select 1 from incoming_emails where gmail_message_id = '${id}'`);
    runs.push({ outcome, cursorBefore, cursorAfter: await cursorOf(system), isStored: rows.length === 1 });
    process.stdout.write(`${JSON.stringify(runs.at(-1))}\n`);
    await backdateSeconds(system, SETTLE_SECONDS);
  }
  await ingest.close();
  return runs;
}

/** Delivers sent emails and toggles their star until the history has all records. */
async function addLabelChanges({ gmail }: BenchSystem): Promise<void> {
  const ids: string[] = [];
  for (let n = 0; n < LABELED_EMAILS; n += 1) {
    const raw = mailWithAttachment(1_000_000 + n, MAIL_BYTES).toString('base64');
    ids.push((await gmail.control<{ id: string }>('deliver', { raw, labelIds: ['SENT'] })).id);
  }
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < RECORDS; n = next++) {
      const change =
        Math.floor(n / LABELED_EMAILS) % 2 === 0 ? { add: ['STARRED'] } : { remove: ['STARRED'] };
      await gmail.control('modify', { id: ids[n % LABELED_EMAILS], ...change });
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
}

async function cursorOf({ db }: BenchSystem): Promise<number> {
  const [row] = await db.rows('select cursor_history_id::float8 as id from mailboxes');
  return row.id;
}
