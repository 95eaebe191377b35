/** Runs a query with its own time limit. Used by the search, which has a fallback when the query takes too long. */
import type { Database } from '../../shared/db/database.ts';
import { isStatementTimeout } from '../../shared/db/pg-error.ts';

/**
 * JIT is off, because compiling would delay the first row. Synchronized scans are off, so that each scan begins at the start of
 * the table and not where a cancelled one ended.
 *
 * @param sql with parameters, never with inlined values: PostgreSQL logs the text of a cancelled statement, and the values may
 *   be words of emails. It has no name, so PostgreSQL plans it for the values each time.
 * @returns null when the query took longer and PostgreSQL cancelled it
 */
export async function queryWithTimeout<Row extends object>(
  db: Database,
  timeoutMs: number,
  sql: string,
  parameters: readonly unknown[],
): Promise<Row[] | null> {
  try {
    return await db.transaction(async (tx) => {
      await tx.query(
        `set local statement_timeout = ${timeoutMs}; set local jit = off; set local synchronize_seqscans = off`,
      );
      return (await tx.query<Row>(sql, parameters)).rows;
    });
  } catch (error) {
    if (isStatementTimeout(error)) return null;
    throw error;
  }
}
