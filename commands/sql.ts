/** `npm run sql -- "select ..."`: asks the database of the local stack (or DATABASE_URL) and prints a table. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { dataFolderOf } from '../local/local-env.ts';
import { runCommand } from './support/command.ts';

const USAGE = `Usage: npm run sql -- "select ..."
Asks the database of the local stack, or of DATABASE_URL, and prints a table. It is not kept from changing things.`;

/** So that DATABASE_URL, where it is set, was set by a person. */
const SELF_FOUND = { localStack: false };

await runCommand(
  USAGE,
  async () => {
    const statement = process.argv.slice(2).join(' ').trim();
    if (statement === '') throw new Error(USAGE);
    const givenUrl = process.env['DATABASE_URL'];
    const client = new pg.Client({ connectionString: givenUrl || localUrl() });
    await client.connect().catch((error: unknown) => {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      const remediation = givenUrl
        ? 'Check DATABASE_URL; without it the local stack is asked.'
        : 'Does `npm start` run?';
      throw new Error(`The database does not answer (${reason}). ${remediation}`);
    });
    try {
      const result: pg.QueryResult | pg.QueryResult[] = await client.query(statement);
      const { rows, rowCount, fields } = Array.isArray(result) ? (result.at(-1) as pg.QueryResult) : result;
      if (fields.length > 0)
        process.stdout.write(
          `${table(
            fields.map((field) => field.name),
            rows,
          )}\n`,
        );
      process.stdout.write(`${rowCount ?? 0} ${rowCount === 1 ? 'row' : 'rows'}\n`);
    } finally {
      await client.end();
    }
  },
  SELF_FOUND,
);

function localUrl(): string {
  const folder = dataFolderOf(process.env);
  try {
    return readFileSync(join(folder, 'database-url'), 'utf8').trim();
  } catch {
    throw new Error('No local database yet: `npm start` makes one. Or set DATABASE_URL.');
  }
}

function table(names: string[], rows: Record<string, unknown>[]): string {
  const cells = [names, ...rows.map((row) => names.map((name) => cell(row[name])))];
  const widths = names.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0)));
  const lines = cells.map((line) =>
    line
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return lines.join('\n');
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Buffer.isBuffer(value)) return `${value.length} bytes`;
  const text =
    value instanceof Date
      ? value.toISOString()
      : typeof value === 'object'
        ? JSON.stringify(value)
        : String(value);
  return text.replaceAll(/\s+/g, ' ').slice(0, 80);
}
