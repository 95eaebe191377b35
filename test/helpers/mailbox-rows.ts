/** Rows for tests of SQL, inserted without the code that is usually before them. */
import { randomUUID } from 'node:crypto';
import type { Queryable } from '../../shared/db/database.ts';

export interface HeldMailbox {
  readonly mailboxId: number;
  readonly token: string;
}

/** A mailbox of its own whose lease is held for a minute. */
export async function heldMailbox(db: Queryable): Promise<HeldMailbox> {
  const token = randomUUID();
  const { rows } = await db.query<{ id: number }>(
    `insert into mailboxes (email_address, cursor_history_id, lease_token, lease_holder, lease_expires_at)
     values ($1::text, 100, $2::uuid, 'test', now() + interval '1 minute')
     returning id`,
    [`${token}@example.com`, token],
  );
  const mailboxId = rows[0]?.id ?? 0;
  await db.query('insert into mailbox_quota (mailbox_id, available_units) values ($1::integer, 100)', [
    mailboxId,
  ]);
  return { mailboxId, token };
}

/** Ledger rows that wait for their first attempt. */
export async function insertPending(db: Queryable, mailboxId: number, ...ids: string[]): Promise<void> {
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source)
     select $1::integer, id, 'history'
     from unnest($2::text[]) id`,
    [mailboxId, ids],
  );
}
