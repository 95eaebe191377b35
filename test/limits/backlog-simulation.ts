/**
 * Simulates in virtual time how ingest fetches a backlog within a quota: it reserves units for the free slots and fetches
 * rate-limited messages again.
 */
import { randomUUID } from 'node:crypto';
import { type BudgetKind, EmulatedQuota } from '../../emulators/gmail/emulated-quota.ts';
import { GoogleError } from '../../emulators/gmail/google-error.ts';
import { Deadline } from '../../shared/deadline.ts';
import { AimdLimit } from '../../shared/limits/aimd-limit.ts';
import { QuotaBudget } from '../../shared/limits/quota-budget.ts';
import type { VirtualTime } from './virtual-time.ts';

const UNITS_PER_MINUTE = 6_000;
const UNITS_PER_MESSAGE = 20;
/** Answer time of a rate-limited call: Gmail limits it before it reads the message. */
const LIMITED_MS = 50;

export interface BacklogOptions {
  readonly kind: BudgetKind;
  readonly messageCount: number;
  readonly instanceCount?: number;
  /** From the reservation until Gmail counts the call. */
  readonly sendMs?: number;
  /** From there until the answer. */
  readonly answerMs?: number;
  /** Replaces `sendMs` for the calls of the first reservation, in which the run connects and fetches a token. */
  readonly connectMs?: number;
}

export interface BacklogResult {
  readonly elapsedSeconds: number;
  readonly limitedCount: number;
}

/** Simulates fetching a backlog with a full quota from the start of a minute. */
export async function simulateBacklog(time: VirtualTime, options: BacklogOptions): Promise<BacklogResult> {
  const { kind, messageCount, instanceCount = 1, sendMs = 10, answerMs = 50 } = options;
  const { connectMs = sendMs } = options;
  const { db, clock, sleep } = time;
  const { rows } = await db.query<{ id: number }>(
    'insert into mailboxes (email_address, cursor_history_id) values ($1, 1) returning id',
    [`${randomUUID()}@example.com`],
  );
  const mailboxId = rows[0]?.id ?? 0;
  await time.run(sleep(60_000 - (clock() % 60_000)));
  const gmail = new EmulatedQuota({ clock, unitsPerMinute: UNITS_PER_MINUTE, maxConcurrent: null, kind });
  const startedMs = clock();
  let waitingCount = messageCount;
  let storedCount = 0;

  const instance = async () => {
    const deadline = Deadline.after(600_000, clock);
    const budget = new QuotaBudget({ db, mailboxId, unitsPerMinute: UNITS_PER_MINUTE, deadline, sleep });
    const limit = new AimdLimit();
    const inFlight = new Set<Promise<void>>();
    let isConnected = false;
    const fetchMessage = async () => {
      const { epoch } = limit;
      await sleep(isConnected ? sendMs : connectMs);
      try {
        const end = gmail.admit('messages.get');
        await sleep(answerMs);
        end();
        storedCount += 1;
        limit.onSuccess();
        await budget.onSuccess();
      } catch (error) {
        if (!(error instanceof GoogleError)) throw error;
        await sleep(LIMITED_MS);
        waitingCount += 1;
        limit.onRateLimited(epoch);
        await budget.onRateLimited();
      }
    };
    while (storedCount < messageCount) {
      const wanted = Math.min(limit.current - inFlight.size, waitingCount);
      if (wanted <= 0) {
        await Promise.race([...inFlight, sleep(1_000)]);
        continue;
      }
      const units = await budget.reserve(UNITS_PER_MESSAGE, wanted * UNITS_PER_MESSAGE);
      const count = Math.min(units / UNITS_PER_MESSAGE, waitingCount);
      await budget.release(units - count * UNITS_PER_MESSAGE);
      waitingCount -= count;
      for (let call = 0; call < count; call += 1) {
        const fetching: Promise<void> = fetchMessage().finally(() => inFlight.delete(fetching));
        inFlight.add(fetching);
      }
      isConnected = true;
    }
  };
  await time.run(Promise.all(Array.from({ length: instanceCount }, instance)));
  return { elapsedSeconds: (clock() - startedMs) / 1_000, limitedCount: gmail.refusedForUnits };
}

/** Share of the available units, a full bucket and its refill, that was spent on messages. */
export function shareOfQuota(messageCount: number, { elapsedSeconds }: BacklogResult): number {
  return (messageCount * UNITS_PER_MESSAGE) / (UNITS_PER_MINUTE * (1 + elapsedSeconds / 60));
}
