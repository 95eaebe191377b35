/**
 * Messages of the ledger that are not stored, by state or by Gmail id. The ledger counts an erased email as stored; its state is
 * `erased` here.
 * Invariant: the time of a query depends on the number of returned rows, and of failing or dead messages, not on the ledger.
 */
import type { Queryable } from '../../shared/db/database.ts';
import { type RowOf, type Statement, statement } from '../../shared/db/statement.ts';
import { MAX_ID, type PageRequest, type ResultPage, toPage } from './pagination.ts';

export const LISTED_STATES = ['failing', 'waiting', 'dead', 'given_up', 'ignored', 'gone'] as const;
export type ListedState = (typeof LISTED_STATES)[number];

const SELECTED = `
l.id, l.mailbox_id, m.email_address, l.gmail_message_id,
       case when l.erased_at is null then l.state else 'erased' end as state, l.claim_token is not null as is_claimed,
       l.ignored_rule, l.attempt_count, l.last_attempt_at, l.next_attempt_at, l.error_code, l.error_detail, l.discovered_at,
       coalesce(l.erased_at, l.resolved_at) as resolved_at, l.given_up_at`.trim();

const COLUMNS = {
  id: 'bigint',
  mailbox_id: 'integer',
  email_address: 'text',
  gmail_message_id: 'text',
  state: 'text',
  is_claimed: 'boolean',
  ignored_rule: 'text?',
  attempt_count: 'integer',
  last_attempt_at: 'timestamp with time zone?',
  next_attempt_at: 'timestamp with time zone?',
  error_code: 'text?',
  error_detail: 'text?',
  discovered_at: 'timestamp with time zone',
  resolved_at: 'timestamp with time zone?',
  given_up_at: 'timestamp with time zone?',
} as const;

export type LedgerMessage = RowOf<typeof COLUMNS>;

/** Reads each row by its id. The planner would scan the whole table for the number of ids that it expects. */
const JOIN_LEDGER = `
cross join lateral (
  select *
  from email_ledger
  where id = f.id
  limit 1
) l`.trim();

/** @param found the ids, as the body of a `with`; they are collected first, so that the planner does not scan the table by id */
function listById(found: string): Statement<LedgerMessage> {
  return statement(
    `
with found as materialized (${found}
)
select ${SELECTED}
from found f
${JOIN_LEDGER}
join mailboxes m on m.id = l.mailbox_id
order by l.id desc
limit $2::integer`,
    COLUMNS,
  );
}

// As `status` counts them.
// $1 ids below bigint, $2 rows int
const FAILING = listById(`
  select id
  from email_ledger
  where state = 'pending'
    and last_attempt_at is not null
    and error_code is not null
    and id < $1::bigint
  union all
  select id
  from email_ledger
  where state = 'dead'
    and given_up_at is null
    and id < $1::bigint`);

// The newest of each priority by idx_email_ledger_untried, so that a backlog is not read; and the few that a run has claimed or
// that may have crashed one.
// $1 ids below bigint, $2 rows int
const WAITING = listById(`
  select untried.id
  from mailboxes m
  cross join (values (0::smallint), (1::smallint)) priorities (priority)
  cross join lateral (
    select l.id
    from email_ledger l
    where l.mailbox_id = m.id
      and l.priority = priorities.priority
      and l.state = 'pending'
      and l.last_attempt_at is null
      and l.claim_token is null
      and not l.is_crash_suspect
      and l.id < $1::bigint
    order by l.id desc
    limit $2::integer
  ) untried
  union all
  select id
  from email_ledger
  where (claim_token is not null or is_crash_suspect)
    and state = 'pending'
    and (last_attempt_at is null or error_code is null)
    and id < $1::bigint`);

// $1 ids below bigint, $2 rows int
const DEAD = listById(`
  select id
  from email_ledger
  where state = 'dead'
    and id < $1::bigint`);

