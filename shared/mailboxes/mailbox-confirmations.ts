/**
 * Operator confirmations about accounts that the database does not know: a new mailbox, or a known one under a new address.
 * They are stored until an account is bound, because Gmail may be unavailable when the operator confirms. Called by
 * `bindAccount` and at `start`.
 */

import type { Queryable } from '../db/database.ts';
import { onlyRow } from '../db/rows.ts';
import { statement } from '../db/statement.ts';
import { AppError } from '../errors.ts';

// The row is kept, because the operator may repeat the request: see `CAN_BE_RENAMED`.
// $1 bound email address
const END_CONFIRMATION = statement(`
update mailbox_confirmations
set applied_at = now()
where email_address = $1::text
  and applied_at is null`);

/** Ends the confirmation of an address that an account is now bound to. May run twice. */
export async function endConfirmation(db: Queryable, emailAddress: string): Promise<void> {
  await db.query(END_CONFIRMATION, [emailAddress]);
}

// A confirmation refers to the mailboxes that had its addresses when it was given.
// $1 former email address of a mailbox, $2 its new email address
const DELETE_CONFIRMATIONS = statement(`
delete from mailbox_confirmations
where email_address = $1::text
  or renamed_from = $2::text`);

/** Deletes the confirmations that the rename of a mailbox makes obsolete. */
export async function deleteConfirmations(db: Queryable, former: string, current: string): Promise<void> {
  await db.query(DELETE_CONFIRMATIONS, [former, current]);
}

// $1 email address, $2 former email address
const CONFIRM_RENAME = statement(`
insert into mailbox_confirmations (email_address, renamed_from)
values ($1::text, $2::text)
on conflict (email_address) do update
  set renamed_from = excluded.renamed_from,
      confirmed_at = now(),
      applied_at = null`);

// Inserts nothing when these credentials already belong to this mailbox.
// $1 email address, $2 fingerprint
const CONFIRM_NEW = statement(`
insert into mailbox_confirmations (email_address)
select $1::text
where not exists (
  select 1
  from mailboxes m
  where m.email_address = $1::text
    and m.credential_fingerprint = $2::text
)
on conflict (email_address) do update
  set renamed_from = null,
      confirmed_at = now(),
      applied_at = null`);

/** Confirms that the account with this address is a known mailbox, under its former address. May run twice. */
export async function confirmRename(db: Queryable, emailAddress: string, renamedFrom: string): Promise<void> {
  await db.query(CONFIRM_RENAME, [emailAddress, renamedFrom]);
}

/** Confirms that the account of these credentials is a new mailbox. May run twice. */
export async function confirmNewMailbox(
  db: Queryable,
  emailAddress: string,
  fingerprint: string,
): Promise<void> {
  await db.query(CONFIRM_NEW, [emailAddress.toLowerCase(), fingerprint]);
}

// An address also counts as known after this confirmation renamed its mailbox, because the operator may repeat the request.
// $1 email address
// Always one row.
const CAN_BE_RENAMED = statement(
  `
select exists (select 1 from mailboxes m where m.email_address = $1::text)
         or exists (select 1 from mailbox_confirmations c where c.renamed_from = $1::text) as is_known,
       (
         select string_agg(m.email_address, ', ' order by m.id)
         from mailboxes m
       ) as known_addresses`,
  { is_known: 'boolean', known_addresses: 'text?' },
);

/** @throws {AppError} bad_request when no known mailbox has or had the address */
export async function assertCanBeRenamed(db: Queryable, emailAddress: string): Promise<void> {
  const { is_known: isKnown, known_addresses: known } = await onlyRow(db, CAN_BE_RENAMED, [emailAddress]);
  if (isKnown) return;
  throw new AppError(
    'bad_request',
    `renamed_from names ${emailAddress}, which is not a known mailbox. ` +
      (known === null ? 'No mailbox is known: POST start without it.' : `Known: ${known}.`),
  );
}
