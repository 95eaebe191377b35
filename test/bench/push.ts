/**
 * `npm run bench -- push`: from the push to the row that another session sees; 200 emails of 40 KB one after another,
 * 50 ms a Gmail call, a warm function. Beside it the floor, and then the round trips of a run on some more emails.
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
import type { Section } from './measured.ts';
import { prepareFloor } from './push-floor.ts';
import { describeRoundTrips } from './round-trips.ts';
import { listenForEmails, type StoredSignal } from './stored-signal.ts';
import { type RoundTrip, tapWire } from './wire-tap.ts';

const EMAILS = 200;
const WARM_UP = 10;
const TAPPED = 40;
const MAIL_BYTES = 40_000;

/** Of the floor. */
const MOST = 1.25;

export async function push(): Promise<Section> {
  const dist = buildFunctions();
  const db = await startBenchDatabase();
  const gmail = await startGmailProcess({ quotaUnitsPerMinute: null, latencyMs: 50 });
  const env = { ...gmail.env, GMAIL_QUOTA_UNITS_PER_MINUTE: '1200000' };
  // The mailbox has to be known before a push can name it.
  const poll = await startFunction('pollNow', { ...env, DATABASE_URL: db.url }, dist);
  await poll.post();
  await poll.kill();
  await db.rows('update email_monitor_status set is_running = true');

  const signal = await listenForEmails(db.url);
  const floor = await prepareFloor(gmail, db.url);
  const direct = await startFunction('gmailPush', { ...env, DATABASE_URL: db.url }, dist);
  const pushes: number[] = [];
  const answers: number[] = [];
  const floors: number[] = [];
  for (let n = 0; n < WARM_UP + EMAILS; n += 1) {
    const pushed = await pushOne(n, { gmail, signal, target: direct });
    const seen = signal.seen(`copy-${n}`);
    const startedMs = performance.now();
    await floor.run(pushed.id, pushed.historyBefore, `copy-${n}`);
    const floorMs = (await seen) - startedMs;
    if (n < WARM_UP) continue;
    pushes.push(pushed.seenMs);
    answers.push(pushed.answeredMs);
    floors.push(floorMs);
  }
  await direct.kill();
  const tap = await tapWire(db.url);
  const tapped = await startFunction('gmailPush', { ...env, DATABASE_URL: tap.url }, dist);
  const runs: RoundTrip[][] = [];
  for (let n = 0; n < WARM_UP + TAPPED; n += 1) {
    tap.take();
    const { startedMs } = await pushOne(1_000 + n, { gmail, signal, target: tapped });
    const trips = tap.take().map((trip) => ({
      sql: trip.sql,
      startedMs: trip.startedMs - startedMs,
      endedMs: trip.endedMs - startedMs,
    }));
    if (n >= WARM_UP) runs.push(trips);
  }
  await tapped.kill();
  tap.close();
  await floor.close();
  await signal.close();
  await gmail.kill();
  await db.close();
  const ratio = median(pushes) / median(floors);
  const told = (what: string, values: readonly number[]) => ({ what, goal: null, reached: spread(values) });
  return {
    name: 'push',
    title: 'From the push to the committed row',
    how:
      `${EMAILS} emails of ${MAIL_BYTES} bytes, one after another, 50 ms a Gmail call, a warm built function. The floor is two calls ` +
      'and one commit of the same bytes by a client that does nothing else, measured between the pushes.',
    findings: [
      {
        what: 'median, times the floor',
        goal: `at most ${MOST}`,
        reached: ratio.toFixed(3),
        isMet: ratio <= MOST,
      },
      told('push to committed row', pushes),
      told('floor', floors),
      told('push to answer: the run is closed', answers),
    ],
    more: ['```', ...describeRoundTrips(runs), '```'].join('\n'),
  };
}

interface Pushed {
  readonly id: string;
  readonly historyBefore: string;
  readonly startedMs: number;
  /** From the start of the request. */
  readonly seenMs: number;
  readonly answeredMs: number;
}

async function pushOne(
  n: number,
  by: { readonly gmail: GmailProcess; readonly signal: StoredSignal; readonly target: FunctionProcess },
): Promise<Pushed> {
  const { historyId: historyBefore } = await by.gmail.control<{ historyId: string }>('stats');
  const raw = mailWithAttachment(n, MAIL_BYTES).toString('base64');
  const { id, historyId } = await by.gmail.control<{ id: string; historyId: string }>('deliver', { raw });
  const seen = by.signal.seen(id);
  const startedMs = performance.now();
  const { status } = await by.target.post(pushBody(historyId));
  const answeredMs = performance.now() - startedMs;
  if (status !== 204) throw new Error(`The push was answered ${status}:\n${by.target.logLines.at(-1)}`);
  return { id, historyBefore, startedMs, answeredMs, seenMs: (await seen) - startedMs };
}

/** As Pub/Sub sends it; Gmail writes the historyId as a number. */
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