// $1 ids below bigint, $2 rows int
const GIVEN_UP = listById(`
  select id
  from email_ledger
  where state = 'dead'
    and given_up_at is not null
    and id < $1::bigint`);

/** A CTE of every rule that the ledger has, by one look into idx_email_ledger_ignored for each. */
export const IGNORED_RULES = `
rules (rule) as (
  (
    select ignored_rule
    from email_ledger
    where state = 'ignored'
    order by ignored_rule
    limit 1
  )
  union all
  select (
           select l.ignored_rule
           from email_ledger l
           where l.state = 'ignored'
             and l.ignored_rule > r.rule
           order by l.ignored_rule
           limit 1
         )
  from rules r
  where r.rule is not null
)`;

/** The last row of the previous page, $1. Without one, $1 is the id of no row. */
const LAST_SHOWN = `
last_shown as materialized (
  select coalesce(resolved_at, discovered_at) as at
  from email_ledger
  where id = $1::bigint
)`;

// $1 id of the last row before the page bigint, $2 rows int, $3 rule text or null
const IGNORED = statement(
  `
with recursive ${IGNORED_RULES},
${LAST_SHOWN},
found as materialized (
  select newest.id
  from rules r
  cross join lateral (
    select l.id
    from email_ledger l
    where l.state = 'ignored'
      and l.ignored_rule = r.rule
      and (l.resolved_at, l.id) < (coalesce((select at from last_shown), 'infinity'), $1::bigint)
    order by l.resolved_at desc, l.id desc
    limit $2::integer
  ) newest
  where $3::text is null
     or r.rule = $3::text
)
select ${SELECTED}
from found f
${JOIN_LEDGER}
join mailboxes m on m.id = l.mailbox_id
order by l.resolved_at desc, l.id desc
limit $2::integer`,
  COLUMNS,
);

// $1 id of the last row before the page bigint, $2 rows int
const GONE = statement(
  `
with ${LAST_SHOWN},
found as materialized (
  select l.id
  from email_ledger l
  where l.state = 'gone'
    and (l.resolved_at, l.id) < (coalesce((select at from last_shown), 'infinity'), $1::bigint)
  order by l.resolved_at desc, l.id desc
  limit $2::integer
)
select ${SELECTED}
from found f
${JOIN_LEDGER}
join mailboxes m on m.id = l.mailbox_id
order by l.resolved_at desc, l.id desc`,
  COLUMNS,
);

const LISTS = { failing: FAILING, waiting: WAITING, dead: DEAD, given_up: GIVEN_UP, gone: GONE } as const;

/**
 * A page of messages of all mailboxes: ignored and gone ones by the time of this, the others by discovery, the newest first.
 *
 * @param rule for ignored messages only; null for every rule
 */
export async function listMessages(
  db: Queryable,
  state: ListedState,
  rule: string | null,
  request: PageRequest,
): Promise<ResultPage<LedgerMessage>> {
  const parameters = [request.beforeId ?? MAX_ID, request.limit + 1];
  const { rows } =
    state === 'ignored'
      ? await db.query(IGNORED, [...parameters, rule])
      : await db.query(LISTS[state], parameters);
  return toPage(rows, request.limit);
}

// $1 Gmail message ids text[], $2 mailbox id int or null for all
const BY_GMAIL_IDS = statement(
  `
select ${SELECTED}
from mailboxes m
join email_ledger l on l.mailbox_id = m.id
where l.gmail_message_id = any ($1::text[])
  and ($2::integer is null or m.id = $2::integer)
order by l.id desc`,
  COLUMNS,
);

/** Messages in any state, stored and erased ones included. @param mailboxId null for all mailboxes */
export async function findByGmailIds(
  db: Queryable,
  gmailMessageIds: readonly string[],
  mailboxId: number | null,
): Promise<LedgerMessage[]> {
  const { rows } = await db.query(BY_GMAIL_IDS, [gmailMessageIds, mailboxId]);
  return rows;
}
