/** Rows as the code above the database reads them: with names in camelCase, and never absent where a statement always has one. */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';
import type { Statement } from './statement.ts';

type CamelCaseName<Name> = Name extends `${infer First}_${infer Rest}`
  ? `${First}${Capitalize<CamelCaseName<Rest>>}`
  : Name;

/** A row of snake_case columns with the names in camelCase. */
export type CamelCase<Row> = { readonly [Name in keyof Row as CamelCaseName<Name>]: Row[Name] };

/** The rows of a statement with the names in camelCase. */
export type RowOfStatement<S extends Statement<object>> = CamelCase<NonNullable<S['row']>>;

/** By column name. A lookup is much faster than a conversion, and `npm run mailbox -- list` reads 10,000 rows. */
const names = new Map<string, string>();

function camelCaseName(column: string): string {
  const known = names.get(column);
  if (known !== undefined) return known;
  const name = column.replaceAll(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
  names.set(column, name);
  return name;
}

/** Returns a copy of the row. */
export function camelCase<Row extends object>(row: Row): CamelCase<Row> {
  const copy: Record<string, unknown> = {};
  for (const column in row) copy[camelCaseName(column)] = row[column];
  return copy as CamelCase<Row>;
}

/**
 * Runs a statement that always returns one row, such as a select without `from`, or an aggregate without `group by`.
 *
 * @throws {AppError} internal when there is none; the errors of `query`
 */
export async function onlyRow<Row extends object>(
  db: Queryable,
  sql: Statement<Row>,
  parameters: readonly unknown[] = [],
): Promise<Row> {
  const [row] = (await db.query(sql, parameters)).rows;
  if (row !== undefined) return row;
  const text = sql.text.trim().replaceAll(/\s+/g, ' ').slice(0, 100);
  throw new AppError('internal', `A statement returned no row, but must always return one: ${text}`);
}
