/**
 * Named statements, which PostgreSQL plans once per connection. They declare the columns of their rows, so that a test can
 * compare statements and columns with the schema.
 * Invariant: a name means the same text in every process, because a pooler may share connections.
 */
import { hash } from 'node:crypto';

/** PostgreSQL types of result columns as TypeScript sees them. History ids (numeric) and uuids are strings. */
interface TypeOf {
  boolean: boolean;
  smallint: number;
  integer: number;
  /** Ids and counts stay far below 2^53. */
  bigint: number;
  'double precision': number;
  numeric: string;
  text: string;
  uuid: string;
  'integer[]': number[];
  'text[]': string[];
  'timestamp with time zone': Date;
  jsonb: unknown;
  bytea: Buffer;
}

/** A type, with `?` where the column can be null. */
export type ColumnType = keyof TypeOf | `${keyof TypeOf}?`;
export type Columns = Readonly<Record<string, ColumnType>>;

type ValueOf<T extends ColumnType> = T extends keyof TypeOf
  ? TypeOf[T]
  : T extends `${infer Name extends keyof TypeOf}?`
    ? TypeOf[Name] | null
    : never;

export type RowOf<C extends Columns> = { -readonly [Name in keyof C]: ValueOf<C[Name]> };

export interface Statement<Row extends object = Record<never, never>> {
  readonly name: string;
  readonly text: string;
  readonly columns: Columns;
  /** False: it is not repeated after its connection broke, because the first execution may have taken effect. */
  readonly isRepeatable: boolean;
  /** Carries the type of the rows; never set. */
  readonly row?: Row;
}

/** Every statement that was declared, for the test. */
export const declaredStatements = new Map<string, Statement>();

/** PostgreSQL limits names to 63 characters, and this much of the hash is unique. */
const NAME_LENGTH = 24;
/** Statements with a variable number of parameters have many texts. Beyond this number they are not prepared. */
const MAX_NAMED = 250;

/**
 * Declares a statement. May be called again with the same text.
 *
 * @param text one statement that can be pasted into psql, with a cast on every parameter
 * @param columns of the result, in order
 */
export function statement<const C extends Columns = Record<never, never>>(
  text: string,
  columns: C = {} as C,
  options: { readonly isRepeatable?: boolean } = {},
): Statement<RowOf<C>> {
  const known = declaredStatements.get(text);
  if (known !== undefined) return known as Statement<RowOf<C>>;
  const isNamed = declaredStatements.size < MAX_NAMED;
  const made: Statement<RowOf<C>> = {
    name: isNamed ? `em_${hash('sha256', text, 'hex').slice(0, NAME_LENGTH)}` : '',
    text,
    columns,
    isRepeatable: options.isRepeatable ?? true,
  };
  if (isNamed) declaredStatements.set(text, made);
  return made;
}
