import { describe, expect, it } from 'vitest';
import { withTimeout } from '../shared/timeout.ts';

const createError = () => new Error('too late');

describe('withTimeout', () => {
  it('returns the result of the work', async () => {
    expect(await withTimeout(10_000, Promise.resolve('done'), createError)).toBe('done');
  });

  it('throws the error of the work', async () => {
    const failed = Promise.reject(new Error('failed'));
    await expect(withTimeout(10_000, failed, createError)).rejects.toThrow('failed');
  });

  it('throws the given error when the time is over', async () => {
    const { promise } = Promise.withResolvers<never>();
    await expect(withTimeout(1, promise, createError)).rejects.toThrow('too late');
  });
});
