/** The context of one run: its lease, deadline, budget, counts, and what it has learned from Gmail. */
import type { HistoryStart, Lease, TakenLease } from '../db/lease.ts';
import { noCounts, type RunCounts, type Trigger } from '../db/runs.ts';
import type { Deadline } from '../deadline.ts';
import type { CallContext, GmailClient } from '../gmail/gmail-client.ts';
import { isConcurrencyLimit } from '../gmail/gmail-error.ts';
import { createPublisher, type EmailPublisher } from '../handoff/email-publisher.ts';
import { WorkerWakeUp } from '../handoff/worker-wake-up.ts';
import type { QuotaBudget } from '../limits/quota-budget.ts';
import { Semaphore } from '../limits/semaphore.ts';
import { createBudget } from './call-outside-run.ts';
import type { IngestContext } from './ingest-context.ts';
import type { LabelState } from './label-rules.ts';
import { OutageDetector } from './outage-detector.ts';

/** What the instance keeps for the mailbox, with the log of the run, and what belongs to the run. */
export interface RunContext extends IngestContext {
  readonly gmail: GmailClient;
  readonly trigger: Trigger;
  readonly runId: number;
  readonly lease: Lease;
  /** When the lease was taken, by the database's clock. */
  readonly startedAt: Date;
  /** Before the lease was taken, by the instance's monotonic clock. */
  readonly beganMs: number;
  /** When the mailbox was first seen, by the database's clock. */
  readonly mailboxCreatedAt: Date;
  /** End of the work. The reserve for recording the run follows it. */
  readonly deadline: Deadline;
  readonly budget: QuotaBudget;
  /** Messages that wait for their next attempt are tried too, because an operator asked for a run. */
  readonly includesWaiting: boolean;
  readonly outage: OutageDetector;
  /** One large message of this run at a time waits for those of other mailboxes. */
  readonly largeBodies: Semaphore;
  readonly wakeUp: WorkerWakeUp;
  /** The label that messages must carry; a reconciliation may resolve it to another one. */
  label: LabelState;
  /** Where the first read of the history begins; null afterwards, because the cursor has moved. */
  historyStart: HistoryStart | null;
  /** Gmail has answered `history.list`. */
  hasHistoryAnswer: boolean;
  /** For calls that reserve their own units: all except the first attempt of `messages.get`. */
  readonly call: CallContext;
  readonly counts: RunCounts;
  /** Null without a topic for stored emails. */
  readonly publisher: EmailPublisher | null;
}

export interface RunRequest {
  readonly trigger: Trigger;
  /** Messages that wait for their next attempt are tried too. Default: true for manual runs. */
  readonly includesWaiting?: boolean;
}

/** @param at the lease, and what was read before it was taken; `deadline` is the end of the work */
export function createRun(
  instance: IngestContext,
  request: RunRequest,
  at: {
    readonly gmail: GmailClient;
    readonly hasUnpublished: boolean;
    readonly beganMs: number;
    readonly deadline: Deadline;
    readonly lease: Lease;
    readonly taken: TakenLease;
  },
): RunContext {
  const counts = noCounts();
  const budget = createBudget(instance, at.lease.mailboxId, at.deadline);
  const log = instance.log.with({
    run_id: at.taken.runId,
    mailbox_id: at.lease.mailboxId,
    trigger: request.trigger,
  });
  return {
    ...instance,
    gmail: at.gmail,
    log,
    trigger: request.trigger,
    runId: at.taken.runId,
    lease: at.lease,
    startedAt: at.taken.takenAt,
    beganMs: at.beganMs,
    mailboxCreatedAt: at.taken.mailboxCreatedAt,
    deadline: at.deadline,
    budget,
    includesWaiting: request.includesWaiting ?? request.trigger === 'manual',
    outage: new OutageDetector(),
    largeBodies: new Semaphore(1, instance.largeBodies),
    wakeUp: new WorkerWakeUp(instance.db, instance.clock),
    label: { kind: 'none' },
    historyStart: at.taken.start,
    hasHistoryAnswer: false,
    call: {
      deadline: at.deadline,
      acquireUnits: async (units) => await budget.acquire(units),
      onRateLimited: (error) => {
        counts.rateLimited += 1;
        // A concurrency limit with a single call in flight is a rate limit.
        if (!isConcurrencyLimit(error) || instance.inFlight.current === 1)
          void budget.onRateLimited(error.retryAfterMs ?? 0);
      },
      onSuccess: (units) => void budget.onSuccess(units),
    },
    counts,
    publisher: createPublisher({ ...instance, log }, at),
  };
}
