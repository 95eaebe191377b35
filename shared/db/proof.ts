/**
 * The proof of completeness: Gmail's own listing of a window, compared with the ledger. It is a listing like the
 * others, so what the ledger lacks enters it at once and is fetched. Whether such an id was missing, or only too
 * new for the history to have shown it, is told later: the history shows every new message within the settle
 * time. What it never shows was missing, and is an incident. What still waits to be fetched
 * by then counts as missing, and what was deleted before it could be fetched does too.
 */
import type { Database, Queryable } from './database.ts';
import { closeMissing, openIncident } from './incidents.ts';
import { assertFence, type Fence } from './lease.ts';

/** A proof begins so much before the last one: dates of mail are Gmail's, the proof's are ours, and clocks differ. */
const OVERLAP_SECONDS = 3_600;

export interface ProofPlan {
  /** Seconds back from now; null for the whole time since the first start. */
  readonly windowSeconds: number | null;
  /** Not if one was planned within this time, nor while anything is listed; 0 plans in any case, unless a whole one is under way. */
  readonly everySeconds: number;
}

/**
 * An expression of SQL: none was planned within the time, none is under way, and nothing that it would have to wait for is
 * listed. The rules for backfills and for refused listings: an operator's wish is not waited for, a refusal is.
 *
 * @param mailbox alias of the row
 * @param everySeconds parameter: see `ProofPlan`
 */
export function isProofDue(mailbox: string, everySeconds: string): string {
  return `not exists (
    select 1
    from listings s
    where s.mailbox_id = ${mailbox}.id
      and case
        when s.purpose <> 'proof' then s.finished_at is null and s.purpose <> 'backfill' and ${everySeconds}::integer > 0
          and (s.not_before <= now() or s.error_code is not null)
        when s.judged_at is null then ${everySeconds}::integer > 0 or s.window_begins_at <= ${mailbox}.created_at
        else s.created_at > now() - ${everySeconds}::integer * interval '1 second'
      end
  )`;
}

// A window never reaches behind the first start: what was in the mailbox before is not asked for. Gmail's search knows
// seconds, so a second is added; what proves older when it is fetched is left out by its rule.
// Windows join up: after days without a proof the next one reaches back to the last.
// $1 mailbox id int, $2 window seconds int or null, $3 every seconds int, $4 lease token uuid or null, $5 overlap seconds int
// No row: it is not due, or under way.
const PLAN = `
insert into listings (mailbox_id, purpose, query, window_begins_at)
select m.id, 'proof', 'after:' || floor(extract(epoch from w.begins_at) - 1)::bigint, w.begins_at
from mailboxes m
cross join lateral (
  select greatest(m.created_at, case
    when $2::integer is null then m.created_at
    else least(
      now() - $2::integer * interval '1 second',
      coalesce(m.proved_at, m.created_at) - $5::integer * interval '1 second')
  end) as begins_at
) w
where m.id = $1::integer
  and ($4::uuid is null or m.lease_token = $4::uuid)
  and ${isProofDue('m', '$3')}
returning id`;

/** @returns false when it is not due yet, one is under way, or older mail is still being listed */
export async function planProof(
  db: Queryable,
  mailboxId: number,
  /** Null: an operator's wish, whoever works on the mailbox. */
  token: string | null,
  plan: ProofPlan,
): Promise<boolean> {
  const { rowCount } = await db.query(PLAN, [
    mailboxId,
    plan.windowSeconds,
    plan.everySeconds,
    token,
    OVERLAP_SECONDS,
  ]);
  return rowCount === 1;
}

export interface Verdict {
  readonly gmailCount: number;
  readonly missingCount: number;
  /** Since when. */
  readonly since: Date;
  /** Opened by this verdict; null when nothing is missing. */
  readonly incidentId: number | null;
}

// A proof can be judged when it has listed all, and its unknown ids, if any, had the settle time to show in the
// history (or have shown all). The ledger row of an id that the history showed carries its record.
// $1 mailbox id int, $2 settle seconds int
const JUDGE = `
with judged as (
  select s.id, s.listed_count, s.created_at, s.window_begins_at,
         s.window_begins_at <= (select m.created_at from mailboxes m where m.id = s.mailbox_id) as is_whole,
         array(
           select l.gmail_message_id
           from email_ledger l
           where l.mailbox_id = s.mailbox_id
             and l.gmail_message_id = any (s.unknown_ids)
             and l.history_id is null
             and l.state <> 'ignored'
         ) as missing_ids,
         exists (
           select 1
           from email_ledger l
           where l.mailbox_id = s.mailbox_id
             and l.gmail_message_id = any (s.unknown_ids)
             and l.state = 'pending'
         ) as is_waiting,
         s.finished_at < now() - $2::integer * interval '1 second' as is_settled
  from listings s
  where s.mailbox_id = $1::integer
    and s.purpose = 'proof'
    and s.finished_at is not null
    and s.judged_at is null
    and s.error_code is null
  order by s.id
  limit 1
),
closed as (
  update listings s
  set judged_at = now()
  from judged j
  where s.id = j.id
    and (j.is_settled or cardinality(j.missing_ids) = 0 and not j.is_waiting)
  returning j.*
),
noted as (
  update mailboxes m
  set proved_at = c.created_at,
      proved_since = c.window_begins_at,
      proved_gmail_count = c.listed_count,
      proved_missing_count = cardinality(c.missing_ids),
      proved_ledger_count = c.listed_count - cardinality(c.missing_ids),
      whole_proved_at = case when c.is_whole then c.created_at else m.whole_proved_at end,
      whole_gmail_count = case when c.is_whole then c.listed_count else m.whole_gmail_count end,
      whole_missing_count = case when c.is_whole then cardinality(c.missing_ids) else m.whole_missing_count end
  from closed c
  where m.id = $1::integer
)
select id, listed_count, missing_ids, window_begins_at
from closed`;

/**
 * Judges the oldest proof that can be judged.
 *
 * @returns null when there is none
 * @throws {AppError} lease_lost
 */
export async function judgeProof(db: Database, fence: Fence, settleSeconds: number): Promise<Verdict | null> {
  return await db.transaction(async (tx) => {
    await assertFence(tx, fence);
    const { rows } = await tx.query<{
      id: number;
      listed_count: number;
      missing_ids: string[];
      window_begins_at: Date;
    }>(JUDGE, [fence.mailboxId, settleSeconds]);
    const row = rows[0];
    if (row === undefined) return null;
    const verdict = {
      gmailCount: row.listed_count,
      missingCount: row.missing_ids.length,
      since: row.window_begins_at,
    };
    if (verdict.missingCount === 0) {
      await closeMissing(tx, fence.mailboxId);
      return { ...verdict, incidentId: null };
    }
    const incidentId = await openIncident(tx, fence.mailboxId, 'missing_found', {
      listing_id: row.id,
      gmail_count: verdict.gmailCount,
      missing_count: verdict.missingCount,
      gmail_message_ids: row.missing_ids.slice(0, 20),
    });
    return { ...verdict, incidentId };
  });
}
