/**
 * `npm run faults [-- OPTIONS]`: runs the built functions while every known kind of fault is injected. Exit code 1 when an
 * email is lost, stored twice or changed, or the system does not become idle again.
 */
import { runCommand } from './support/command.ts';
import { readFlags, UsageError, wholeNumber } from './support/flags.ts';
import { shutdownSignal } from './support/shutdown-signal.ts';
import { quoted, say } from './support/terminal.ts';

const DEFAULT_ROUNDS = 20;
/** With `--minutes`, the time ends the test first. */
const UNLIMITED_ROUNDS = 1_000_000;

const USAGE = `Usage: npm run faults [-- OPTIONS]
Runs the built functions while every known kind of fault is injected. Exit code 1 when an email is lost, stored twice or
changed, or the system does not become idle again.
  --seed S     the seed of the faults (default: a new one each time)
  --rounds N   number of rounds (default ${DEFAULT_ROUNDS})
  --minutes M  as many rounds as fit into this time
  --mailboxes N  number of mailboxes in the deployment (default 1)
  --only KIND  only this kind of fault
  --first N    begin with this round
  --bail       stop at the first violation
  --verbose    one line per event`;

await runCommand(USAGE, async () => {
  const { KIND_NAMES } = await import('../test/faults/kinds.ts');
  const { runRounds } = await import('../test/faults/run-rounds.ts');
  const { runManyRounds } = await import('../test/faults/many/run-many-rounds.ts');
  const flags = readFlags({
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    rounds: { type: 'string' },
    minutes: { type: 'string' },
    mailboxes: { type: 'string', default: '1' },
    only: { type: 'string' },
    first: { type: 'string', default: '0' },
    bail: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  });
  const only = KIND_NAMES.find((name) => name === flags.only) ?? null;
  if (flags.only !== undefined && only === null)
    throw new UsageError(`--only ${quoted(flags.only)} is unknown. The kinds are: ${KIND_NAMES.join(', ')}.`);
  const seed = wholeNumber('--seed', flags.seed);
  const first = wholeNumber('--first', flags.first);
  const minutes = flags.minutes === undefined ? null : wholeNumber('--minutes', flags.minutes);
  const defaultRounds = minutes === null ? DEFAULT_ROUNDS : UNLIMITED_ROUNDS;
  const rounds = flags.rounds === undefined ? defaultRounds : wholeNumber('--rounds', flags.rounds);
  const { signal } = shutdownSignal();
  const mailboxes = wholeNumber('--mailboxes', flags.mailboxes);
  if (mailboxes < 1) throw new UsageError('--mailboxes must be at least 1.');
  if (mailboxes > 1 && only !== null) throw new UsageError('--only needs --mailboxes 1.');
  say(`seed ${seed}`);
  const options = {
    seed,
    first,
    rounds,
    forMs: minutes === null ? null : minutes * 60_000,
    bail: flags.bail,
    verbose: flags.verbose,
    say,
    isCancelled: () => signal.aborted,
  };
  const { violations } =
    mailboxes === 1
      ? await runRounds({ ...options, only })
      : (await runManyRounds({ ...options, mailboxes })).total;
  if (violations > 0) process.exitCode = 1;
});
