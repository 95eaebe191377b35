/** The part `idle` of `npm run bench -- mailboxes`: what 10,000 mailboxes cost in which nothing happens. */
import { emulatedCredentials, refreshTokenOf } from '../../emulators/gmail/emulated-gmail.ts';
import { credentialFingerprint } from '../../shared/credentials.ts';
import { addressOf } from '../helpers/many-gmail.ts';
import { median } from './bench-database.ts';
import { inManySystem, type ManySystem, numbersFrom, type Use } from './many-system.ts';
import { type Result, tableOf } from './results.ts';

const MAILBOXES = 10_000;
/** Poll intervals in seconds, and the share of the runs of a minute that is measured. */
const INTERVALS = [
  [60, 0.2],
  [600, 1],
] as const;
/** Mailboxes that have their first run in the measurement. The rows of the others are copied. */
const FIRST_RUNS = 200;
const HISTORY_ID = '1790000000000000';
/** Rounds without a due mailbox, to measure poll itself. */
const EMPTY_POLLS = 10;

interface Tick {
  readonly intervalSeconds: number;
  /** Measured runs, of which poll found this many due. */
  readonly dispatched: number;
  /** In a minute at this interval. */
  readonly runs: number;
  readonly use: Use;
}

export interface IdleFigures {
  readonly results: readonly Result[];
  readonly ticks: readonly Tick[];
}

export async function measureIdle(dist: string, latencyMs: number): Promise<IdleFigures> {
  // All accounts have the same history id, so that the rows of one idle mailbox fit the others.
  const options = { accounts: MAILBOXES + 1, latencyMs, historyId: HISTORY_ID };
  return await inManySystem(dist, options, {}, async (system) => {
    await system.tick();
    await system.add(numbersFrom(1, FIRST_RUNS));
    const first = await system.measure(async () => {
      for (let rounds = 0; (await identified(system)) < FIRST_RUNS && rounds < 20; rounds += 1)
        await system.tick();
    });
    write(`first runs: ${JSON.stringify(first.use)}`);
    const others = numbersFrom(FIRST_RUNS + 1, MAILBOXES - FIRST_RUNS);
    await system.add(others);
    await knowMailboxes(system, others);
    await makeDue(system, 1 / 10, 60);
    await system.tick();

    const empty = await system.measure(async () => {
      const times: number[] = [];
      for (let n = 0; n < EMPTY_POLLS; n += 1) {
        await makeDue(system, 0, 60);
        times.push((await system.tick()).pollMs);
      }
      return times;
    });
    write(`polls without a due mailbox: ${JSON.stringify(empty)}`);
    const ticks: Tick[] = [];
    for (const [intervalSeconds, share] of INTERVALS) {
      await makeDue(system, (60 / intervalSeconds) * share, intervalSeconds);
      const { result, use } = await system.measure(async () => await system.tick());
      const runs = (MAILBOXES * 60) / intervalSeconds;
      ticks.push({ intervalSeconds, dispatched: result.dispatched, runs, use });
      write(`interval ${intervalSeconds} s: ${JSON.stringify({ ...result, ...use })}`);
    }
    await makeDue(system, 1, 60);
    const all = await system.measure(async () => await system.tick('none'));
    write(`poll that dispatches all: ${JSON.stringify(all)}`);
    const many = MAILBOXES.toLocaleString('en-US');
    const informative = (what: string, reached: string): Result => ({ what, goal: null, reached });
    return {
      ticks,
      results: [
        informative(
          `first run of an empty mailbox (${FIRST_RUNS} of them)`,
          `${(first.use.ingestCpuMs / FIRST_RUNS).toFixed(1)} ms CPU, ${(first.use.statements / FIRST_RUNS).toFixed(1)} statements, ${(first.use.units / FIRST_RUNS).toFixed(0)} units`,
        ),
        {
          what: `poll with ${many} mailboxes, none due: median of ${EMPTY_POLLS}`,
          goal: 'at most 500 ms',
          reached:
            `${median(empty.result).toFixed(0)} ms (worst ${Math.max(...empty.result).toFixed(0)}), ` +
            `${(empty.use.statements / EMPTY_POLLS).toFixed(0)} statements, ${(empty.use.databaseMs / EMPTY_POLLS).toFixed(0)} ms in the database`,
          isMet: median(empty.result) <= 500,
        },
        informative(
          `poll that dispatches ${all.result.dispatched.toLocaleString('en-US')}`,
          `${all.result.pollMs.toFixed(0)} ms, ${all.use.otherCpuMs.toFixed(0)} ms CPU`,
        ),
      ],
    };
  });
}

