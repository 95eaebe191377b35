/**
 * The result of a benchmark and its section in RESULTS.md. Each section has its own date, commit and load average, so
 * that one benchmark can be repeated without the others.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const RESULTS = join(import.meta.dirname, 'RESULTS.md');

const HEAD = `# Benchmark results

\`npm run bench\` writes this file; \`npm run bench -- NAME\` measures one section again. Everything runs on one machine: the
function, the emulated Gmail, and PostgreSQL, which writes every commit to disk. The load average shows what else ran (two busy
cores are 2.0). Where two variants are compared, they ran in the same minutes.
`;

export interface Result {
  readonly what: string;
  /** Null if the value is only informative. */
  readonly goal: string | null;
  readonly reached: string;
  readonly isMet?: boolean;
}

export interface Section {
  readonly name: string;
  readonly title: string;
  /** How it was measured, in one or two sentences. */
  readonly how: string;
  readonly results: readonly Result[];
  /** Markdown below the table: curves, plans, shares of a profile. */
  readonly more?: string;
}

export function writeSection(section: Section): void {
  const old = existsSync(RESULTS) ? readFileSync(RESULTS, 'utf8') : HEAD;
  const begin = `<!-- bench: ${section.name} -->`;
  const block = `${begin}\n${render(section)}\n<!-- end -->`;
  const from = old.indexOf(begin);
  const end = old.indexOf('<!-- end -->', from);
  const text =
    from < 0
      ? `${old.trimEnd()}\n\n${block}\n`
      : `${old.slice(0, from)}${block}${old.slice(end + '<!-- end -->'.length)}`;
  writeFileSync(RESULTS, text);
  printSection(section);
}

export function printSection(section: Section): void {
  process.stdout.write(`\n${render(section)}\n`);
}

function render({ results, how, more, title }: Section): string {
  const rows = results.map(({ goal, isMet, reached, what }) => [
    what,
    goal ?? '',
    reached,
    goal === null ? '' : isMet ? 'yes' : '**no**',
  ]);
  const table = tableOf(['measurement', 'goal', 'result', 'met'], rows);
  return [`## ${title}`, how, table, ...(more === undefined ? [] : [more]), `_${environment()}_`].join(
    '\n\n',
  );
}

export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function environment(): string {
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
  const memory = Math.round(totalmem() / 2 ** 30);
  const load = loadavg().map((one) => one.toFixed(1));
  return (
    `${date} UTC, commit ${commit()}, ${availableParallelism()} cores, ${memory} GiB, ` +
    `Node ${process.versions.node}, load average ${load.join(' ')}`
  );
}

/** The short commit id, with a plus sign if the sources differ from the commit. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'functions', 'shared', 'sql', 'local');
  return `${git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : '+'}`;
}
