/** Messages that are given up: those that killed their process each time, and the way back for all of them. */
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

/** Gives every dead message of the mailbox its attempts back. */
export async function reviveDead(db: Queryable, mailboxId: number): Promise<number> {
  const { rowCount } = await db.query(
    `update email_ledger
     set state = 'pending',
         attempt_count = 0,
         -- What killed its process is read alone again.
         attempt_open = (error_code = 'killed_process'),
         next_attempt_at = now(),
         settled_at = null
     where mailbox_id = $1::integer
       and state = 'dead'`,
    [mailboxId],
  );
  return rowCount;
}
