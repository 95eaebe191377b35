import { describe, expect, it } from 'vitest';
import { Deadline } from '../shared/deadline.ts';
import { AppError, type ErrorCode } from '../shared/errors.ts';
import { backoffMs, type RetryPolicy, withRetries } from '../shared/retry.ts';

const POLICY: RetryPolicy = { attempts: 4, baseMs: 1_000, capMs: 32_000 };

interface Attempts {
  readonly waits: number[];
  readonly retried: string[];
  calls: number;
}

/** Throws the given failures one after another, then returns `done`. Waiting advances the clock. */
async function run(
  failures: readonly unknown[],
  { leftMs = 600_000, random = 0.5 } = {},
): Promise<Attempts & { result: unknown }> {
  let nowMs = 0;
  const seen: Attempts = { waits: [], retried: [], calls: 0 };
  const result = await withRetries(
    async () => {
      seen.calls += 1;
      const failure = failures[seen.calls - 1];
      if (failure !== undefined) throw failure;
      return 'done';
    },
    {
      policy: POLICY,
      deadline: Deadline.after(leftMs, () => nowMs),
      random: () => random,
      sleep: async (ms) => {
        seen.waits.push(ms);
        nowMs += ms;
      },
      onRetry: (error) => seen.retried.push(error.code),
    },
  ).catch((error: unknown) => error);
  return { ...seen, result };
}

function unavailable(retryAfterMs: number | null = null): AppError {
  return new AppError('gmail_unavailable', 'unavailable', { retryAfterMs });
}

describe('withRetries', () => {
  it('repeats a call after growing waits', async () => {
    const { result, waits, calls, retried } = await run([unavailable(), unavailable(), unavailable()]);
    expect(result).toBe('done');
    expect(calls).toBe(4);
    expect(waits).toEqual([1_250, 1_750, 2_750]);
    expect(retried).toEqual(['gmail_unavailable', 'gmail_unavailable', 'gmail_unavailable']);
  });

  it('throws the last error when the attempts are used up', async () => {
    const last = new AppError('gmail_rate_limited', 'the last');
    const { result, calls, waits } = await run([unavailable(), unavailable(), unavailable(), last]);
    expect(result).toBe(last);
    expect([calls, waits.length]).toEqual([4, 3]);
  });

  it('waits for the Retry-After time when that is longer', async () => {
    expect((await run([unavailable(7_000)])).waits).toEqual([7_000]);
    expect((await run([unavailable(10)])).waits).toEqual([1_250]);
  });

  it('throws at once when the wait would exceed the deadline', async () => {
    const requested = await run([unavailable(9_000)], { leftMs: 8_999 });
    expect(requested).toMatchObject({
      calls: 1,
      waits: [],
      retried: [],
      result: { code: 'gmail_unavailable' },
    });
    const grown = await run([unavailable(), unavailable()], { leftMs: 2_999 });
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
  'quota_used_up',
  'lease_lost',
  'gmail_daily_limit',
  'internal',
])('%s is not retried', async (code) => {
  const error = new AppError(code, 'x');
  expect(await run([error])).toMatchObject({ calls: 1, waits: [], result: error });
});

it('an unexpected error is not retried and does not show its message', async () => {
  const { calls, result } = await run([new RangeError('Order 4711')]);
  expect(calls).toBe(1);
  expect(result).toMatchObject({ code: 'internal', message: 'Unexpected RangeError.' });
});

describe('backoffMs', () => {
  it.each([1, 2, 3, 4, 10])(
    'waits at least the base and not much more than the cap after attempt %i',
    (attempt) => {
      expect(backoffMs(attempt, POLICY, () => 0)).toBe(1_000);
      const longest = backoffMs(attempt, POLICY, () => 0.999_999);
      expect(longest).toBeGreaterThanOrEqual(1_500);
      expect(longest).toBeLessThanOrEqual(POLICY.capMs + POLICY.baseMs / 2);
    },
  );
});
