/**
 * The ledger: one row per Gmail message id that was ever seen. A row is written before its message is fetched, and ends as
 * `stored`, `gone`, `ignored` or `dead`; until then it is `pending`.
 * Invariant: the cursor moves past an id only in the transaction that enters the id.
 */
import type { Queryable } from './database.ts';
import { camelCase, onlyRow } from './rows.ts';
import { statement } from './statement.ts';

export type LedgerSource = 'history' | 'newest' | 'initial' | 'backfill' | 'gap' | 'reconciliation';

/** Live mail is fetched before backlog. */
export const PRIORITY = { live: 0, backlog: 1 } as const;
export type Priority = (typeof PRIORITY)[keyof typeof PRIORITY];

/** A message id that the history or a listing has shown. */
export interface DiscoveredMessage {
  readonly gmailMessageId: string;
  /** The rule that excludes it; null to fetch it. */
  readonly ignoredRule: string | null;
  /** The history record of its arrival; null when only a listing or a label change has shown it. */
  readonly historyId: string | null;
  /** The labels on arrival are unknown, so the rules are applied to the fetched message. */
  readonly labelsUnknown: boolean;
}

// The row of a known id is written only in these cases:
// - An ignored id becomes pending when it is discovered without a rule: by the history if it knows the labels, by a listing
//   only if its query excludes what the rule excluded. A reconciliation enters unknown ids only.
// - An id that was ignored as spam, trash or sent gets the rule `label` when the history shows that only the missing label
//   excludes it now. A change of the configured label then reopens it.
// - A gone id becomes pending when a listing shows it.
// - A pending id becomes live mail, with known labels, when the history knows more than a listing did.
// - An id gets the history record that shows it first. If only a reconciliation has found it, its source becomes the history:
//   with the source reconciliation, an id that the history knows is one that was ignored or gone before.
// Known ids do not consume a value of the identity column. New ids are inserted in the given order, so that a higher ledger
// id is newer mail.
// $1 mailbox id, $2 source, $3 priority, $4 ids, $5 rules, $6 history ids, $7 labels unknown, each id once; $8 label id of
// the listing or null
const UPSERT = statement(
  `
with input as materialized (
  select s.id, s.rule, s.history_id, s.labels_unknown, s.position
  from unnest($4::text[], $5::text[], $6::numeric[], $7::boolean[]) with ordinality
    as s (id, rule, history_id, labels_unknown, position)
),
known as materialized (
  select l.id as ledger_id, l.state, s.history_id, s.labels_unknown,
         s.rule is null and case l.state
           when 'ignored' then case $2::text
             when 'history' then not s.labels_unknown
             when 'newest' then l.ignored_rule in ('spam', 'draft', 'label', 'trash')
             -- A gap lists the trash too, so it does not show that a message left the trash.
             when 'gap' then l.ignored_rule in ('spam', 'draft', 'label')
             else true
           end
           when 'gone' then $2::text <> 'history'
           else false
         end as is_reopened,
         coalesce(s.rule = 'label' and l.state = 'ignored' and l.ignored_rule in ('spam', 'trash', 'sent'), false)
           as is_excluded_by_label,
         s.rule is null and l.state = 'pending' and (
           $3::smallint < l.priority
             or (l.labels_unknown and not s.labels_unknown)
             or (l.source in ('reconciliation', 'gap', 'newest') and $2::text in ('initial', 'backfill'))
             or (l.labels_unknown and $8::text <> coalesce(l.listed_label_id, ''))
         ) as is_improved
  from input s
  join email_ledger l on l.mailbox_id = $1::integer and l.gmail_message_id = s.id
),
changed as (
  update email_ledger l
  set history_id = coalesce(l.history_id, k.history_id),
      state = case when k.is_reopened then 'pending' else l.state end,
      ignored_rule = case
        when k.is_reopened then null
        when k.is_excluded_by_label then 'label'
        else l.ignored_rule
      end,
      source = case
        when k.is_reopened then $2::text
        when k.is_improved and $2::text in ('initial', 'backfill') and l.source in ('reconciliation', 'gap', 'newest')
          then $2::text
        when l.state = 'pending' and l.source = 'reconciliation' and l.history_id is null and k.history_id is not null
          then $2::text
        else l.source
      end,
      priority = case
        when k.is_reopened then $3::smallint
        when k.is_improved then least(l.priority, $3::smallint)
        else l.priority
      end,
      labels_unknown = case
        when k.is_reopened then k.labels_unknown
        when k.is_improved then l.labels_unknown and k.labels_unknown
        else l.labels_unknown
      end,
      listed_label_id = case
        when k.is_reopened then $8::text
        when k.is_improved then coalesce($8::text, l.listed_label_id)
        else l.listed_label_id
      end,
      attempt_count = case when k.is_reopened then 0 else l.attempt_count end,
      last_attempt_at = case when k.is_reopened then null else l.last_attempt_at end,
      next_attempt_at = case when k.is_reopened then now() else l.next_attempt_at end,
      resolved_at = case when k.is_reopened then null else l.resolved_at end
  from known k
  where l.id = k.ledger_id
    and l.state = k.state
    and (k.is_reopened or k.is_improved or k.is_excluded_by_label or (l.history_id is null and k.history_id is not null))
  returning k.is_reopened
),
added as (
  insert into email_ledger
    (mailbox_id, source, priority, gmail_message_id, state, ignored_rule, history_id, labels_unknown, listed_label_id,
     resolved_at)
  select $1::integer, $2::text, $3::smallint, s.id,
         case when s.rule is null then 'pending' else 'ignored' end,
         s.rule, s.history_id, s.labels_unknown, $8::text,
         case when s.rule is not null then now() end
  from input s
  where not exists (
    select 1
    from email_ledger l
    where l.mailbox_id = $1::integer
      and l.gmail_message_id = s.id
  )
  order by s.position
  on conflict (mailbox_id, gmail_message_id) do nothing
  returning 1
)
select (select count(*) from added)::integer
         + (select count(*) from changed where is_reopened)::integer as new_count`,
  { new_count: 'integer' },
);