/** Writes the rows that mailboxes have after their first runs, copied from one that had its own. */
async function knowMailboxes({ db, execute }: ManySystem, numbers: readonly number[]): Promise<void> {
  const { clientId, clientSecret } = emulatedCredentials;
  const fingerprints = numbers.map((number) =>
    credentialFingerprint({ clientId, clientSecret, refreshToken: refreshTokenOf(number) }),
  );
  await execute(
    `insert into mailboxes (email_address, credential_fingerprint, created_at, cursor_history_id, unconfirmed_history_id,
                            unconfirmed_at, listed_history_id, shown_history_id, last_run_at, last_run_ended_at, last_success_at)
     select k.address, k.fingerprint, m.created_at, m.cursor_history_id, m.unconfirmed_history_id, m.unconfirmed_at,
            m.listed_history_id, m.shown_history_id, m.last_run_at, m.last_run_ended_at, m.last_success_at
     from mailboxes m, unnest($1::text[], $2::text[]) as k (address, fingerprint)
     where m.email_address = $3::text`,
    [numbers.map(addressOf), fingerprints, addressOf(1)],
  );
  for (const sql of [
    'update mailbox_settings s set mailbox_id = m.id from mailboxes m where m.email_address = s.email_address',
    'update mailbox_confirmations set applied_at = now()',
    `insert into mailbox_quota (mailbox_id, available_units)
     select id, 5900 from mailboxes on conflict (mailbox_id) do nothing`,
    `insert into mailbox_watches (mailbox_id, topic, registered_at, expires_at, credential_fingerprint)
     select m.id, w.topic, w.registered_at, w.expires_at, m.credential_fingerprint
     from mailboxes m, (select * from mailbox_watches where topic is not null limit 1) w
     on conflict (mailbox_id) do nothing`,
    `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, listed_at, evaluated_at, gmail_count,
                                  stored_count, pending_count, failed_count, ignored_count, gone_count, missing_count)
     select id, now() - interval '2 days', false, '', now(), now(), 0, 0, 0, 0, 0, 0, 0 from mailboxes`,
    // Older than the period in which the first reconciliation waits.
    "update mailboxes set created_at = created_at - interval '10 days'",
    'vacuum analyze',
  ])
    await db.rows(sql);
}

/**
 * A share of the mailboxes is due for a poll, the others are not. All were last polled `seconds` ago, so that as many
 * reconciliations and watches are due as in every interval of this length.
 */
async function makeDue({ db }: ManySystem, share: number, seconds: number): Promise<void> {
  const isDue = share === 0 ? 'false' : `id % ${Math.round(1 / share)} = 0`;
  const past = `now() - interval '${seconds} seconds'`;
  for (const sql of [
    `update mailboxes /* bench */
     set next_poll_at = case when ${isDue} then now() - interval '1 second' else now() + interval '1 hour' end`,
    `update reconciliations /* bench */ set started_at = ${past} where evaluated_at is not null`,
    `update mailbox_watches /* bench */ set registered_at = ${past}`,
    'vacuum /* bench */ mailboxes, reconciliations, mailbox_watches',
  ])
    await db.rows(sql);
}

async function identified({ db }: ManySystem): Promise<number> {
  const [row] = await db.rows(
    'select count(*)::int as count /* bench */ from mailbox_settings where mailbox_id is not null',
  );
  return row.count;
}

/** Markdown below the results. */
export function idleTables({ ticks }: IdleFigures): string[] {
  const scaled = (of: (use: Use) => number) =>
    ticks.map(({ dispatched, runs, use }) => (of(use) / dispatched) * runs);
  const perRun = (of: (use: Use) => number) =>
    ticks.map(({ dispatched, use }) => (of(use) / dispatched).toFixed(2));
  const whole = (values: readonly number[]) =>
    values.map((value) => Math.round(value).toLocaleString('en-US'));
  const seconds = (values: readonly number[]) => values.map((value) => (value / 1_000).toFixed(1));
  const cpu = (use: Use) => use.ingestCpuMs + use.otherCpuMs;
  return [
    `${MAILBOXES.toLocaleString('en-US')} idle mailboxes, per minute: a poll and the runs that it dispatches, with the reconciliations and ` +
      `watches of a minute. Measured with ${ticks.map(({ dispatched }) => dispatched.toLocaleString('en-US')).join(' and ')} runs.`,
    tableOf(
      ['', ...ticks.map(({ intervalSeconds }) => `interval ${intervalSeconds} s`)],
      [
        ['runs', ...whole(ticks.map(({ runs }) => runs))],
        ['statements', ...whole(scaled(({ statements }) => statements))],
        ['statements per run', ...perRun(({ statements }) => statements)],
        ['Gmail units', ...whole(scaled(({ units }) => units))],
        ['Gmail units per run', ...perRun(({ units }) => units)],
        ['CPU of the functions, s', ...seconds(scaled(cpu))],
        ['CPU of the functions per run, ms', ...perRun(cpu)],
        ['CPU of PostgreSQL, s', ...seconds(scaled(({ postgresCpuMs }) => postgresCpuMs))],
        ['CPU of PostgreSQL per run, ms', ...perRun(({ postgresCpuMs }) => postgresCpuMs)],
        ['database time, s', ...seconds(scaled(({ databaseMs }) => databaseMs))],
        ['duration of all runs, s', ...seconds(scaled(({ wallMs }) => wallMs))],
      ],
    ),
  ];
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
