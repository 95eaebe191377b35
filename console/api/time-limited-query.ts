/** Runs a query with its own time limit. Used by the search, which has a fallback when the query takes too long. */
import type { Queryable } from '../../shared/db/database.ts';
import { isStatementTimeout } from '../../shared/db/pg-error.ts';

/**
 * All statements are sent in one message, which takes one round trip where an explicit transaction takes four. JIT is off,
 * because compiling would delay the first row. Synchronized scans are off, so that each scan begins at the start of the table
 * and not where a cancelled one ended.
 *
 * @param timeoutMs for the whole message
 * @param sql with its values inlined, see `textLiteral`
 * @returns null when the query took longer and PostgreSQL cancelled it
 */
export async function queryWithTimeout<Row extends object>(
  db: Queryable,
  timeoutMs: number,
  sql: string,
): Promise<Row[] | null> {
  try {
    const { rows } = await db.query<Row>(
      `set local statement_timeout = ${timeoutMs}; set local jit = off; set local synchronize_seqscans = off; ${sql}`,
    );
    return rows;
  } catch (error) {
    if (isStatementTimeout(error)) return null;
    throw error;
  }
}

/** Any text as an SQL literal. Each character is written as its code point, so no character can end the literal. */
export function textLiteral(text: string): string {
  const codePoints = Array.from(text, (character) => (character.codePointAt(0) ?? 0).toString(16));
  return `U&'${codePoints.map((codePoint) => `\\+${codePoint.padStart(6, '0')}`).join('')}'`;
}
