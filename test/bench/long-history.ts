/**
 * `npm run bench -- long-history`: 100,000 records of label changes, runs of 10 s, each begun the settle time after the one
 * before, by back-dating. Does the cursor move in each, and is a live email stored within one?
 */
import { mailWithAttachment } from './bench-mail.ts';
import { type BenchSystem, inSystem, NO_QUOTA } from './bench-system.ts';
import { passSeconds } from './cycles.ts';
import { startIngest } from './ingest-run.ts';
import { type Section, tableOf } from './measured.ts';

const RECORDS = 100_000;
const LABELLED = 20;
const LATENCY_MS = 50;
const MAIL_BYTES = 10_000;
const BUDGET_MS = 10_000;
const SETTLE_SECONDS = 90;
const MOST_RUNS = 60;

interface Run {
  readonly outcome: string;
  readonly cursorBefore: number;
  readonly cursorAfter: number;
  /** The live email that arrived before the run is stored after it. */
  readonly isStored: boolean;
}

export async function longHistory(): Promise<Section> {
  const runs = await inSystem({ quotaUnitsPerMinute: null, latencyMs: LATENCY_MS }, measure);
  // The first run finds nothing that is old enough to confirm.
  const later = runs.slice(1, -1);
  const moved = later.filter((run) => run.cursorAfter > run.cursorBefore).length;
  const stored = runs.filter((run) => run.isStored).length;
  const isComplete = runs.at(-1)?.outcome === 'completed';
  return {
    name: 'long-history',
    title: 'A long history',
    how:
      `${RECORDS} records of label changes behind the cursor; ${LATENCY_MS} ms per call, no quota, invocations of ${BUDGET_MS / 1_000} s, ` +
      `each ${SETTLE_SECONDS} s (back-dated) after the one before, a live email before each.`,
    findings: [
      {
        what: 'runs that moved the cursor, of those after the first that were cut',
        goal: 'all',
        reached: `${moved} of ${later.length}`,
        isMet: moved === later.length,
      },
      {
        what: 'runs that stored the live email that arrived before them',
        goal: 'all',
        reached: `${stored} of ${runs.length}`,
        isMet: stored === runs.length,
      },
      {
        what: 'runs until the history is read to its end',
        goal: `at most ${MOST_RUNS}`,
        reached: isComplete ? String(runs.length) : 'not read to its end',
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
  await labelOften(system);
  const runs: Run[] = [];
  while (runs.length < MOST_RUNS && runs.at(-1)?.outcome !== 'completed') {
    const raw = mailWithAttachment(runs.length, MAIL_BYTES).toString('base64');
    const { id } = await system.gmail.control<{ id: string }>('deliver', { raw });
    const cursorBefore = await cursorOf(system);
    const { outcome } = await ingest.run();
    const rows = await system.db.rows(`select 1 from incoming_emails where gmail_message_id = '${id}'`);
    runs.push({ outcome, cursorBefore, cursorAfter: await cursorOf(system), isStored: rows.length === 1 });
    process.stdout.write(`${JSON.stringify(runs.at(-1))}\n`);
    await passSeconds(system, SETTLE_SECONDS);
  }
  await ingest.close();
  return runs;
}

/** Old emails that are marked read and unread. */
async function labelOften({ gmail }: BenchSystem): Promise<void> {
  const ids: string[] = [];
  for (let n = 0; n < LABELLED; n += 1) {
    const raw = mailWithAttachment(1_000_000 + n, MAIL_BYTES).toString('base64');
    ids.push((await gmail.control<{ id: string }>('deliver', { raw, labelIds: ['SENT'] })).id);
  }
  let next = 0;
  const labeller = async (): Promise<void> => {
    for (let n = next++; n < RECORDS; n = next++) {
      const change = Math.floor(n / LABELLED) % 2 === 0 ? { add: ['STARRED'] } : { remove: ['STARRED'] };
      await gmail.control('modify', { id: ids[n % LABELLED], ...change });
    }
  };
  await Promise.all([labeller(), labeller(), labeller(), labeller()]);
}

async function cursorOf({ db }: BenchSystem): Promise<number> {
  const [row] = await db.rows('select cursor_history_id::float8 as id from mailboxes');
  return row.id;
}
