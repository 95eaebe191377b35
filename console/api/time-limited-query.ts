/** A query that may take long, with a time limit of its own. Called by the search, which has another way to its answer. */
import type { Queryable } from '../../shared/db/database.ts';
import { isStatementTimeout } from '../../shared/db/pg-error.ts';

/**
 * One round trip, where a transaction takes four. JIT is off, because compiling may take 60 ms before the first row. Scans
 * are not synchronized: each begins at the start of the table, not where the last one was cancelled.
 *
 * @param limitMs of the whole statement
 * @param sql with its values inside, see `textLiteral`
 * @returns null when it took longer and the server cancelled it
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
    if (isStatementTimeout(error)) return null;
    throw error;
  }
}

/** Any text as a constant, each character by its number: no character can end the literal. */
export function textLiteral(text: string): string {
  const numbers = Array.from(text, (character) => (character.codePointAt(0) ?? 0).toString(16));
  return `U&'${numbers.map((number) => `\\+${number.padStart(6, '0')}`).join('')}'`;
}
