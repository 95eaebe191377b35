/**
 * The life of one execution: a first attempt and its retries, all with the same schedule time.
 *
 * Pure bookkeeping over times that the caller passes in; it sends nothing and reads no clock.
 */
import type { RetryConfig } from './job.ts';
import { mayRetry, retryDelayMs } from './retry-delay.ts';

/** At most one of these stands for a job; a forced run beside it is on its own. */
export interface Execution {
  /** When it was due. */
  scheduleTime: Date;
  /** When its first attempt began. */
  startedAt: Date;
  retriesDone: number;
  /** Null while an attempt is in flight. */
  nextAttemptAt: Date | null;
}

/** An execution whose first attempt begins now. */
export function beginExecution(scheduleTime: Date, now: Date): Execution {
  return { scheduleTime, startedAt: now, retriesDone: 0, nextAttemptAt: null };
}

/** The same execution with its next attempt in flight. */
export function beginRetry(execution: Execution): Execution {
  return { ...execution, retriesDone: execution.retriesDone + 1, nextAttemptAt: null };
}

/** What stands after a failed attempt: the execution with its retry planned, or null when it is over. */
export function afterFailure(execution: Execution, retry: RetryConfig, now: Date): Execution | null {
  const elapsedMs = now.getTime() - execution.startedAt.getTime();
  if (!mayRetry(retry, execution.retriesDone, elapsedMs)) return null;
  const delayMs = retryDelayMs(retry, execution.retriesDone);
  return { ...execution, nextAttemptAt: new Date(now.getTime() + delayMs) };
}
