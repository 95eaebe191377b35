/** Runs two rounds of fault injection with three mailboxes and a fixed seed. `npm run faults -- --mailboxes 20` runs more. */
import { expect, test } from 'vitest';
import { runManyRounds } from './run-many-rounds.ts';

const SEED = 7;
const ROUNDS = 2;

test('the built functions store every email of three mailboxes once, each in its own mailbox, under faults', {
  timeout: 480_000,
}, async () => {
  const lines: string[] = [];
  const { mailboxes, total } = await runManyRounds({
    seed: SEED,
    mailboxes: 3,
    first: 0,
    rounds: ROUNDS,
    forMs: null,
    bail: true,
    say: (line) => lines.push(line),
  });
  expect(total.violations, lines.join('\n')).toBe(0);
  expect(total).toMatchObject({ rounds: ROUNDS, lost: 0, duplicated: 0 });
  expect(mailboxes.every(({ delivered }) => delivered > 0)).toBe(true);
});
