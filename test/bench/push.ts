/**
 * `npm run bench -- push`: the time from a push until another session sees the row, for 200 emails of 40 KB one after
 * another. A Gmail call takes 50 ms, and the function is warm. Also measures the floor, and the round trips of further
 * runs.
 */
import {
  buildFunctions,
  type FunctionProcess,
  type GmailProcess,
  startFunction,
  startGmailProcess,
} from '../helpers/child-processes.ts';
import { median, startBenchDatabase } from './bench-database.ts';
import { mailWithAttachment } from './bench-mail.ts';
import { prepareFloor } from './push-floor.ts';
import { type RoundTrip, recordQueries } from './query-recorder.ts';
import type { Section } from './results.ts';
import { describeRoundTrips } from './round-trips.ts';
import { claimOnWakeUp, listenForEmails, type StoredSignal } from './stored-signal.ts';

const EMAILS = 200;
const WARM_UP = 10;
const RECORDED = 40;
const MAIL_BYTES = 40_000;

/** Maximum ratio to the floor. */
const MAX_RATIO = 1.25;

export async function push(): Promise<Section> {
  const dist = buildFunctions();
  const db = await startBenchDatabase();
  const gmail = await startGmailProcess({ quotaUnitsPerMinute: null, latencyMs: 50 });
  const env = { ...gmail.env, GMAIL_QUOTA_UNITS_PER_MINUTE: '1200000' };
  // A push needs a mailbox that is already in the database.
  const poll = await startFunction('pollNow', { ...env, DATABASE_URL: db.url }, dist);
  await poll.post();
  await poll.kill();
  await db.rows('update email_monitor_status set is_running = true');

  const signal = await listenForEmails(db.url);
  const worker = await claimOnWakeUp(db.url);
  const floor = await prepareFloor(gmail, db.url);
  const direct = await startFunction('gmailPush', { ...env, DATABASE_URL: db.url }, dist);
  const pushes: number[] = [];
  const answers: number[] = [];
  const floors: number[] = [];
  const claims: number[] = [];
  for (let n = 0; n < WARM_UP + EMAILS; n += 1) {
    const pushed = await pushOne(n, { gmail, signal, worker, target: direct });
    const seen = signal.seen(`copy-${n}`);
    const startedMs = performance.now();
    await floor.run(pushed.id, pushed.historyBefore, `copy-${n}`);
    const floorMs = (await seen) - startedMs;
    if (n < WARM_UP) continue;
    pushes.push(pushed.seenMs);
    answers.push(pushed.answeredMs);
    claims.push(pushed.claimedMs);
    floors.push(floorMs);
  }
  await direct.kill();
  const recorder = await recordQueries(db.url);
  const recorded = await startFunction('gmailPush', { ...env, DATABASE_URL: recorder.url }, dist);
  const runs: RoundTrip[][] = [];
  for (let n = 0; n < WARM_UP + RECORDED; n += 1) {
    recorder.take();
    const { startedMs } = await pushOne(1_000 + n, { gmail, signal, worker, target: recorded });
    const trips = recorder.take().map((trip) => ({
      sql: trip.sql,
      startedMs: trip.startedMs - startedMs,
      endedMs: trip.endedMs - startedMs,
    }));
    if (n >= WARM_UP) runs.push(trips);
  }
  await recorded.kill();
  recorder.close();
  await floor.close();
  await signal.close();
  await worker.close();
  await gmail.kill();
  await db.close();
  const ratio = median(pushes) / median(floors);
  const informative = (what: string, values: readonly number[]) => ({
    what,
    goal: null,
    reached: spread(values),
  });
  return {
    name: 'push',
    title: 'From push to committed row',
    how:
      `${EMAILS} emails of ${MAIL_BYTES} bytes, one after another, 50 ms per Gmail call, a warm built function. The floor is two calls ` +
      'and one commit of the same bytes by a minimal client, measured between the pushes.',
    results: [
      {
        what: 'ratio of the medians, push to floor',
        goal: `at most ${MAX_RATIO}`,
        reached: ratio.toFixed(3),
        isMet: ratio <= MAX_RATIO,
      },
      informative('push to committed row', pushes),
      informative('push to claim by a worker that was woken', claims),
      informative(
        'committed row to claim',
        claims.map((claimedMs, n) => claimedMs - (pushes[n] ?? 0)),
      ),
      informative('floor', floors),
      informative('push to response (the run is finished)', answers),
    ],
    more: ['```', ...describeRoundTrips(runs), '```'].join('\n'),
  };
}

interface Pushed {
  readonly id: string;
  readonly historyBefore: string;
  readonly startedMs: number;
  /** Measured from the start of the request. */
  readonly seenMs: number;
  readonly claimedMs: number;
  readonly answeredMs: number;
}

async function pushOne(
  n: number,
  by: {
    readonly gmail: GmailProcess;
    readonly signal: StoredSignal;
    readonly worker: StoredSignal;
    readonly target: FunctionProcess;
  },
): Promise<Pushed> {
  const { historyId: historyBefore } = await by.gmail.control<{ historyId: string }>('stats');
  const raw = mailWithAttachment(n, MAIL_BYTES).toString('base64');
  const { id, historyId } = await by.gmail.control<{ id: string; historyId: string }>('deliver', { raw });
  const seen = by.signal.seen(id);
  const claimed = by.worker.seen(id);
  const startedMs = performance.now();
  const { status } = await by.target.post(pushBody(historyId));
  const answeredMs = performance.now() - startedMs;
  if (status !== 204) throw new Error(`gmail-push responded with ${status}:\n${by.target.logLines.at(-1)}`);
  return {
    id,
    historyBefore,
    startedMs,
    answeredMs,
    seenMs: (await seen) - startedMs,
    claimedMs: (await claimed) - startedMs,
  };
}

/** The body as Pub/Sub sends it. Gmail writes historyId as a number. */
function pushBody(historyId: string): unknown {
  const data = `{"emailAddress":"orders@example.com","historyId":${historyId}}`;
  const publishTime = new Date().toISOString();
  return {
    message: {
      data: Buffer.from(data).toString('base64'),
      messageId: historyId,
      message_id: historyId,
      publishTime,
      publish_time: publishTime,
      attributes: {},
    },
    subscription: 'projects/emulated-project/subscriptions/gmail-push',
  };
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): string => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    return `${value.toFixed(1)} ms`;
  };
  return `median ${at(0.5)}, p95 ${at(0.95)}, worst ${at(1)}`;
}
