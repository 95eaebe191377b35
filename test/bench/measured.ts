/**
 * What a benchmark found, beside what it was to reach, and its place in RESULTS.md: a section each, with the date, the
 * commit and the load under which it was measured, so that one can be measured again without the others.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const RESULTS = join(import.meta.dirname, 'RESULTS.md');

const HEAD = `# Measured

Written by \`npm run bench\`; \`npm run bench -- NAME\` measures one section again. Everything runs on one machine: the
function, the emulated Gmail, PostgreSQL with every commit on the disk, and whatever else the machine had to do, which the
load average tells (two busy cores are 2.0). Where two ways are compared, they ran in the same minutes.
`;

export interface Finding {
  readonly what: string;
  /** Null: told, not judged. */
  readonly goal: string | null;
  readonly reached: string;
  readonly isMet?: boolean;
}

export interface Section {
  readonly name: string;
  readonly title: string;
  /** What was done, in a sentence or two. */
  readonly how: string;
  readonly findings: readonly Finding[];
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
  process.stdout.write(`\n${render(section)}\n`);
}

function render({ findings, how, more, title }: Section): string {
  const rows = findings.map(({ goal, isMet, reached, what }) => [
    what,
    goal ?? '',
    reached,
    goal === null ? '' : isMet ? 'yes' : '**no**',
  ]);
  const table = tableOf(['what', 'goal', 'reached', 'met'], rows);
  return [`## ${title}`, how, table, ...(more === undefined ? [] : [more]), `_${circumstances()}_`].join(
    '\n\n',
  );
}

export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function circumstances(): string {
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
  const memory = Math.round(totalmem() / 2 ** 30);
  const load = loadavg().map((one) => one.toFixed(1));
  return (
    `${date} UTC, commit ${commit()}, ${availableParallelism()} cores, ${memory} GiB, ` +
    `Node ${process.versions.node}, load average ${load.join(' ')}`
  );
}

/** With a plus sign when the sources are not those of the commit. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'functions', 'shared', 'sql', 'local');
  return `${git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : '+'}`;
}
