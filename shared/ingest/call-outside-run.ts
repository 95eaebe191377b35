/** The quota of Gmail calls, and the context of those that belong to no run: at `start` and `stop`, to identify a mailbox, and for the watch. */
import type { Deadline } from '../deadline.ts';
import type { CallContext } from '../gmail/gmail-client.ts';
import { QuotaBudget } from '../limits/quota-budget.ts';
import type { IngestContext } from './ingest-context.ts';

export function createBudget(
  { config, db, sleep }: IngestContext,
  mailboxId: number,
  deadline: Deadline,
): QuotaBudget {
  return new QuotaBudget({ db, mailboxId, unitsPerMinute: config.quotaUnitsPerMinute, deadline, sleep });
}

/** @param mailboxId null for an account without a row: it has no quota yet, so its one call (1 unit) reserves none */
export function callOutsideRun(
  app: IngestContext,
  mailboxId: number | null,
  deadline: Deadline,
): CallContext {
  if (mailboxId === null) return { deadline, acquireUnits: async () => undefined };
  const budget = createBudget(app, mailboxId, deadline);
  return {
    deadline,
    acquireUnits: async (units) => await budget.acquire(units),
    onSuccess: (units) => void budget.onSuccess(units),
  };
}
