/** Messages that are given up, with the reason and the remediation of each, and their way back. */
import type { Queryable } from '../db/database.ts';
import { reviveDead } from '../db/dead-messages.ts';
import { remediationForMessage } from '../errors.ts';
import type { DeadMessage } from '../schemas/records.ts';
import { ABOVE_ALL, type PageAsk, type PageOf, toPage } from './page-of.ts';

/** The highest ledger id first. */
export async function listDead(db: Queryable, ask: PageAsk): Promise<PageOf<DeadMessage>> {
  const { rows } = await db.query<Omit<DeadMessage, 'ledger_id' | 'remediation'> & { id: number }>(
    `select id, gmail_message_id, attempt_count, last_attempt_at, error_code, error_detail, discovered_at
     from email_ledger
     where state = 'dead'
       and id < $1::bigint
     order by id desc
     limit $2::integer`,
    [ask.before ?? ABOVE_ALL, ask.limit + 1],
  );
  const page = toPage(rows, ask.limit);
  return {
    nextBefore: page.nextBefore,
    rows: page.rows.map(({ id, ...row }) => ({ ledger_id: id, ...row, remediation: remediationForMessage(row.error_code, true) })),
  };
}

/** Gives one its attempts back. @returns how many were dead, null when there is no such ledger id */
export async function retryOne(db: Queryable, ledgerId: number): Promise<number | null> {
  const { rows } = await db.query<{ mailbox_id: number; gmail_message_id: string }>(
    'select mailbox_id, gmail_message_id from email_ledger where id = $1::bigint',
    [ledgerId],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return await reviveDead(db, row.mailbox_id, { gmailMessageIds: [row.gmail_message_id] });
}

/** All, of every mailbox: a person sees one list of them. @returns how many */
export async function retryAll(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ mailbox_id: number }>(
    `select distinct mailbox_id from email_ledger where state = 'dead'`,
  );
  let count = 0;
  for (const { mailbox_id: id } of rows) count += await reviveDead(db, id);
  return count;
}
