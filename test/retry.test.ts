import { describe, expect, it } from 'vitest';
import { Deadline } from '../shared/deadline.ts';
import { AppError, type ErrorCode } from '../shared/errors.ts';
import { backoffMs, type RetryPolicy, withRetries } from '../shared/retry.ts';

const POLICY: RetryPolicy = { attempts: 4, baseMs: 1_000, capMs: 32_000 };

interface Bench {
  readonly waits: number[];
  readonly retried: string[];
  calls: number;
}

/** Fails with these, one after another, then gives `done`. Waiting moves the clock. */
async function run(
  failures: readonly unknown[],
  { leftMs = 600_000, random = 0.5 } = {},
): Promise<Bench & { result: unknown }> {
  let nowMs = 0;
  const bench: Bench = { waits: [], retried: [], calls: 0 };
  const result = await withRetries(
    async () => {
      bench.calls += 1;
      const failure = failures[bench.calls - 1];
      if (failure !== undefined) throw failure;
      return 'done';
    },
    {
      policy: POLICY,
      deadline: Deadline.after(leftMs, () => nowMs),
      random: () => random,
      sleep: async (ms) => {
        bench.waits.push(ms);
        nowMs += ms;
      },
      onRetry: (error) => bench.retried.push(error.code),
    },
  ).catch((error: unknown) => error);
  return { ...bench, result };
}

function away(retryAfterMs: number | null = null): AppError {
  return new AppError('gmail_unavailable', 'away', { retryAfterMs });
}

describe('a call that fails for a while', () => {
  it('is made again after waits that grow', async () => {
    const { result, waits, calls, retried } = await run([away(), away(), away()]);
    expect(result).toBe('done');
    expect(calls).toBe(4);
    expect(waits).toEqual([1_250, 1_750, 2_750]);
    expect(retried).toEqual(['gmail_unavailable', 'gmail_unavailable', 'gmail_unavailable']);
  });

  it('ends with its last failure when the attempts are used up', async () => {
    const last = new AppError('gmail_rate_limited', 'the last');
    const { result, calls, waits } = await run([away(), away(), away(), last]);
    expect(result).toBe(last);
    expect([calls, waits.length]).toEqual([4, 3]);
  });

  it('waits as long as it is told to, when that is longer', async () => {
    expect((await run([away(7_000)])).waits).toEqual([7_000]);
    expect((await run([away(10)])).waits).toEqual([1_250]);
  });

  it('ends at once when the wait would outlast the deadline', async () => {
    const told = await run([away(9_000)], { leftMs: 8_999 });
    expect(told).toMatchObject({ calls: 1, waits: [], retried: [], result: { code: 'gmail_unavailable' } });
    const grown = await run([away(), away()], { leftMs: 2_999 });
    expect(grown).toMatchObject({ calls: 2, waits: [1_250] });
  });
});

it.each<ErrorCode>([
  'message_gone',
  'gmail_refused',
  'gmail_denied',
  'reauth_required',
  'bad_client',
  'history_expired',
  'unstorable',
  'out_of_time',
  'lease_lost',
  'gmail_daily_limit',
  'internal',
])('%s is not tried again', async (code) => {
  const error = new AppError(code, 'x');
  expect(await run([error])).toMatchObject({ calls: 1, waits: [], result: error });
});

it('a defect of ours is not tried again and shows nothing of its message', async () => {
  const { calls, result } = await run([new RangeError('Order 4711')]);
  expect(calls).toBe(1);
  expect(result).toMatchObject({ code: 'internal', message: 'Unexpected RangeError.' });
});

describe('the wait', () => {
  it.each([1, 2, 3, 4, 10])('before attempt %i is never below the base nor far above the cap', (attempt) => {
    expect(backoffMs(attempt, POLICY, () => 0)).toBe(1_000);
    const longest = backoffMs(attempt, POLICY, () => 0.999_999);
    expect(longest).toBeGreaterThanOrEqual(1_500);
    expect(longest).toBeLessThanOrEqual(POLICY.capMs + POLICY.baseMs / 2);
  });
});
