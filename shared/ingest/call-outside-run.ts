/** The context of Gmail calls that belong to no run: at `start` and `stop`, to identify a mailbox, and for the watch. */
import type { Deadline } from '../deadline.ts';
import type { CallContext } from '../gmail/gmail-client.ts';
import { QuotaBudget } from '../limits/quota-budget.ts';
import type { IngestContext } from './ingest-context.ts';

/** @param mailboxId null for an account without a row: it has no quota yet, so its one call (1 unit) reserves none */
export function callOutsideRun(
  app: IngestContext,
  mailboxId: number | null,
  deadline: Deadline,
): CallContext {
  if (mailboxId === null) return { deadline, acquireUnits: async () => undefined };
  const budget = new QuotaBudget({
    db: app.db,
    mailboxId,
    unitsPerMinute: app.config.quotaUnitsPerMinute,
    deadline,
    sleep: app.sleep,
  });
  return {
    deadline,
    acquireUnits: async (units) => await budget.acquire(units),
    onSuccess: (units) => void budget.onSuccess(units),
  };
}
