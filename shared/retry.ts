/** Retries with exponential backoff and jitter, bounded by the deadline of the invocation. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Deadline } from './deadline.ts';
import { type AppError, toAppError } from './errors.ts';

/** Uniform in [0, 1). An argument, so that tests control it. */
export type Random = () => number;
export type Sleep = (ms: number) => Promise<void>;

export const realSleep: Sleep = async (ms) => {
  await delay(ms);
};

export interface RetryPolicy {
  /** Maximum number of calls, including the first. */
  readonly attempts: number;
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * The wait before the next attempt. Jitter between half a step and a whole step would make calls bunch. Jitter from zero
 * would allow an immediate retry, but Gmail asks for at least one second. So the jitter is added to the base.
 *
 * @param attempt 1 after the first failure
 */
export function backoffMs(attempt: number, policy: RetryPolicy, random: Random): number {
  const step = Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1));
  return Math.round(policy.baseMs + random() * (step - policy.baseMs / 2));
}

/** A factor from 0.75 to 1 for long waits, so that attempts that began together spread out. */
export function waitFactor(random: Random): number {
  return 0.75 + random() / 4;
}

/**
 * Runs `call` until it succeeds, fails with an error that a retry cannot fix, or uses up its attempts or its time.
 *
 * @throws {AppError} the last error
 */
export async function withRetries<T>(
  call: () => Promise<T>,
  options: {
    readonly policy: RetryPolicy;
    readonly deadline: Deadline;
    readonly random: Random;
    readonly sleep: Sleep;
    /** Called for each failure that is retried. */
    readonly onRetry?: (error: AppError) => void;
  },
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (thrown) {
      const error = toAppError(thrown);
      if (!isTransient(error) || attempt >= options.policy.attempts) throw error;
      const waitMs = Math.max(backoffMs(attempt, options.policy, options.random), error.retryAfterMs ?? 0);
      if (!options.deadline.hasTimeFor(waitMs)) throw error;
      options.onRetry?.(error);
      await options.sleep(waitMs);
    }
  }
}

/** Codes with `retry: 'later'` that a retry within the same invocation cannot fix. */
const LASTING_CODES: ReadonlySet<string> = new Set([
  'internal',
  'out_of_time',
  'quota_used_up',
  'lease_lost',
  'gmail_daily_limit',
]);

/** True when an immediate retry may succeed. */
function isTransient(error: AppError): boolean {
  const { code, retry } = error;
  return retry === 'later' && !LASTING_CODES.has(code);
}
