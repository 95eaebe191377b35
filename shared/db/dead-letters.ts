/** Dead letters: messages that reached the limit of attempts. An operator lists them, requeues them or gives them up. */
import type { Queryable } from './database.ts';
import { camelCase, type RowOfStatement } from './rows.ts';
import { statement } from './statement.ts';

/** Selects dead letters; without any field, all of them. */
export interface DeadLetterSelection {
  readonly gmailMessageIds?: readonly string[];
  readonly errorCodes?: readonly string[];
}

// $1 mailbox id, $2 ids or null, $3 error codes or null
const LIST = statement(
  `
select gmail_message_id, attempt_count, error_code, error_detail, resolved_at as died_at, next_attempt_at, given_up_at
from email_ledger
where mailbox_id = $1::integer
  and state = 'dead'
  and ($2::text[] is null or gmail_message_id = any ($2::text[]))
  and ($3::text[] is null or error_code = any ($3::text[]))
order by error_code, resolved_at, id`,
  {
    gmail_message_id: 'text',
    attempt_count: 'integer',
    /** Null in a row that was set by hand. */
    error_code: 'text?',
    error_detail: 'text?',
    died_at: 'timestamp with time zone?',
    /** The next daily retry; null when no retry is planned. */
    next_attempt_at: 'timestamp with time zone?',
    given_up_at: 'timestamp with time zone?',
  },
);

export type ListedDeadLetter = RowOfStatement<typeof LIST>;

/** Returns dead letters by error code, then oldest first. */
export async function listDeadLetters(
  db: Queryable,
  mailboxId: number,
  selection: DeadLetterSelection = {},
): Promise<ListedDeadLetter[]> {
  const { rows } = await db.query(LIST, parametersOf(mailboxId, selection));
  return rows.map(camelCase);
}

// A message that crashed its process is still fetched alone.
// $1 mailbox id, $2 ids or null, $3 error codes or null
const REQUEUE = statement(`
update email_ledger
set state = 'pending',
    attempt_count = 0,
    crash_count = 0,
    is_crash_suspect = (error_code is not distinct from 'killed_process'),
    last_attempt_at = null,
    next_attempt_at = now(),
    resolved_at = null,
    given_up_at = null
where mailbox_id = $1::integer
  and state = 'dead'
  and (given_up_at is null or $2::text[] is not null or $3::text[] is not null)
  and ($2::text[] is null or gmail_message_id = any ($2::text[]))
  and ($3::text[] is null or error_code = any ($3::text[]))`);

/**
 * Makes the selected dead letters pending and resets their attempts; without a selection, none that was given up. May run twice.
 *
 * @returns how many
 */
export async function requeueDeadLetters(
  db: Queryable,
  mailboxId: number,
  selection: DeadLetterSelection = {},
): Promise<number> {
  const { rowCount } = await db.query(REQUEUE, parametersOf(mailboxId, selection));
  return rowCount;
}

// $1 mailbox id, $2 ids or null, $3 error codes or null
const GIVE_UP = statement(`
update email_ledger
set given_up_at = now(),
    next_attempt_at = null
where mailbox_id = $1::integer
  and state = 'dead'
  and given_up_at is null
  and ($2::text[] is null or gmail_message_id = any ($2::text[]))
  and ($3::text[] is null or error_code = any ($3::text[]))`);

/** Gives up the selected dead letters: they are not retried and no longer count as failing. @returns how many */
export async function giveUpDeadLetters(
  db: Queryable,
  mailboxId: number,
  selection: DeadLetterSelection = {},
): Promise<number> {
  const { rowCount } = await db.query(GIVE_UP, parametersOf(mailboxId, selection));
  return rowCount;
}

function parametersOf(mailboxId: number, selection: DeadLetterSelection): unknown[] {
  return [mailboxId, selection.gmailMessageIds ?? null, selection.errorCodes ?? null];
}

// $1 mailbox id, $2 ids
const STATES = statement(
  `
select gmail_message_id, state, error_code
from email_ledger
where mailbox_id = $1::integer
  and gmail_message_id = any ($2::text[])`,
  { gmail_message_id: 'text', state: 'text', error_code: 'text?' },
);

/** Returns state and error code by Gmail message id; omits ids that the ledger does not have. */
export async function readLedgerStates(
  db: Queryable,
  mailboxId: number,
  gmailMessageIds: readonly string[],
): Promise<Map<string, { readonly state: string; readonly errorCode: string | null }>> {
  const { rows } = await db.query(STATES, [mailboxId, gmailMessageIds]);
  return new Map(rows.map((row) => [row.gmail_message_id, { state: row.state, errorCode: row.error_code }]));
}
