/**
 * Waiting between attempts: exponential backoff with full jitter, bounded by the deadline of the invocation.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Deadline } from './deadline.ts';
import { type AppError, toAppError } from './errors.ts';

/** Uniform in [0, 1); an argument, so that tests own chance. */
export type Random = () => number;
export type Sleep = (ms: number) => Promise<void>;

export const realSleep: Sleep = async (ms) => {
  await delay(ms);
};

export interface RetryPolicy {
  /** Calls in all, the first one counted. */
  readonly attempts: number;
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * Full jitter between half of the step and the whole of it would bunch; between zero and the step would call
 * again at once. Gmail asks for a second or more, so the step is added to the base.
 *
 * @param attempt 1 after the first failure
 */
export function backoffMs(attempt: number, policy: RetryPolicy, random: Random): number {
  const step = Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1));
  return Math.round(policy.baseMs + random() * (step - policy.baseMs / 2));
}

/** A factor from 0.75 to 1 for long waits, so that attempts which began together spread. */
export function waitFactor(random: Random): number {
  return 0.75 + random() / 4;
}

/**
 * Runs `call` until it succeeds, fails for good, or the attempts or the time are used up.
 *
 * @throws {AppError} the last failure
 */
export async function withRetries<T>(
  call: () => Promise<T>,
  options: {
    readonly policy: RetryPolicy;
    readonly deadline: Deadline;
    readonly random: Random;
    readonly sleep: Sleep;
    /** Told of every failure that is going to be tried again. */
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

/** Codes of `later` that another attempt of the same invocation cannot change: the time, the lease and the day are gone. */
const LASTING_CODES: ReadonlySet<string> = new Set([
  'internal',
  'out_of_time',
  'lease_lost',
  'gmail_daily_limit',
]);

/** What may be over in a moment. */
function isTransient(error: AppError): boolean {
  const { code, retry } = error;
  return retry === 'later' && !LASTING_CODES.has(code);
}
