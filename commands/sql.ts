/**
 * `npm run sql -- "select ..."`: runs a statement on the database of the local stack, or of DATABASE_URL, and prints the
 * result as a table.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { dataFolderOf, LOCAL_STACK_DOWN } from '../local/local-env.ts';
import { readDatabaseUrl } from '../shared/config.ts';
import { formatSqlError } from './sql/format-sql-error.ts';
import { formatTable } from './sql/format-table.ts';
import { runCommand } from './support/command.ts';
import { UsageError } from './support/flags.ts';
import { counted, escapeUnsafe, ON_A_DEPLOYMENT, say } from './support/terminal.ts';

const USAGE = `Usage: npm run sql -- "select ..."
Runs the statement on the database of the local stack, or of DATABASE_URL, and prints the result as a table. Long cells
are cut. A null is an empty cell, and an empty text is ''. The statement may change data.

${ON_A_DEPLOYMENT}`;
/** By the first word of PostgreSQL's command tag. */
const CHANGES: Readonly<Record<string, string>> = {
  INSERT: 'Inserted',
  UPDATE: 'Updated',
  DELETE: 'Deleted',
  MERGE: 'Merged',
};

await runCommand(
  USAGE,
  async () => {
    const statement = readStatement(process.argv.slice(2));
    const client = await connect(readDatabaseUrl(process.env));
    try {
      print(await client.query({ text: statement, rowMode: 'array' }));
    } catch (error) {
      if (!(error instanceof pg.DatabaseError)) throw error;
      throw new Error(formatSqlError(error, statement));
    } finally {
      await client.end();
    }
  },
  // The command finds the local database itself, so a DATABASE_URL that is set is the operator's.
  { localStack: false },
);

function readStatement(args: readonly string[]): string {
  const [first = ''] = args;
  if (first.startsWith('--') && !/\s/.test(first)) throw new UsageError(`Unknown option '${first}'.`);
  const statement = args.join(' ').trim();
  if (statement === '') throw new UsageError('The SQL statement is missing.');
  return statement;
}

async function connect(givenUrl: string | null): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: givenUrl ?? localUrl() });
  await client.connect().catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const reason = error instanceof pg.DatabaseError ? `${escapeUnsafe(error.message)}, ${code}` : code;
    const remediation =
      givenUrl === null
        ? LOCAL_STACK_DOWN
        : 'Check DATABASE_URL, or unset it to use the database of the local stack.';
    throw new Error(`Cannot connect to the database (${reason}). ${remediation}`);
  });
  return client;
}

function localUrl(): string {
  try {
    return readFileSync(join(dataFolderOf(process.env), 'database-url'), 'utf8').trim();
  } catch {
    throw new Error('There is no local database yet: `npm start` creates it. Or set DATABASE_URL.');
  }
}

/** Of several statements, only the result of the last one is printed. */
function print(result: pg.QueryArrayResult | pg.QueryArrayResult[]): void {
  const last = Array.isArray(result) ? result.at(-1) : result;
  if (last === undefined) return;
  const { command, fields, rowCount, rows } = last;
  let cutCount = 0;
  if (fields.length > 0) {
    const table = formatTable(
      fields.map((field) => field.name),
      rows,
    );
    cutCount = table.cutCount;
    say(table.text);
  }
  say(resultText(command, rowCount));
  if (cutCount > 0)
    say(
      `${counted(cutCount, 'cell')} cut, marked with an ellipsis (…). Select fewer columns, or use substring().`,
    );
}

/** @param command the first word of the command tag; with two words such as CREATE TABLE, the rest is unknown */
function resultText(command: string, rowCount: number | null): string {
  if (rowCount === null) return `Done: ${command}`;
  const rows = counted(rowCount, 'row');
  const change = CHANGES[command];
  return change === undefined ? rows : `${change} ${rows}`;
}
