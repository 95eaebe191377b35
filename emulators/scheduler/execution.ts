/**
 * The state of one execution: a first attempt and its retries, all with the same schedule time.
 *
 * Pure functions: the caller passes in the time and sends the attempts.
 */
import { durationToMs } from './duration.ts';
import type { RetryConfig } from './job.ts';

/** A job has at most one execution at a time. Forced runs are not executions. */
export interface Execution {
  /** When it was due. */
  scheduleTime: Date;
  /** When its first attempt started. */
  startedAt: Date;
  retriesDone: number;
  /** Null while an attempt is in flight. */
  nextAttemptAt: Date | null;
}

/** An execution whose first attempt starts now. */
export function beginExecution(scheduleTime: Date, now: Date): Execution {
  return { scheduleTime, startedAt: now, retriesDone: 0, nextAttemptAt: null };
}

/** The same execution with its next attempt in flight. */
export function beginRetry(execution: Execution): Execution {
  return { ...execution, retriesDone: execution.retriesDone + 1, nextAttemptAt: null };
}

/** The execution with its next retry scheduled after a failed attempt; null if there is no further retry. */
export function afterFailure(execution: Execution, retry: RetryConfig, now: Date): Execution | null {
  const elapsedMs = now.getTime() - execution.startedAt.getTime();
  if (!mayRetry(retry, execution.retriesDone, elapsedMs)) return null;
  const delayMs = retryDelayMs(retry, execution.retriesDone);
  return { ...execution, nextAttemptAt: new Date(now.getTime() + delayMs) };
}

/** Google gives up only when both limits are reached; without a retryCount it never retries. */
function mayRetry(config: RetryConfig, retriesDone: number, elapsedMs: number): boolean {
  if (config.retryCount === 0) return false;
  return retriesDone < config.retryCount || elapsedMs < durationToMs(config.maxRetryDuration);
}

/**
 * The delay before retry number `retry` (0 is the first). It doubles maxDoublings times, then grows linearly up to
 * maxBackoffDuration. With 10s, 300s and 3 doublings: 10, 20, 40, 80, 160, 240, 300, 300 seconds.
 */
export function retryDelayMs(config: RetryConfig, retry: number): number {
  const doublings = Math.min(retry, config.maxDoublings);
  const steps = 1 + Math.max(0, retry - config.maxDoublings);
  const delayMs = durationToMs(config.minBackoffDuration) * 2 ** doublings * steps;
  return Math.min(delayMs, durationToMs(config.maxBackoffDuration));
}
