/** What an operator can do about messages that fail: retry one or all, or give a dead one up. Nothing is charged to a message. */
import type { Queryable } from '../../shared/db/database.ts';
import { giveUpDeadLetters, requeueDeadLetters } from '../../shared/db/dead-letters.ts';
import { statement } from '../../shared/db/statement.ts';

// $1 ledger id bigint
const FIND = statement(
  `
select mailbox_id, gmail_message_id, state
from email_ledger
where id = $1::bigint`,
  { mailbox_id: 'integer', gmail_message_id: 'text', state: 'text' },
);

// $1 ledger id bigint, or null for all
const MAKE_DUE = statement(`
update email_ledger
set next_attempt_at = least(next_attempt_at, now())
where state = 'pending'
  and last_attempt_at is not null
  and error_code is not null
  and ($1::bigint is null or id = $1::bigint)`);

const DEAD = statement(
  `
select mailbox_id, array_agg(gmail_message_id) as gmail_message_ids
from email_ledger
where state = 'dead'
  and given_up_at is null
group by mailbox_id`,
  { mailbox_id: 'integer', gmail_message_ids: 'text[]' },
);

/**
 * Requeues a dead message, or makes a failing one due. May run twice.
 *
 * @returns 1; 0 when the message neither fails nor is dead; null when the ledger id does not exist
 */
export async function retryOne(db: Queryable, ledgerId: number): Promise<number | null> {
  const { rows } = await db.query(FIND, [ledgerId]);
  const row = rows[0];
  if (row === undefined) return null;
  if (row.state === 'dead')
    return await requeueDeadLetters(db, row.mailbox_id, { gmailMessageIds: [row.gmail_message_id] });
  return (await db.query(MAKE_DUE, [ledgerId])).rowCount;
}

/** Retries every failing message of all mailboxes, because the console shows them in one list. @returns how many */
export async function retryAll(db: Queryable): Promise<number> {
  let { rowCount: count } = await db.query(MAKE_DUE, [null]);
  const { rows } = await db.query(DEAD);
  for (const { gmail_message_ids: gmailMessageIds, mailbox_id: mailboxId } of rows)
    count += await requeueDeadLetters(db, mailboxId, { gmailMessageIds });
  return count;
}

/** May run twice. @returns 1; 0 when it is not dead or was given up before; null when the ledger id does not exist */
export async function giveUpOne(db: Queryable, ledgerId: number): Promise<number | null> {
  const { rows } = await db.query(FIND, [ledgerId]);
  const row = rows[0];
  if (row === undefined) return null;
  return await giveUpDeadLetters(db, row.mailbox_id, { gmailMessageIds: [row.gmail_message_id] });
}