/**
 * Enters ids: each once, oldest first. May run twice.
 *
 * @param listedLabelId the label that a listing asked for; null for none
 * @returns how many ids the ledger did not have, or had as final and has as pending now
 */
export async function upsertDiscovered(
  db: Queryable,
  mailboxId: number,
  source: LedgerSource,
  priority: Priority,
  discovered: readonly DiscoveredMessage[],
  listedLabelId: string | null = null,
): Promise<{ readonly newCount: number }> {
  if (discovered.length === 0) return { newCount: 0 };
  const upserted = await onlyRow(db, UPSERT, [
    mailboxId,
    source,
    priority,
    discovered.map((message) => message.gmailMessageId),
    discovered.map((message) => message.ignoredRule),
    discovered.map((message) => message.historyId),
    discovered.map((message) => message.labelsUnknown),
    listedLabelId,
  ]);
  return camelCase(upserted);
}

/**
 * Enters ids that a listing has shown, as backlog. The rules are applied to the fetched messages: messages.list returns ids
 * only, and a query can find drafts or sent mail.
 *
 * @returns `newCount` of `upsertDiscovered`
 */
export async function upsertListed(
  db: Queryable,
  mailboxId: number,
  source: LedgerSource,
  ids: readonly string[],
  labelId: string | null,
): Promise<number> {
  const discovered = ids.map((gmailMessageId) => ({
    gmailMessageId,
    ignoredRule: null,
    historyId: null,
    labelsUnknown: true,
  }));
  return (await upsertDiscovered(db, mailboxId, source, PRIORITY.backlog, discovered, labelId)).newCount;
}

// $1 mailbox id, $2 ids, $3 labels unknown
const UNIGNORE = statement(`
update email_ledger
set state = 'pending',
    ignored_rule = null,
    labels_unknown = $3::boolean,
    attempt_count = 0,
    last_attempt_at = null,
    next_attempt_at = now(),
    resolved_at = null
where mailbox_id = $1::integer
  and gmail_message_id = any ($2::text[])
  and state = 'ignored'
  and ignored_rule <> 'before_start'`);

/**
 * Makes ignored ids pending after a label change made them eligible. Does not enter unknown ids.
 *
 * @param labelsUnknown false when the history has shown their current labels
 * @returns how many
 */
export async function unignore(
  db: Queryable,
  mailboxId: number,
  ids: readonly string[],
  labelsUnknown: boolean,
): Promise<number> {
  if (ids.length === 0) return 0;
  const { rowCount } = await db.query(UNIGNORE, [mailboxId, ids, labelsUnknown]);
  return rowCount;
}
