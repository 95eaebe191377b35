/**
 * The one door: poll, push and poll-now all come through here. Takes the lease, discovers, fetches, looks again
 * while something newer stands announced, gives the lease back, and writes down what happened.
 */
import { randomUUID } from 'node:crypto';
import type { Leased } from '../db/lease.ts';
import { findMonitored, type Mailbox } from '../db/mailboxes.ts';
import { noteRefusal, returnQuota, takeQuota } from '../db/quota.ts';
import type { RunCounts, Trigger } from '../db/runs.ts';
import { Deadline } from '../deadline.ts';
import { type AppError, toAppError } from '../errors.ts';
import type { CallContext, GmailClient } from '../gmail/gmail-client.ts';
import { UNITS } from '../gmail/prices.ts';
import { closeRun, recordUnidentified } from './close-run.ts';
import { FailureStreak } from './failure-streak.ts';
import { identifyMailbox } from './identify.ts';
import { keepLease } from './lease-keeper.ts';
import { openRun } from './open-run.ts';
import { PROOF_EVERY_SECONDS, planWholeProof } from './prove.ts';
import { Purse } from './purse.ts';
import { workToEnd } from './rounds.ts';
import { noCounts, type Outcome, type Run, type System } from './run.ts';
import { RENEWAL_MARGIN_SECONDS } from './watch.ts';

/** Time kept back from the work for closing the run: writing it down and giving the lease back. */
const RESERVE_MS = 3_000;

/** A push brings a mail, as a rule: one listing and one message are taken from the budget in one go. */
const PUSH_UNITS = UNITS['users.history.list'] + UNITS['users.messages.get'];

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
  const { isRunning, mailbox: known } = await findMonitored(system.db, credentialFingerprint);
  if (!isManual && !isRunning) return skipped(system, request, 'stopped');

  const deadline = Deadline.after(Math.max(0, request.deadline.remainingMs() - RESERVE_MS), system.clock);
  let mailbox: Mailbox;
  try {
    // One unit, once for each new credentials: the budget has no row to stand on yet, and is told afterwards.
    const call: CallContext = { deadline, pay: async () => undefined };
    mailbox = known ?? (await identifyMailbox(system, gmail, credentialFingerprint, call));
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
    noteRefusal: async () => await learnFromRefusal(system, fence.mailboxId),
    // What cannot be given back is counted as spent for a minute: no harm.
    giveBack: async (unspent) => await returnQuota(db, fence.mailboxId, unspent).catch(() => undefined),
  });
  try {
    const run: Run = {
      system,
      db,
      gmail: at.gmail,
      config: system.config,
      log: system.log.with({ run_id: opened.runId, mailbox_id: fence.mailboxId, trigger: request.trigger }),
      trigger: request.trigger,
      ignoresWaits: request.ignoresWaits ?? request.trigger === 'manual',
      fence,
      lookFor: {
        proofEverySeconds: PROOF_EVERY_SECONDS,
        watchTopic: system.config.pubsubTopic,
        watchMarginSeconds: RENEWAL_MARGIN_SECONDS,
      },
      startedAt: opened.takenAt,
      mailboxCreatedAt: opened.mailboxCreatedAt,
      deadline: at.deadline,
      call: {
        deadline: at.deadline,
        pay: async (units) => await purse.pay(units),
        onRefused: (isForUnits) => {
          counts.refused += 1;
          if (isForUnits) purse.refused();
        },
      },
      counts,
      streak: new FailureStreak(),
    };
    for (let scan: Leased['scan'] | null = opened.scan; ; scan = null) {
      const end = await workToEnd(run, scan);
      counts.quotaUnits = purse.spentUnits;
      await purse.empty();
      const durationMs = system.clock() - startedMs;
      const closing = { ...end, trigger: request.trigger, runId: opened.runId, fence, counts, durationMs };
      if ((await closeRun(system, closing)) === 'closed')
        return { outcome: end.outcome, error: end.error, counts };
    }
  } finally {
    stopKeeping();
  }
}

async function learnFromRefusal({ db, config, log }: System, mailboxId: number): Promise<boolean> {
  const isNarrow = await noteRefusal(db, mailboxId, config.quotaUnitsPerMinute);
  if (isNarrow) {
    log.info('quota_narrowed', 'Gmail has refused units that refill: its minutes count whole for a week', {
      mailbox_id: mailboxId,
    });
  }
  return isNarrow;
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
