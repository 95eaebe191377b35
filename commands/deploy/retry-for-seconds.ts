/** Retries for what may become available within minutes: a new grant, an API that was just enabled, a new instance. */
import { setTimeout as delay } from 'node:timers/promises';

const FIRST_WAIT_MS = 500;

export interface RetryOptions<Answer> {
  /** 0: no retry. */
  readonly seconds: number;
  readonly maxWaitMs: number;
  readonly signal: AbortSignal;
  readonly isTransient: (answer: Answer) => boolean;
  /** Called before each wait. */
  readonly onRetry?: (answer: Answer) => void;
}

/** @returns the first answer that is not transient, or the last one in time. @throws {AbortError} */
export async function retryForSeconds<Answer>(
  ask: () => Promise<Answer>,
  { seconds, maxWaitMs, signal, isTransient, onRetry }: RetryOptions<Answer>,
): Promise<Answer> {
  const giveUpAt = performance.now() + seconds * 1_000;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(maxWaitMs, waitMs * 2)) {
    const answer = await ask();
    if (!isTransient(answer) || performance.now() + waitMs > giveUpAt) return answer;
    onRetry?.(answer);
    await delay(waitMs, undefined, { signal });
  }
}
