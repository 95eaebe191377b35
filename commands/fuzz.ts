/**
 * `npm run fuzz -- --seed 1 --mails 100000`: mutates sample emails and the .eml files of a folder, and parses them. When the
 * MIME parser fails on an email, the command saves it, prints its path and exits with code 1.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from '../test/fuzz/mime-fuzz.ts';
import { callerPath } from './support/caller-path.ts';
import { runCommand } from './support/command.ts';
import { readFlags, UsageError, wholeNumber } from './support/flags.ts';
import { counted, say } from './support/terminal.ts';

const USAGE = `Usage: npm run fuzz [-- OPTIONS]
Mutates sample emails and parses them. When the MIME parser fails on an email, the command saves it, prints its path and
exits with code 1.
  --seed S      seed of the mutations (default 1)
  --mails N     number of emails (default 20000)
  --from N      number of the first email (default 0)
  --corpus DIR  also mutate the .eml files of this folder`;
const ROOT = join(import.meta.dirname, '..');
/** Optional real emails next to the checkout. They are not part of the project. */
const DEFAULT_CORPUS = join(ROOT, '../shared/corpus');
const REPORT_EVERY_MS = 10_000;

await runCommand(USAGE, async () => {
  const flags = readFlags({
    seed: { type: 'string', default: '1' },
    mails: { type: 'string', default: '20000' },
    from: { type: 'string', default: '0' },
    corpus: { type: 'string' },
  });
  const seed = wholeNumber('--seed', flags.seed);
  const mails = wholeNumber('--mails', flags.mails);
  const from = wholeNumber('--from', flags.from);
  const corpus = flags.corpus === undefined ? DEFAULT_CORPUS : callerPath(flags.corpus);
  if (flags.corpus !== undefined && !existsSync(corpus))
    throw new UsageError(`--corpus names a folder that does not exist: ${corpus}`);

  const { fuzzMime } = await import('../test/fuzz/mime-fuzz.ts');
  const startedMs = performance.now();
  let reportedMs = startedMs;
  const report = await fuzzMime({
    seed,
    mails,
    from,
    corpus: existsSync(corpus) ? corpus : null,
    folder: join(ROOT, '.local/fuzz'),
    onProgress: (testedCount) => {
      if (performance.now() - reportedMs < REPORT_EVERY_MS) return;
      reportedMs = performance.now();
      say(`Parsed ${counted(testedCount, 'email')}`);
    },
  });

  for (const { kind, number, what, path } of report.findings)
    say(`${kind}, email ${number}: ${what}\n  ${path}`);
  const countOf = (kind: Finding['kind']): number =>
    report.findings.filter((finding) => finding.kind === kind).length;
  const { slowest } = report;
  say(`seed ${seed}, ${counted(report.seedEmailCount, 'seed email')} (${report.corpusDigest})`);
  say(
    `${counted(report.testedCount, 'email')} in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s: ` +
      `${countOf('crash')} crashes, ${countOf('hang')} hangs, ${countOf('violation')} broken invariants`,
  );
  say(
    `slowest: email ${slowest.number}, ${slowest.cpuMs.toFixed(0)} ms for ${slowest.bytes.toLocaleString('en')} bytes`,
  );
  say(`peak memory: ${(report.peakMemoryBytes / 1024 / 1024).toFixed(0)} MB per process`);
  if (report.findings.length > 0) process.exitCode = 1;
});
