import { expect, it } from 'vitest';
import { retryDelayMs } from '../../../emulators/scheduler/execution.ts';

it("delays retries as in Google's documented example", () => {
  const config = {
    retryCount: 5,
    maxRetryDuration: '0s',
    minBackoffDuration: '10s',
    maxBackoffDuration: '300s',
    maxDoublings: 3,
  };
  const delays = Array.from({ length: 8 }, (_, retry) => retryDelayMs(config, retry) / 1000);
  expect(delays).toEqual([10, 20, 40, 80, 160, 240, 300, 300]);
});
