import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fuzzMime } from './mime-fuzz.ts';

describe('MIME parser', () => {
  it('parses 2,000 damaged emails without a crash, a hang or a broken invariant', {
    timeout: 120_000,
  }, async () => {
    const report = await fuzzMime({
      seed: 4711,
      mails: 2_000,
      // Without a folder, the emails are the same on every machine.
      corpus: null,
      folder: join(import.meta.dirname, '../../.local/fuzz'),
    });
    expect(report.findings).toEqual([]);
    expect(report.testedCount).toBe(2_000);
  });
});
