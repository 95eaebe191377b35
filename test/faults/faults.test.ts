/** Runs a few rounds of fault injection with a fixed seed. `npm run faults` runs more. */
import { describe, expect, it } from 'vitest';
import { runRounds } from './run-rounds.ts';

const SEED = 20_261_122;
const ROUNDS = 8;

describe('fault injection', () => {
  it('the built functions store every delivered email once, byte for byte', {
    timeout: 240_000,
  }, async () => {
    const lines: string[] = [];
    const summary = await runRounds({
      seed: SEED,
      first: 0,
      rounds: ROUNDS,
      forMs: null,
      only: null,
      bail: true,
      say: (line) => lines.push(line),
    });
    expect(summary.violations, lines.join('\n')).toBe(0);
    expect(summary).toMatchObject({ rounds: ROUNDS, lost: 0, duplicated: 0 });
  });
});
