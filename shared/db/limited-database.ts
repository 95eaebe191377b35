/** A view of a database for one of several mailboxes that an instance works on at the same time. */
import { Semaphore } from '../limits/semaphore.ts';
import type { Database } from './database.ts';

/**
 * Limits the transactions of one run, which wait for each other before they wait for those of other runs. So a run with a
 * backlog does not fill the queue for the connections.
 */
export function limitTransactions(db: Database, limit: number): Database {
  const own = new Semaphore(limit);
  return {
    query: db.query,
    commit: async (sql, parameters) => await own.run(async () => await db.commit(sql, parameters)),
    transaction: async (work) => await own.run(async () => await db.transaction(work)),
    close: db.close,
  };
}
