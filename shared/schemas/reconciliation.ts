/** "Gmail n = stored + pending + failed + ignored + gone + missing, at t". */
import * as z from 'zod/mini';
import { count, time } from './fields.ts';

const comparison = {
  /** When the comparison ended. */
  at: time,
  /** When the listing began. Messages that arrived later may be missing in it. */
  up_to: time,
  /** Start of the compared period. */
  since: time,
  /** Messages that Gmail lists for the period. */
  gmail_count: count,
  /** Of these, stored; includes emails that retention has erased since. */
  stored_count: count,
  /** Of these, known but not stored yet: never tried, or waiting for a retry. */
  pending_count: count,
  /** Of these, dead. */
  failed_count: count,
  /** Of these, excluded by a rule. */
  ignored_count: count,
  /** Of these, no longer available in Gmail. */
  gone_count: count,
  /** Of these, unknown to the ledger. They were added to it, to be fetched. */
  missing_count: count,
};

/** The last comparison of Gmail's listing with what is stored; `full`: the last one of all mail since the first start. */
export const reconciliationSchema = z.object({ ...comparison, full: z.nullable(z.object(comparison)) });

export type Reconciliation = z.output<typeof reconciliationSchema>;
