/** The context of single Gmail calls that belong to no run: of `start` and `stop`, of a push, and of the watch. */
import type { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import type { CallContext } from '../gmail/gmail-client.ts';
import { QuotaBudget } from '../limits/quota-budget.ts';
import type { IngestContext } from './ingest-context.ts';

/** @param mailboxId null for an account that has no row yet, and so no quota: its one call costs 1 unit */
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

/** Remembers whether the last call ended because its units were not to be had in time: then Gmail was not asked. */
export class UnitWait {
  #hasFailed = false;
  readonly call: CallContext;

  constructor(call: CallContext) {
    this.call = {
      ...call,
      acquireUnits: async (units) => {
        this.#hasFailed = false;
        await call.acquireUnits(units).catch((error: unknown) => {
          this.#hasFailed = error instanceof AppError && error.code === 'out_of_time';
          throw error;
        });
      },
    };
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }
}
