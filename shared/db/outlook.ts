/**
 * One look at whether a run has anything to do beside its history: asked with the end of the history in one statement,
 * so that an idle poll asks nothing more.
 * What must stay true: no is said only where the step that is left out would have found nothing.
 */
import type { Queryable } from './database.ts';
import { isProofDue } from './proof.ts';
import { prepared } from './statement.ts';
import { isWatchToTend } from './watch.ts';

/** What a run would have to do; see the fields of `Outlook`. */
export interface LookFor {
  readonly proofEverySeconds: number;
  /** Where Gmail is to publish; null for nowhere. */
  readonly watchTopic: string | null;
  /** A watch that ends within it is due for renewal. */
  readonly watchMarginSeconds: number;
}

export interface Outlook {
  /** Something waits in the ledger, due or not. */
  readonly hasPending: boolean;
  /** A listing is not at its end, and not to wait. */
  readonly hasListing: boolean;
  /** A proof is not judged, or an incident not closed. */
  readonly hasVerdict: boolean;
  readonly isProofDue: boolean;
  readonly isWatchToTend: boolean;
}

export interface OutlookRow {
  readonly has_pending: boolean;
  readonly has_listing: boolean;
  readonly has_verdict: boolean;
  readonly is_proof_due: boolean;
  readonly is_watch_to_tend: boolean;
}

/**
 * Columns of SQL for `toOutlook`. Each is read off a partial index that is empty while all is well, or off one row.
 *
 * @param mailbox alias of the row
 * @param first number of the first parameter of `lookParameters`
 */
export function outlookColumns(mailbox: string, first: number): string {
  return `exists (
         select 1
         from email_ledger
         where mailbox_id = ${mailbox}.id
           and state = 'pending'
       ) as has_pending,
       exists (
         select 1
         from listings
         where mailbox_id = ${mailbox}.id
           and finished_at is null
           and not_before <= now()
       ) as has_listing,
       exists (
         select 1
         from listings
         where mailbox_id = ${mailbox}.id
           and purpose = 'proof'
           and judged_at is null
       ) or exists (
         select 1
         from incidents
         where mailbox_id = ${mailbox}.id
           and closed_at is null
       ) as has_verdict,
       ${isProofDue(mailbox, `$${first}`)} as is_proof_due,
       ${isWatchToTend(mailbox, `$${first + 1}`, `$${first + 2}`)} as is_watch_to_tend`;
}

export function lookParameters(look: LookFor): readonly unknown[] {
  return [look.proofEverySeconds, look.watchTopic, look.watchMarginSeconds];
}

export function toOutlook(row: OutlookRow): Outlook {
  return {
    hasPending: row.has_pending,
    hasListing: row.has_listing,
    hasVerdict: row.has_verdict,
    isProofDue: row.is_proof_due,
    isWatchToTend: row.is_watch_to_tend,
  };
}

/** Without an answer everything is tried. */
const ALL: Outlook = {
  hasPending: true,
  hasListing: true,
  hasVerdict: true,
  isProofDue: true,
  isWatchToTend: true,
};

// $1 mailbox id int, $2 and on of lookParameters
const LOOK = prepared(`
select ${outlookColumns('m', 2)}
from mailboxes m
where id = $1::integer`);

/** The same look by itself: where the history could not be read to its end, or much has happened since. */
export async function lookAhead(db: Queryable, mailboxId: number, look: LookFor): Promise<Outlook> {
  const { rows } = await db.query<OutlookRow>(LOOK, [mailboxId, ...lookParameters(look)]);
  return rows[0] === undefined ? ALL : toOutlook(rows[0]);
}
