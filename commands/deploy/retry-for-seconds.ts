/** Retries for what may become available within minutes: a new grant, an API that was just enabled, a new instance. */
import { setTimeout as delay } from 'node:timers/promises';

const FIRST_WAIT_MS = 500;

/** An argument, so that tests do not wait. */
export interface Time {
  /** Milliseconds since an arbitrary start. */
  nowMs(): number;
  /** @throws {AbortError} */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export const REAL_TIME: Time = {
  nowMs: () => performance.now(),
  wait: async (ms, signal) => await delay(ms, undefined, { signal }),
};

export interface RetryOptions<Answer> {
  /** 0: no retry. */
  readonly seconds: number;
  readonly maxWaitMs: number;
  readonly signal: AbortSignal;
  readonly isTransient: (answer: Answer) => boolean;
  /** Called before each wait. */
  readonly onRetry?: (answer: Answer) => void;
  readonly time?: Time;
}

/** @returns the first answer that is not transient, or the last one in time. @throws {AbortError} */
export async function retryForSeconds<Answer>(
  ask: () => Promise<Answer>,
  { seconds, maxWaitMs, signal, isTransient, onRetry, time = REAL_TIME }: RetryOptions<Answer>,
): Promise<Answer> {
  const giveUpAt = time.nowMs() + seconds * 1_000;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(maxWaitMs, waitMs * 2)) {
    const answer = await ask();
    if (!isTransient(answer) || time.nowMs() + waitMs > giveUpAt) return answer;
    onRetry?.(answer);
    await time.wait(waitMs, signal);
  }
}
