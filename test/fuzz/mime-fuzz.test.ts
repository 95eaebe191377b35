import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fuzzMime } from './mime-fuzz.ts';

describe('the MIME reader', () => {
  it('reads 2,000 damaged mails without a crash, a hang or a broken promise', {
    timeout: 120_000,
  }, async () => {
    const report = await fuzzMime({
      seed: 4711,
      mails: 2_000,
      // The project's own mails only: the same on every machine.
      corpus: null,
      folder: join(import.meta.dirname, '../../.local/fuzz'),
    });
    expect(report.findings).toEqual([]);
    expect(report.tried).toBe(2_000);
  });
});
