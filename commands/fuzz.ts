/**
 * `npm run fuzz -- --seed 1 --mails 100000`: damages sample emails, and the .eml files of a folder, and parses them. Exit
 * code 1 when the MIME parser fails on one; it is then saved and its path printed.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runCommand } from './support/command.ts';
import { readFlags, UsageError, wholeNumber } from './support/flags.ts';
import { counted, say } from './support/terminal.ts';

const USAGE = `Usage: npm run fuzz [-- OPTIONS]
Damages sample emails and parses them. Exit code 1 when the MIME parser fails on one; it is saved and its path printed.
  --seed S      seed of the damage (default 1)
  --mails N     number of emails (default 20000)
  --from N      begin with this email
  --corpus DIR  damage the .eml files of this folder as well`;
const ROOT = join(import.meta.dirname, '..');
/** Real emails next to the checkout, if there are any; they are not part of the project. */
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
  const corpus = flags.corpus === undefined ? DEFAULT_CORPUS : resolve(flags.corpus);
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
    onProgress: (tried) => {
      if (performance.now() - reportedMs < REPORT_EVERY_MS) return;
      reportedMs = performance.now();
      say(`${counted(tried, 'email')} parsed`);
    },
  });

  for (const { kind, number, what, path } of report.findings)
    say(`${kind}, email ${number}: ${what}\n  ${path}`);
  const countOf = (kind: string): number => report.findings.filter((finding) => finding.kind === kind).length;
  const { slowest } = report;
  say(`seed ${seed}, ${counted(report.startCount, 'seed email')} (${report.startDigest})`);
  say(
    `${counted(report.tried, 'email')} in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s: ` +
      `${countOf('crash')} crashes, ${countOf('hang')} hangs, ${countOf('fault')} broken invariants`,
  );
  say(
    `slowest: email ${slowest.number}, ${slowest.cpuMs.toFixed(0)} ms for ${slowest.bytes.toLocaleString('en')} bytes`,
  );
  say(`peak memory: ${(report.peakMemoryBytes / 1024 / 1024).toFixed(0)} MB per process`);
  if (report.findings.length > 0) process.exitCode = 1;
});
