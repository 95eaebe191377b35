/**
 * `npm run bench -- mailboxes [throughput|push|idle]`: many mailboxes in one deployment. With an argument it only prints that
 * part.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { buildFunctions } from '../helpers/child-processes.ts';
import { addressOf } from '../helpers/many-gmail.ts';
import { median } from './bench-database.ts';
import { NO_QUOTA } from './bench-system.ts';
import { idleTables, measureIdle } from './mailboxes-idle.ts';
import { INSTANCES, inManySystem, type ManySystem, numbersFrom, RUNS_PER_INSTANCE } from './many-system.ts';
import type { Result, Section } from './results.ts';
import { listenForEmails, type StoredSignal } from './stored-signal.ts';

const LATENCY_MS = 50;
const MAILBOXES = 200;
const EMAILS = 50;
const PUSHES = 25;
const WARM_UP = 5;
const BACKLOG = 20_000;
const BACKLOG_MAIL_BYTES = 10_000;
const QUIET = 1;
const BUSY = 2;
/** Stored emails of the backlog before the first measured push. */
const BACKLOG_STARTED = 100;
/** Live mail of the busy mailbox. Its pushes take the same way as those of the quiet one. */
const BUSY_PUSH_MS = 2_000;
const TICK_MS = 5_000;

export async function mailboxes(): Promise<Section> {
  const [only] = process.argv.slice(3);
  const dist = buildFunctions();
  const wants = (part: string) => only === undefined || only === part;
  const results: Result[] = [];
  const more: string[] = [];
  if (wants('throughput')) results.push(...(await throughputOfAll(dist)));
  if (wants('push')) {
    results.push(...(await pushBesideBacklog(dist, 'with 6,000 units per minute', {})));
    results.push(...(await pushBesideBacklog(dist, 'without a quota', NO_QUOTA)));
  }
  if (wants('idle')) {
    const idle = await measureIdle(dist, LATENCY_MS);
    results.push(...idle.results);
    more.push(...idleTables(idle));
  }
  return {
    name: 'mailboxes',
    title: 'Many mailboxes in one deployment',
    how:
      `${INSTANCES} processes of ingestMailbox with up to ${RUNS_PER_INSTANCE} runs each, one of poll and one of gmailPush, an emulated work ` +
      `topic, ${LATENCY_MS} ms per Gmail call; all on this machine, so that they share its cores. Database time is total_exec_time of ` +
      'pg_stat_statements.',
    results,
    ...(more.length > 0 && { more: more.join('\n\n') }),
  };
}

async function throughputOfAll(dist: string): Promise<Result[]> {
  const total = MAILBOXES * EMAILS;
  const options = { accounts: MAILBOXES + 1, delivered: { '0': 0, all: EMAILS }, latencyMs: LATENCY_MS };
  const { use, result: ticks } = await inManySystem(dist, options, {}, async (system) => {
    await system.tick();
    await system.add(numbersFrom(1, MAILBOXES));
    return await system.measure(async () => {
      let count = 0;
      for (; (await storedCount(system)) < total; count += 1) await system.tick();
      return count;
    });
  });
  return [
    informative(
      `${MAILBOXES} mailboxes with ${EMAILS} emails of 40 KB each: emails per second in all`,
      `${((total * 1_000) / use.wallMs).toFixed(1)} (${(use.wallMs / 1_000).toFixed(1)} s, ${ticks} polls)`,
    ),
    informative('CPU of the functions per email', ms((use.ingestCpuMs + use.otherCpuMs) / total)),
    informative('CPU of PostgreSQL per email', ms(use.postgresCpuMs / total)),
    informative('database time per email', ms(use.databaseMs / total)),
    informative('statements per email, first runs included', (use.statements / total).toFixed(2)),
    informative('units per email, first runs and watches included', (use.units / total).toFixed(1)),
  ];
}

