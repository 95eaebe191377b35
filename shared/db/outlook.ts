/**
 * One look at whether a run has anything to do beside its history. An idle poll asks this instead of a dozen statements
 * that would each find nothing.
 * What must stay true: no is said only where the step that is left out would have found nothing.
 */
import type { Queryable } from './database.ts';
import { prepared } from './statement.ts';

export interface Outlook {
  /** Something waits in the ledger, due or not. */
  readonly hasPending: boolean;
  /** A proof is not judged, or an incident not closed. */
  readonly hasVerdict: boolean;
}

// Each is read off a partial index that is empty while all is well.
// $1 mailbox id int
const LOOK = prepared(`
select exists (
         select 1
         from email_ledger
         where mailbox_id = $1::integer
           and state = 'pending'
       ) as has_pending,
       exists (
         select 1
         from listings
         where mailbox_id = $1::integer
           and purpose = 'proof'
           and judged_at is null
       ) or exists (
         select 1
         from incidents
         where mailbox_id = $1::integer
           and closed_at is null
       ) as has_verdict`);

export async function lookAhead(db: Queryable, mailboxId: number): Promise<Outlook> {
  const { rows } = await db.query<{ has_pending: boolean; has_verdict: boolean }>(LOOK, [mailboxId]);
  const row = rows[0];
  // Without an answer everything is tried.
  return {
    hasPending: row?.has_pending ?? true,
    hasVerdict: row?.has_verdict ?? true,
  };
}
