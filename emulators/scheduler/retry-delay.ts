/** Whether and when a failed execution is tried again, after a job's retryConfig. */
import { durationToMs } from './duration.ts';
import type { RetryConfig } from './job.ts';

/**
 * Wait before retry number `retry` (0 is the first): doubles maxDoublings times, then grows linearly, up
 * to maxBackoffDuration. With 10s, 300s and 3 doublings: 10, 20, 40, 80, 160, 240, 300, 300 seconds.
 */
export function retryDelayMs(config: RetryConfig, retry: number): number {
  const doublings = Math.min(retry, config.maxDoublings);
  const steps = 1 + Math.max(0, retry - config.maxDoublings);
  const delayMs = durationToMs(config.minBackoffDuration) * 2 ** doublings * steps;
  return Math.min(delayMs, durationToMs(config.maxBackoffDuration));
}

/** Both limits must be reached before Google gives up; without a retryCount it never retries. */
export function mayRetry(config: RetryConfig, retriesDone: number, elapsedMs: number): boolean {
  if (config.retryCount === 0) return false;
  return retriesDone < config.retryCount || elapsedMs < durationToMs(config.maxRetryDuration);
}
