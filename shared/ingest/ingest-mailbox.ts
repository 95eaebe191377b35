/**
 * The one door: poll, push and poll-now all come through here. Takes the lease, discovers, fetches, looks again
 * while something newer stands announced, gives the lease back, and writes down what happened.
 */
import { randomUUID } from 'node:crypto';
import { dropStaleHint, mustLookAgain, type Seen } from '../db/lease.ts';
import type { Mailbox } from '../db/mailboxes.ts';
import { readMonitorStatus } from '../db/monitor-status.ts';
import { lookAhead } from '../db/outlook.ts';
import { returnQuota, takeQuota } from '../db/quota.ts';
import type { RunCounts, Trigger } from '../db/runs.ts';
import { Deadline } from '../deadline.ts';
import { type AppError, toAppError } from '../errors.ts';
import type { CallContext, GmailClient } from '../gmail/gmail-client.ts';
import { UNITS } from '../gmail/prices.ts';
import { closeRun, recordUnidentified } from './close-run.ts';
import { discover } from './discover.ts';
import { FailureStreak } from './failure-streak.ts';
import { fetchDue, settleAccounts } from './fetch.ts';
import { identifyMailbox } from './identify.ts';
import { keepLease } from './lease-keeper.ts';
import { openRun } from './open-run.ts';
import { judge, planDueProof, planWholeProof } from './prove.ts';
import { Purse } from './purse.ts';
import { noCounts, type Outcome, type Run, type System } from './run.ts';
import { tendWatch } from './watch.ts';

/** Time kept back from the work for closing the run: writing it down and giving the lease back. */
const RESERVE_MS = 3_000;
/** A backlog is interrupted so often to let live mail go ahead of it. */
const LOOK_AGAIN_MS = 10_000;
/** After so many looks the lease is given back whatever stands announced: the poll is the net below. */
const MAX_IDLE_ROUNDS = 5;
/** A push brings a mail, as a rule: one listing and one message are taken from the budget in one go. */
const PUSH_UNITS = UNITS['users.history.list'] + UNITS['users.messages.get'];
/** Between looks for what a push announced and the history does not show yet: 0.4, 0.8, 1.6, 3.2 s. */
const ROUND_WAIT_MS = 400;

interface WorkEnd {
  readonly outcome: 'completed' | 'out_of_time' | 'failed';
  readonly error: AppError | null;
  /** The lease goes back only if no push has announced anything beyond; null: in any case. */
  readonly seen: Seen | null;
}

export interface IngestRequest {
  readonly trigger: Trigger;
  /** When the invocation itself ends. */
  readonly deadline: Deadline;
  /** What waits for its next attempt is tried too. Unless given: when a person asks for one cycle. */
  readonly ignoresWaits?: boolean;
  /** Compare everything since the first start, not only the window of the last days. */
  readonly prove?: 'all';
}

export interface IngestReport {
  readonly outcome: Outcome;
  readonly counts: Readonly<RunCounts>;
  /** With outcome `failed`: why. What was stored before it stays stored. */
  readonly error: AppError | null;
}

/** Safe to call at any time, from any number of instances. @throws {AppError} when the database is away */
export async function ingestMailbox(system: System, request: IngestRequest): Promise<IngestReport> {
  const { gmail, credentialFingerprint } = system;
  if (gmail === null || credentialFingerprint === null) return skipped(system, request, 'not_configured');
  const isManual = request.trigger === 'manual';
  if (!isManual && !(await readMonitorStatus(system.db)).isRunning)
    return skipped(system, request, 'stopped');

  const deadline = Deadline.after(Math.max(0, request.deadline.remainingMs() - RESERVE_MS), system.clock);
  let mailbox: Mailbox;
  try {
    // One unit, once for each new credentials: the budget has no row to stand on yet, and is told afterwards.
    const call: CallContext = { deadline, pay: async () => undefined };
    mailbox = await identifyMailbox(system, gmail, credentialFingerprint, call);
  } catch (thrown) {
    const error = toAppError(thrown);
    await recordUnidentified(system, request.trigger, error);
    return { outcome: 'failed', counts: noCounts(), error };
  }
  if (!isManual && !mailbox.isDue && (request.trigger === 'schedule' || mailbox.failureCount > 0)) {
    return skipped(system, request, 'not_due');
  }
  // Planned before the lease is asked for: whoever holds it works it off.
  if (request.prove === 'all') await planWholeProof(system.db, mailbox.id);
  return await ingestUnderLease(system, request, { gmail, mailbox, deadline });
}