async function pushBesideBacklog(
  dist: string,
  quota: string,
  settings: Record<string, string>,
): Promise<Result[]> {
  const options = {
    accounts: 3,
    delivered: { [BUSY]: BACKLOG },
    mailBytes: BACKLOG_MAIL_BYTES,
    latencyMs: LATENCY_MS,
    ...(settings === NO_QUOTA && { quotaUnitsPerMinute: null }),
  };
  return await inManySystem(dist, options, settings, async (system) => {
    await system.add([QUIET]);
    await system.tick();
    await system.tick();
    const signal = await listenForEmails(system.db.url);
    const alone = await pushesTo(system, signal, 0);
    await system.add([BUSY]);
    const stop = keepBusy(system);
    while ((await storedCount(system)) < BACKLOG_STARTED + WARM_UP + PUSHES) await delay(50);
    const startedAt = performance.now();
    const before = await storedCount(system);
    const loaded = await pushesTo(system, signal, 1_000);
    const rate =
      ((await storedCount(system)) - before - PUSHES - WARM_UP) / ((performance.now() - startedAt) / 1_000);
    await stop();
    await signal.close();
    const left = BACKLOG - (await storedCount(system)) + 2 * (WARM_UP + PUSHES);
    const ratio = median(loaded) / median(alone);
    return [
      informative(`push to row of a quiet mailbox alone, ${quota}`, spread(alone)),
      informative(
        `the same with a backlog of ${BACKLOG.toLocaleString('en-US')} (fetched in this time: ${rate.toFixed(1)} per second; left: ${left})`,
        spread(loaded),
      ),
      {
        what: `ratio of the medians, ${quota}`,
        ...(settings === NO_QUOTA
          ? { goal: null, reached: ratio.toFixed(2) }
          : { goal: 'at most 1.5', reached: ratio.toFixed(2), isMet: ratio <= 1.5 }),
      },
    ];
  });
}

/** @returns milliseconds from each push to the visible row */
async function pushesTo(system: ManySystem, signal: StoredSignal, from: number): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < WARM_UP + PUSHES; n += 1) {
    const { id, historyId } = await deliver(system, QUIET, from + n);
    const seen = signal.seen(id);
    const startedMs = performance.now();
    const { status } = await system.push.post(pushBody(addressOf(QUIET), historyId));
    if (status !== 204) throw new Error(`gmail-push responded with ${status}`);
    const timeout = AbortSignal.timeout(60_000);
    const seenMs = await Promise.race([
      seen,
      new Promise<never>((_, reject) => {
        timeout.addEventListener('abort', () => reject(new Error(`The row of ${id} is missing`)));
      }),
    ]);
    if (n >= WARM_UP) times.push(seenMs - startedMs);
    // A quota of 6,000 units allows 4.5 pushes per second.
    await delay(400);
  }
  return times;
}

/** Polls often, and sends pushes for the busy mailbox, until the returned function is called. */
function keepBusy(system: ManySystem): () => Promise<void> {
  const ended = new AbortController();
  const repeat = async (everyMs: number, work: (n: number) => Promise<unknown>) => {
    for (let n = 0; !ended.signal.aborted; n += 1) {
      await work(n);
      await delay(everyMs, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  };
  const both = Promise.all([
    repeat(TICK_MS, async () => await system.poll.post()),
    repeat(BUSY_PUSH_MS, async (n) => {
      const { historyId } = await deliver(system, BUSY, 1_000_000 + n);
      // Not awaited: a run of a push may last for its whole budget.
      system.push.post(pushBody(addressOf(BUSY), historyId)).catch(() => undefined);
    }),
  ]);
  return async () => {
    ended.abort();
    await both;
  };
}

async function deliver(system: ManySystem, account: number, n: number) {
  const raw = Buffer.from(
    `From: a@example.org\r\nSubject: Order ${n}\r\nMessage-ID: <live-${n}@example.org>\r\n\r\nOne chair.\r\n`,
  ).toString('base64');
  return await system.gmail.control<{ id: string; historyId: string }>(addressOf(account), 'deliver', {
    raw,
  });
}

function pushBody(emailAddress: string, historyId: string): unknown {
  const data = Buffer.from(`{"emailAddress":"${emailAddress}","historyId":${historyId}}`).toString('base64');
  const publishTime = new Date().toISOString();
  return {
    message: { data, messageId: historyId, publishTime, attributes: {} },
    subscription: 'projects/emulated-project/subscriptions/gmail-push',
  };
}

async function storedCount({ db }: ManySystem): Promise<number> {
  const [row] = await db.rows(
    'select emails_processed_total::int as stored /* bench */ from email_monitor_status',
  );
  return row.stored;
}

function spread(values: readonly number[]): string {
  return `median ${median(values).toFixed(0)} ms, worst ${Math.max(...values).toFixed(0)} ms (${values.length} pushes)`;
}

function informative(what: string, reached: string): Result {
  return { what, goal: null, reached };
}

function ms(value: number): string {
  return `${value.toFixed(2)} ms`;
}
