/**
 * The ledger: one row for each Gmail message id that was ever seen. A row is written before anything is
 * fetched, and ends as `stored`, `gone`, `ignored` or `dead`; until then it is `pending` and due again.
 * What must stay true: an id enters in the transaction that moves the cursor past it.
 */

import type { Queryable } from './database.ts';

export type LedgerSource = 'history' | 'initial' | 'backfill' | 'gap' | 'proof';

/** Live mail goes ahead of backlog. */
export const PRIORITY = { live: 0, backlog: 1 } as const;

export interface Sighting {
  readonly gmailMessageId: string;
  /** The rule that leaves it out, null to fetch it. */
  readonly ignoredRule: string | null;
  /** The history record that showed it; null when a listing did. */
  readonly historyId: string | null;
  /** The labels are not known: the rules are applied to the fetched message. */
  readonly checkLabels: boolean;
}

export interface Entered {
  /** Ids that the ledger did not have. */
  readonly newCount: number;
  /** The lowest history record among the new ids, null when there is none. */
  readonly oldestNewHistoryId: string | null;
  readonly newIds: readonly string[];
}

// A repeat changes nothing, with three exceptions. What was thought gone and is listed is taken up again. An id that a rule left out is taken when a later sighting lets it
// in (but not by the repeat of a history record that did not know the labels: the fetched message has decided).
// A waiting id goes ahead as live mail, and is taken unchecked, when the history knows better than a listing.
// $1 mailbox id int, $2 source text, $3 priority int, $4 ids text[], $5 rules text[], $6 historyIds numeric[],
// $7 check labels bool[]; every id once
const ENTER = `
with entered as (
  insert into email_ledger as l
    (mailbox_id, source, priority, gmail_message_id, state, ignored_rule, history_id, check_labels, settled_at)
  select $1::integer, $2::text, $3::smallint, s.id,
         case when s.rule is null then 'pending' else 'ignored' end,
         s.rule, s.history_id, s.check_labels,
         case when s.rule is not null then now() end
  from unnest($4::text[], $5::text[], $6::numeric[], $7::boolean[]) as s (id, rule, history_id, check_labels)
  on conflict (mailbox_id, gmail_message_id) do update
    set state = 'pending',
        ignored_rule = null,
        history_id = coalesce(l.history_id, excluded.history_id),
        source = case
          when l.state <> 'pending' then excluded.source
          when l.source in ('proof', 'gap') and excluded.source in ('initial', 'backfill') then excluded.source
          else l.source
        end,
        priority = case when l.state <> 'pending' then excluded.priority else least(l.priority, excluded.priority) end,
        check_labels = excluded.check_labels and (l.state <> 'pending' or l.check_labels),
        attempt_count = case when l.state <> 'pending' then 0 else l.attempt_count end,
        next_attempt_at = case when l.state <> 'pending' then now() else l.next_attempt_at end,
        settled_at = null
    where excluded.state = 'pending'
      and case l.state
            when 'ignored' then
              case excluded.source
                when 'history' then not (l.check_labels and excluded.check_labels)
                -- Gmail's plain listing shows no spam and no trash: somebody took it out. The other rules still hold.
                when 'proof' then l.ignored_rule in ('spam', 'trash', 'label')
                -- A gap is listed with the trash: that it shows a message means nothing there.
                when 'gap' then l.ignored_rule in ('spam', 'label')
                else true
              end
            -- What Gmail lists is not gone: its answer of then was early.
            when 'gone' then excluded.source <> 'history'
            when 'pending' then
              excluded.priority < l.priority
                or (l.check_labels and not excluded.check_labels)
                or (l.source in ('proof', 'gap') and excluded.source in ('initial', 'backfill'))
            else false
          end
  returning l.gmail_message_id, l.history_id, (xmax = 0) as is_new
)
select count(*) filter (where is_new)::integer as new_count,
       coalesce(array_agg(gmail_message_id) filter (where is_new), '{}') as new_ids,
       min(history_id) filter (where is_new) as oldest_new_history_id
from entered`;

/** Enters ids, each once in the list. May run twice. */
export async function enterSightings(
  db: Queryable,
  mailboxId: number,
  source: LedgerSource,
  priority: number,
  sightings: readonly Sighting[],
): Promise<Entered> {
  if (sightings.length === 0) return { newCount: 0, oldestNewHistoryId: null, newIds: [] };
  const { rows } = await db.query<{
    new_count: number;
    new_ids: string[];
    oldest_new_history_id: string | null;
  }>(ENTER, [
    mailboxId,
    source,
    priority,
    sightings.map((s) => s.gmailMessageId),
    sightings.map((s) => s.ignoredRule),
    sightings.map((s) => s.historyId),
    sightings.map((s) => s.checkLabels),
  ]);
  const row = rows[0];
  return {
    newCount: row?.new_count ?? 0,
    oldestNewHistoryId: row?.oldest_new_history_id ?? null,
    newIds: row?.new_ids ?? [],
  };
}

/** The history shows what a proof had found first: it was only new, not missing. */
export async function noteShown(
  db: Queryable,
  mailboxId: number,
  sightings: readonly Sighting[],
): Promise<void> {
  if (sightings.length === 0) return;
  await db.query(
    `update email_ledger l
     set history_id = s.history_id
     from unnest($2::text[], $3::numeric[]) as s (id, history_id)
     where l.mailbox_id = $1::integer
       and l.gmail_message_id = s.id
       and l.history_id is null`,
    [mailboxId, sightings.map((s) => s.gmailMessageId), sightings.map((s) => s.historyId)],
  );
}

/** Lets ids in that a rule had left out, and only those: ids that the ledger does not have stay out. */
export async function readmit(db: Queryable, mailboxId: number, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const { rowCount } = await db.query(
    `update email_ledger
     set state = 'pending',
         ignored_rule = null,
         -- The history has seen the labels with which it is let in.
         check_labels = false,
         attempt_count = 0,
         next_attempt_at = now(),
         settled_at = null
     where mailbox_id = $1::integer
       and gmail_message_id = any ($2::text[])
       and state = 'ignored'
       and ignored_rule <> 'before_start'`,
    [mailboxId, ids],
  );
  return rowCount;
}