async function ingestUnderLease(
  system: System,
  request: IngestRequest,
  at: { readonly gmail: GmailClient; readonly mailbox: Mailbox; readonly deadline: Deadline },
): Promise<IngestReport> {
  const { db } = system;
  const startedMs = system.clock();
  const fence = { mailboxId: at.mailbox.id, token: randomUUID() };
  const opened = await openRun(system, fence, request.trigger);
  if (opened === null) return skipped(system, request, 'busy');

  const counts = noCounts();
  const stopKeeping = keepLease(db, fence);
  const purse = new Purse({
    deadline: at.deadline,
    sleep: system.sleep,
    clock: system.clock,
    firstHandful: request.trigger === 'push' ? PUSH_UNITS : 0,
    take: async (least, most) =>
      await takeQuota(db, fence.mailboxId, {
        least,
        most,
        unitsPerMinute: system.config.quotaUnitsPerMinute,
      }),
    // What cannot be given back is counted as spent for a minute: no harm.
    giveBack: async (unspent) => await returnQuota(db, fence.mailboxId, unspent).catch(() => undefined),
  });
  try {
    const { runId, leased } = opened;
    const run: Run = {
      system,
      db,
      gmail: at.gmail,
      config: system.config,
      log: system.log.with({ run_id: runId, mailbox_id: fence.mailboxId, trigger: request.trigger }),
      trigger: request.trigger,
      ignoresWaits: request.ignoresWaits ?? request.trigger === 'manual',
      fence,
      startedAt: leased.takenAt,
      mailboxCreatedAt: leased.mailboxCreatedAt,
      deadline: at.deadline,
      call: {
        deadline: at.deadline,
        pay: async (units) => await purse.pay(units),
        onRefused: () => {
          counts.refused += 1;
        },
      },
      counts,
      streak: new FailureStreak(),
    };
    for (;;) {
      const end = await workToEnd(run);
      counts.quotaUnits = purse.spentUnits;
      await purse.empty();
      const durationMs = system.clock() - startedMs;
      const closing = { ...end, trigger: request.trigger, runId, fence, counts, durationMs };
      if ((await closeRun(system, closing)) === 'closed')
        return { outcome: end.outcome, error: end.error, counts };
    }
  } finally {
    stopKeeping();
  }
}

async function workToEnd(run: Run): Promise<WorkEnd> {
  const done = { hasFetched: false };
  try {
    try {
      return { ...(await work(run, done)), error: null };
    } finally {
      // At the very end: an outage shows over several rounds. With the lease or the database lost it changes nothing,
      // and the next run does it.
      if (done.hasFetched) await settleAccounts(run).catch(() => undefined);
    }
  } catch (thrown) {
    const error = toAppError(thrown);
    return error.code === 'out_of_time'
      ? { outcome: 'out_of_time', error: null, seen: null }
      : { outcome: 'failed', error, seen: null };
  }
}

/** Rounds of discovery and fetching until nothing is due and nothing newer stands announced. */
async function work(
  run: Run,
  done: { hasFetched: boolean },
): Promise<Pick<WorkEnd, 'seen'> & { outcome: 'completed' | 'out_of_time' }> {
  let outlook = await lookAhead(run.db, run.fence.mailboxId);
  if (outlook.hasPending) await settleAccounts(run);
  if (run.trigger !== 'push' && outlook.hasVerdict) await judge(run);
  await planDueProof(run);
  let isWatchTended = false;
  let idleRounds = 0;
  for (;;) {
    const found = run.counts.discovered;
    const { seen, hasMore, failure, hasListed } = await discover(run);
    outlook = await lookAhead(run.db, run.fence.mailboxId);
    // With nothing more to discover at present, what is known is fetched without a break.
    const lookAgainMs = failure === null ? LOOK_AGAIN_MS : Number.POSITIVE_INFINITY;
    done.hasFetched ||= outlook.hasPending;
    const fetched = outlook.hasPending ? await fetchDue(run, lookAgainMs) : 'idle';
    if (failure !== null) throw failure;
    if (!isWatchTended) await tend(run);
    isWatchTended = true;
    if (fetched === 'out_of_time' || seen === null) return { outcome: 'out_of_time', seen: null };
    if (fetched === 'look_again' || hasMore) continue;
    // What was not due at the begin is due now only where a listing stood in its way.
    if (hasListed && (await planDueProof(run))) continue;
    // A push is for its mail; the next poll judges.
    if (run.trigger !== 'push' && (outlook.hasVerdict || hasListed)) await judge(run);

    idleRounds = run.counts.discovered === found ? idleRounds + 1 : 0;
    if (idleRounds >= MAX_IDLE_ROUNDS) {
      await dropStaleHint(run.db, run.fence, seen);
      return { outcome: 'completed', seen: null };
    }
    if (!(await mustLookAgain(run.db, run.fence, seen))) return { outcome: 'completed', seen };
    const waitMs = ROUND_WAIT_MS * 2 ** (idleRounds - 1);
    if (idleRounds > 0 && run.deadline.hasTimeFor(waitMs)) await run.system.sleep(waitMs);
  }
}

/** Mail first, push after it. By the scheduled run alone: it runs only while the monitor is on. */
async function tend(run: Run): Promise<void> {
  if (run.trigger !== 'schedule') return;
  const { gmail, deadline } = run;
  await tendWatch(run.system, { gmail, mailboxId: run.fence.mailboxId, deadline });
}

function skipped(system: System, request: IngestRequest, outcome: Outcome): IngestReport {
  // Two at once are everyday: the other one works.
  const severity = outcome === 'busy' ? 'DEBUG' : 'INFO';
  system.log.write(severity, 'run_skipped', `Nothing done: ${outcome.replaceAll('_', ' ')}`, {
    outcome,
    trigger: request.trigger,
  });
  return { outcome, counts: noCounts(), error: null };
}
