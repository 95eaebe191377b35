/** Dead messages, each with its error and remediation. An operator can requeue them, or give one up. */
import type { Queryable } from '../db/database.ts';
import { statement } from '../db/statement.ts';
import { remediationFor } from '../errors.ts';
import { ABOVE_ALL, type PageAsk, type PageOf, toPage } from './page-of.ts';

/** The JSON answer. */
export interface DeadLetter {
  readonly ledger_id: number;
  readonly gmail_message_id: string;
  readonly attempt_count: number;
  readonly last_attempt_at: Date | null;
  readonly error_code: string | null;
  readonly error_detail: string | null;
  readonly remediation: string | null;
  readonly discovered_at: Date;
  /** An operator gave it up: it no longer counts as failing. */
  readonly given_up_at: Date | null;
}

// $1 ids below bigint, $2 rows int
const LIST = statement(
  `
select id, gmail_message_id, attempt_count, last_attempt_at, error_code, error_detail, discovered_at, given_up_at
from email_ledger
where state = 'dead'
  and id < $1::bigint
order by id desc
limit $2::integer`,
  {
    id: 'bigint',
    gmail_message_id: 'text',
    attempt_count: 'integer',
    last_attempt_at: 'timestamp with time zone?',
    error_code: 'text?',
    error_detail: 'text?',
    discovered_at: 'timestamp with time zone',
    given_up_at: 'timestamp with time zone?',
  },
);

// A message that crashed the process is fetched alone again.
const REQUEUED = `
    state = 'pending',
    attempt_count = 0,
    is_crash_suspect = (error_code is not distinct from 'killed_process'),
    crash_count = 0,
    next_attempt_at = now(),
    resolved_at = null,
    given_up_at = null`;

// $1 ledger id bigint
// No row: there is no such ledger id.
const REQUEUE_ONE = statement(
  `
with known as (
  select id
  from email_ledger
  where id = $1::bigint
),
requeued as (
  update email_ledger
  set ${REQUEUED}
  where id = (select id from known)
    and state = 'dead'
  returning 1
)
select (select count(*) from requeued)::integer as requeued_count
from known`,
  { requeued_count: 'integer' },
);

const REQUEUE_ALL = statement(
  `
update email_ledger
set ${REQUEUED}
where state = 'dead'
  and given_up_at is null`,
  {},
);

// $1 ledger id bigint
// No row: there is no such ledger id.
const GIVE_UP = statement(
  `
with known as (
  select id
  from email_ledger
  where id = $1::bigint
),
given_up as (
  update email_ledger
  set given_up_at = now()
  where id = (select id from known)
    and state = 'dead'
    and given_up_at is null
  returning 1
)
select (select count(*) from given_up)::integer as given_up_count
from known`,
  { given_up_count: 'integer' },
);

/** The highest ledger id first. */
export async function listDeadLetters(db: Queryable, ask: PageAsk): Promise<PageOf<DeadLetter>> {
  const { rows } = await db.query(LIST, [ask.before ?? ABOVE_ALL, ask.limit + 1]);
  const page = toPage(rows, ask.limit);
  return {
    nextBefore: page.nextBefore,
    rows: page.rows.map(({ id, ...row }) => ({
      ledger_id: id,
      ...row,
      remediation: remediationFor(row.error_code),
    })),
  };
}

/**
 * Makes one dead message pending again, with all its attempts, also after it was given up.
 *
 * @returns 0 when it is not dead, null when there is no such ledger id
 */
export async function requeueOne(db: Queryable, ledgerId: number): Promise<number | null> {
  const { rows } = await db.query(REQUEUE_ONE, [ledgerId]);
  return rows[0]?.requeued_count ?? null;
}

/** The dead messages of all mailboxes, except those that were given up. @returns how many */
export async function requeueAll(db: Queryable): Promise<number> {
  const { rowCount } = await db.query(REQUEUE_ALL);
  return rowCount;
}

/** @returns 0 when it is not dead or was given up before, null when there is no such ledger id */
export async function giveUp(db: Queryable, ledgerId: number): Promise<number | null> {
  const { rows } = await db.query(GIVE_UP, [ledgerId]);
  return rows[0]?.given_up_count ?? null;
}
