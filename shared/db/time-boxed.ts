/** A read that may turn out long, given up in time. Called by the search, which has another way then. */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';
import { isTimeout } from './pg-error.ts';

/**
 * In one way there and back, where a transaction takes four. Not compiled by the server, which may take 60 ms before
 * the first row; and a table is read from its beginning, not from where the last one who read it was given up.
 *
 * @param limitMs of the whole statement
 * @param sql with what it asks for inside, see `textLiteral`
 * @returns null when it took longer: it was ended by the server
 */
export async function timeBoxed<Row extends object>(
  db: Queryable,
  limitMs: number,
  sql: string,
): Promise<Row[] | null> {
  try {
    const { rows } = await db.query<Row>(
      `set local statement_timeout = ${limitMs}; set local jit = off; set local synchronize_seqscans = off; ${sql}`,
    );
    return rows;
  } catch (error) {
    if (error instanceof AppError && isTimeout(error.cause)) return null;
    throw error;
  }
}

/** Any text as a constant, each of its characters by number: nothing in it can end the literal. */
export function textLiteral(text: string): string {
  const numbers = Array.from(text, (character) => (character.codePointAt(0) ?? 0).toString(16));
  return `U&'${numbers.map((number) => `\\+${number.padStart(6, '0')}`).join('')}'`;
}
