/**
 * `npm run faults -- --seed S --rounds N [--minutes M] [--only KIND] [--first N] [--bail] [--verbose]`: the built functions under
 * every fault that is known. Exit code 1 when a mail is lost, stored twice or changed, or the system does not come to rest.
 */
import { parseArgs } from 'node:util';
import { runCommand } from './support/command.ts';

const USAGE = `Usage: npm run faults [-- OPTIONS]
The built functions under every fault that is known. Exit code 1 when a mail is lost, stored twice or changed, or the
system does not come to rest.
  --seed S     which faults; another one each time unless given
  --rounds N   how many rounds (default 20)
  --minutes M  as many rounds as fit
  --only KIND  this kind of fault alone
  --first N    begin with this round
  --bail       stop at the first violation
  --verbose    one line per event`;

await runCommand(USAGE, async () => {
  const { KIND_NAMES } = await import('../test/faults/kinds.ts');
  const { runRounds } = await import('../test/faults/run-rounds.ts');
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      rounds: { type: 'string' },
      minutes: { type: 'string' },
      only: { type: 'string' },
      first: { type: 'string', default: '0' },
      bail: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
    },
  });
  const only = KIND_NAMES.find((name) => name === values.only) ?? null;
  if (values.only !== undefined && only === null) {
    throw new Error(`--only knows ${KIND_NAMES.join(', ')}.`);
  }
  let isCancelled = false;
  process.once('SIGINT', () => {
    isCancelled = true;
  });
  const seed = whole('seed', values.seed);
  process.stdout.write(`seed ${seed}\n`);
  const summary = await runRounds({
    seed,
    first: whole('first', values.first),
    rounds:
      values.rounds === undefined && values.minutes !== undefined
        ? 1_000_000
        : whole('rounds', values.rounds ?? '20'),
    forMs: values.minutes === undefined ? null : whole('minutes', values.minutes) * 60_000,
    only,
    bail: values.bail,
    verbose: values.verbose,
    say: (line) => process.stdout.write(`${line}\n`),
    isCancelled: () => isCancelled,
  });
  if (summary.violations > 0) process.exitCode = 1;
});

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} takes a whole number, not ${text}.`);
  return value;
}
