/** "Gmail n = stored + pending + failed + ignored + gone + missing, at t". */
import * as z from 'zod/mini';
import { count, time } from './fields.ts';

const comparison = {
  /** When the comparison ended. What arrived later is not in it. */
  at: time,
  /** The begin of the compared window. */
  since: time,
  /** Messages that Gmail lists in the window. */
  gmail_count: count,
  /** Of these: stored, also when erased later by the retention time. */
  stored_count: count,
  /** Of these: known, not tried or tried again. */
  pending_count: count,
  /** Of these: dead. */
  failed_count: count,
  /** Of these: left out by a rule. */
  ignored_count: count,
  /** Of these: Gmail no longer gives them. */
  gone_count: count,
  /** Of these: the ledger did not know them; they were entered and are fetched. */
  missing_count: count,
};

/** The last comparison of Gmail's listing with what is stored, and the last one since the mailbox's first start. */
export const reconciliationSchema = z.object({ ...comparison, full: z.nullable(z.object(comparison)) });

export type Reconciliation = z.output<typeof reconciliationSchema>;
