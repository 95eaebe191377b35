/**
 * What persons have said about accounts that the database does not know: a new mailbox, or a known one under a new address.
 * Kept until an account is bound, because Gmail may not answer when it is given. Called by `bindAccount` and at `start`.
 */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';
import { statement } from './statement.ts';

// Its row is kept, because the request of a person may come twice: see `CAN_BE_RENAMED`.
// $1 email address that is bound
const END_CONFIRMATION = statement(
  `
update mailbox_confirmations
set applied_at = now()
where email_address = $1::text
  and applied_at is null`,
  {},
);

/** An account is bound to the address: a confirmation of it no longer counts. */
export async function endConfirmation(db: Queryable, emailAddress: string): Promise<void> {
  await db.query(END_CONFIRMATION, [emailAddress]);
}

// A confirmation is about the mailboxes that had the addresses when it was given.
// $1 email address that a mailbox gives up, $2 email address that it gets
const FORGET_CONFIRMATIONS = statement(
  `
delete from mailbox_confirmations
where email_address = $1::text
  or renamed_from = $2::text`,
  {},
);

/** A mailbox gives up one address for another. */
export async function forgetConfirmations(db: Queryable, givenUp: string, taken: string): Promise<void> {
  await db.query(FORGET_CONFIRMATIONS, [givenUp, taken]);
}

// $1 email address, $2 former email address
const CONFIRM_RENAME = statement(
  `
insert into mailbox_confirmations (email_address, renamed_from)
values ($1::text, $2::text)
on conflict (email_address) do update
  set renamed_from = excluded.renamed_from,
      confirmed_at = now(),
      applied_at = null`,
  {},
);

// Nothing to confirm when the credentials are known to be of this mailbox.
// $1 email address, $2 fingerprint
const CONFIRM_NEW = statement(
  `
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
      applied_at = null`,
  {},
);

/** Keeps the word of a person that the account with this address is a known mailbox under its former address. May run twice. */
export async function confirmRename(db: Queryable, emailAddress: string, renamedFrom: string): Promise<void> {
  await db.query(CONFIRM_RENAME, [emailAddress, renamedFrom]);
}

/** Keeps the word of a person that the account of these credentials is a mailbox of its own. May run twice. */
export async function confirmNewMailbox(
  db: Queryable,
  emailAddress: string,
  fingerprint: string,
): Promise<void> {
  await db.query(CONFIRM_NEW, [emailAddress.toLowerCase(), fingerprint]);
}

// An address counts as known too when its mailbox was renamed by this very confirmation: the request may come twice.
// $1 email address
// One row always.
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
  const { rows } = await db.query(CAN_BE_RENAMED, [emailAddress]);
  if (rows[0]?.is_known === true) return;
  const known = rows[0]?.known_addresses ?? null;
  throw new AppError(
    'bad_request',
    `renamed_from names ${emailAddress}, which is no known mailbox. ` +
      (known === null ? 'None is known: POST start without it.' : `Known: ${known}.`),
  );
}
