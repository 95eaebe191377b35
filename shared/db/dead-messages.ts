/** Messages that are given up: those that killed their process each time, and the way back for them. */
import type { Queryable } from './database.ts';
import type { Fence } from './lease.ts';

export interface Buried {
  readonly gmailMessageId: string;
  readonly attempts: number;
  readonly errorCode: string;
}

/**
 * Ends as dead what has failed, or killed its process, as often as a message may.
 *
 * @returns what was buried
 */
export async function buryExhausted(
  db: Queryable,
  fence: Fence,
  rule: { readonly maxAttempts: number; readonly runStartedAt: Date },
): Promise<Buried[]> {
  const { rows } = await db.query<{ gmail_message_id: string; attempt_count: number; error_code: string }>(
    `update email_ledger
     set state = 'dead',
         attempt_open = false,
         error_code = case when attempt_open then 'killed_process' else coalesce(error_code, 'internal') end,
         error_detail = case when attempt_open then 'Its last attempt ended with its process.' else error_detail end,
         settled_at = now()
     where mailbox_id = $1::integer
       and state = 'pending'
       and attempt_count >= $2::integer
       and (not attempt_open or last_attempt_at < $3::timestamptz)
       and exists (
         select 1
         from mailboxes m
         where m.id = $1::integer
           and m.lease_token = $4::uuid
           and m.lease_expires_at > now()
       )
     returning gmail_message_id, attempt_count, error_code`,
    [fence.mailboxId, rule.maxAttempts, rule.runStartedAt, fence.token],
  );
  return rows.map((row) => ({
    gmailMessageId: row.gmail_message_id,
    attempts: row.attempt_count,
    errorCode: row.error_code,
  }));
}

/** Which of the dead messages; all of them where nothing is said. */
export interface DeadChoice {
  readonly gmailMessageIds?: readonly string[];
  readonly errorCodes?: readonly string[];
}

export interface DeadMessage {
  readonly gmailMessageId: string;
  readonly attempts: number;
  /** Null in a row that was set by hand. */
  readonly errorCode: string | null;
  readonly errorDetail: string | null;
  readonly diedAt: Date | null;
}

// $1 mailbox id int, $2 Gmail message ids text[] or null, $3 error codes text[] or null
const CHOSEN = `mailbox_id = $1::integer
       and state = 'dead'
       and ($2::text[] is null or gmail_message_id = any ($2::text[]))
       and ($3::text[] is null or error_code = any ($3::text[]))`;

function chosen(mailboxId: number, choice: DeadChoice): unknown[] {
  return [mailboxId, choice.gmailMessageIds ?? null, choice.errorCodes ?? null];
}

/** By error, then in the order of their end. */
export async function listDead(
  db: Queryable,
  mailboxId: number,
  choice: DeadChoice = {},
): Promise<DeadMessage[]> {
  const { rows } = await db.query<{
    gmail_message_id: string;
    attempt_count: number;
    error_code: string | null;
    error_detail: string | null;
    settled_at: Date | null;
  }>(
    `select gmail_message_id, attempt_count, error_code, error_detail, settled_at
     from email_ledger
     where ${CHOSEN}
     order by error_code, settled_at, id`,
    chosen(mailboxId, choice),
  );
  return rows.map((row) => ({
    gmailMessageId: row.gmail_message_id,
    attempts: row.attempt_count,
    errorCode: row.error_code,
    errorDetail: row.error_detail,
    diedAt: row.settled_at,
  }));
}

/** Gives the chosen dead messages of the mailbox their attempts back. May run twice. @returns how many */
export async function reviveDead(db: Queryable, mailboxId: number, choice: DeadChoice = {}): Promise<number> {
  const { rowCount } = await db.query(
    `update email_ledger
     set state = 'pending',
         attempt_count = 0,
         -- What killed its process is read alone again.
         attempt_open = (error_code is not distinct from 'killed_process'),
         next_attempt_at = now(),
         settled_at = null
     where ${CHOSEN}`,
    chosen(mailboxId, choice),
  );
  return rowCount;
}

/** What the ledger says of these messages; what it does not know is left out. */
export async function readStates(
  db: Queryable,
  mailboxId: number,
  gmailMessageIds: readonly string[],
): Promise<Map<string, { readonly state: string; readonly errorCode: string | null }>> {
  const { rows } = await db.query<{ gmail_message_id: string; state: string; error_code: string | null }>(
    `select gmail_message_id, state, error_code
     from email_ledger
     where mailbox_id = $1::integer
       and gmail_message_id = any ($2::text[])`,
    [mailboxId, gmailMessageIds],
  );
  return new Map(rows.map((row) => [row.gmail_message_id, { state: row.state, errorCode: row.error_code }]));
}
