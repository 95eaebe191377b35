/**
 * `npm run fuzz -- --seed 1 --mails 100000`: damaged mails for the MIME reader, made from the project's own and from
 * the files of a folder. Exit code 1 when one of them fails; it is written down and named.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runCommand } from './support/command.ts';
import { counted, readFlags, say } from './support/terminal.ts';

const USAGE = `Usage: npm run fuzz [-- OPTIONS]
Damaged mails for the MIME reader. Exit code 1 when one of them fails; it is written down and named.
  --seed S      which mails (default 1)
  --mails N     how many (default 20000)
  --from N      begin with this one
  --corpus DIR  damage the .eml files of this folder as well`;
const ROOT = join(import.meta.dirname, '..');
/** Real mails beside the project, where there are any; they are not part of it. */
const USUAL_CORPUS = join(ROOT, '../shared/corpus');
const SAY_EVERY_MS = 10_000;

await runCommand(USAGE, async () => {
  const flags = readFlags(
    {
      seed: { type: 'string', default: '1' },
      mails: { type: 'string', default: '20000' },
      from: { type: 'string', default: '0' },
      corpus: { type: 'string' },
    },
    USAGE,
  );
  const [seed, mails, from] = [flags.seed, flags.mails, flags.from].map(wholeNumber) as [
    number,
    number,
    number,
  ];
  const corpus = flags.corpus === undefined ? USUAL_CORPUS : resolve(flags.corpus);
  if (flags.corpus !== undefined && !existsSync(corpus)) throw new Error(`There is no folder ${corpus}.`);

  const { fuzzMime } = await import('../test/fuzz/mime-fuzz.ts');
  const startedMs = performance.now();
  let saidMs = startedMs;
  const report = await fuzzMime({
    seed,
    mails,
    from,
    corpus: existsSync(corpus) ? corpus : null,
    folder: join(ROOT, '.local/fuzz'),
    onProgress: (tried) => {
      if (performance.now() - saidMs < SAY_EVERY_MS) return;
      saidMs = performance.now();
      say(`${counted(tried, 'mail')} tried`);
    },
  });

  for (const { kind, number, what, path } of report.findings)
    say(`${kind}, mail ${number}: ${what}\n  ${path}`);
  const of = (kind: string): number => report.findings.filter((finding) => finding.kind === kind).length;
  const { slowest } = report;
  say(`seed ${seed}, ${counted(report.startCount, 'start mail')} (${report.startDigest})`);
  say(
    `${counted(report.tried, 'mail')} in ${((performance.now() - startedMs) / 1_000).toFixed(1)} s: ` +
      `${of('crash')} crashed, ${of('hang')} hung, ${of('fault')} broke a promise`,
  );
  say(
    `slowest: mail ${slowest.number}, ${slowest.cpuMs.toFixed(0)} ms for ${slowest.bytes.toLocaleString('en')} bytes`,
  );
  say(`peak memory: ${(report.peakMemoryBytes / 1024 / 1024).toFixed(0)} MB a process`);
  if (report.findings.length > 0) process.exitCode = 1;
});

function wholeNumber(text: string | undefined): number {
  if (text === undefined || !/^\d{1,9}$/.test(text)) throw new Error(USAGE);
  return Number(text);
}
