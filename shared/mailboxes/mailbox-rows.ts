/** The writes that bind an account to its mailbox row: one per decision of `bindAccount`, in its transaction. */

import type { Queryable } from '../db/database.ts';
import { onlyRow } from '../db/rows.ts';
import { statement } from '../db/statement.ts';

// $1 mailbox id, $2 email address
const RENAME = statement(`
update mailboxes
set email_address = $2::text
where id = $1::integer`);

// The last error belongs to the former credentials.
// $1 mailbox id, $2 email address, $3 fingerprint
const TAKE_OVER = statement(`
update mailboxes
set email_address = $2::text,
    credential_fingerprint = $3::text,
    failure_count = 0,
    next_poll_at = null,
    last_error_code = null,
    last_error = null
where id = $1::integer`);

// New credentials make the watch due: see `readWatch`. A wait after a failure of the former credentials ends.
// $1 mailbox id
const END_WATCH_WAIT = statement(`
update mailbox_watches
set next_attempt_at = null,
    error_code = null,
    error = null
where mailbox_id = $1::integer`);

// Pins a new mailbox to its current history id and plans its first listing, in one statement. So even after a crash, mail
// that arrives during that listing is in the history after the pin. The bucket is full.
// $1 email address, $2 fingerprint, $3 history id, $4 query of the first listing, $5 quota units per minute
const CREATE = statement(
  `
with created as (
  insert into mailboxes (email_address, credential_fingerprint, cursor_history_id)
  values ($1::text, $2::text, $3::numeric)
  returning id
),
planned as (
  insert into list_jobs (mailbox_id, purpose, query)
  select id, 'initial', $4::text
  from created
),
filled as (
  insert into mailbox_quota (mailbox_id, available_units)
  select id, quota_capacity($5::integer)
  from created
),
unwatched as (
  insert into mailbox_watches (mailbox_id)
  select id
  from created
)
select id
from created`,
  { id: 'integer' },
);

export async function renameMailbox(tx: Queryable, mailboxId: number, emailAddress: string): Promise<void> {
  await tx.query(RENAME, [mailboxId, emailAddress]);
}

/** Sets new credentials and clears the failures of the former ones. */
export async function takeMailboxOver(
  tx: Queryable,
  mailboxId: number,
  account: { readonly emailAddress: string; readonly fingerprint: string },
): Promise<void> {
  await tx.query(TAKE_OVER, [mailboxId, account.emailAddress, account.fingerprint]);
  await tx.query(END_WATCH_WAIT, [mailboxId]);
}

export interface NewMailbox {
  readonly emailAddress: string;
  readonly fingerprint: string;
  readonly historyId: string;
  /** The query of the first listing. */
  readonly initialQuery: string;
  readonly quotaUnitsPerMinute: number;
}

/** @returns its id */
export async function createMailbox(tx: Queryable, mailbox: NewMailbox): Promise<number> {
  const { emailAddress, fingerprint, historyId, initialQuery, quotaUnitsPerMinute } = mailbox;
  const values = [emailAddress, fingerprint, historyId, initialQuery, quotaUnitsPerMinute];
  return (await onlyRow(tx, CREATE, values)).id;
}
