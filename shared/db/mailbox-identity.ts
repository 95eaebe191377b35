/**
 * Which mailbox row belongs to the account behind the credentials, decided and written in one transaction.
 * Called by `identifyMailbox` with what Gmail says about the account.
 * Invariant: one account has one row, and a row never changes its account without the confirmation of a person.
 */
import { AppError } from '../errors.ts';
import type { Database, Queryable } from './database.ts';
import { statement } from './statement.ts';

export interface Account {
  /** SHA-256 of client id and refresh token. */
  readonly fingerprint: string;
  /** As Gmail gives it now, in lower case. */
  readonly emailAddress: string;
  /** Gmail's current history id of the mailbox. */
  readonly historyId: string;
}

export interface NewMailboxSettings {
  /** The query of the first listing. */
  readonly initialQuery: string;
  /** GMAIL_QUOTA_UNITS_PER_MINUTE. */
  readonly quotaUnitsPerMinute: number;
}

export interface IdentifiedMailbox {
  readonly id: number;
  readonly emailAddress: string;
  readonly change: 'unchanged' | 'renamed' | 'taken_over' | 'created';
  /** The address that the row had before; null when it is the same, or the row is new. */
  readonly previousAddress: string | null;
}

// What the database knows of an account. A confirmation counts once, and is about mailboxes that existed when it was given:
// one of a new name never means a mailbox that got the former name later, and one of a new mailbox counts for an address
// that another mailbox has only when that mailbox is older.
// $1 fingerprint, $2 email address, $3 history id
// One row always.
const FACTS = statement(
  `
select k.id as known_id, k.email_address as known_address,
       a.id as address_id,
       coalesce($3::numeric >= a.cursor_history_id, false) as may_be_same_account,
       coalesce(c.renamed_from is null and (a.id is null or c.confirmed_at > a.created_at), false)
         and c.email_address is not null as is_confirmed_new,
       r.id as renamed_id, r.email_address as renamed_address,
       (
         select string_agg(m.email_address, ', ' order by m.id)
         from mailboxes m
       ) as known_addresses
from (values (1)) one (n)
left join mailboxes k on k.credential_fingerprint = $1::text
left join mailboxes a on a.email_address = $2::text
left join mailbox_confirmations c on c.email_address = $2::text and c.applied_at is null
left join mailboxes r on r.email_address = c.renamed_from and r.created_at < c.confirmed_at`,
  {
    known_id: 'integer?',
    known_address: 'text?',
    address_id: 'integer?',
    may_be_same_account: 'boolean',
    is_confirmed_new: 'boolean',
    renamed_id: 'integer?',
    renamed_address: 'text?',
    known_addresses: 'text?',
  },
);

type Facts = NonNullable<typeof FACTS.row>;

type Decision =
  | { readonly kind: 'unchanged'; readonly id: number }
  | { readonly kind: 'renamed' | 'taken_over'; readonly id: number; readonly from: string }
  | { readonly kind: 'created' };

/**
 * Known credentials prove the account, because Google binds a refresh token to one account: only its address can have
 * changed. New credentials prove nothing but an address. Gmail's history ids of a mailbox only rise, so an account whose
 * history is behind the cursor of the row is another account that was given the same address.
 *
 * @returns null when a person has to say whose mailbox it is
 */
function decide(facts: Facts, address: string): Decision | null {
  if (facts.known_id !== null) {
    const from = facts.known_address ?? address;
    return from === address
      ? { kind: 'unchanged', id: facts.known_id }
      : { kind: 'renamed', id: facts.known_id, from };
  }
  if (facts.renamed_id !== null)
    return { kind: 'taken_over', id: facts.renamed_id, from: facts.renamed_address ?? address };
  if (facts.address_id !== null && facts.may_be_same_account)
    return { kind: 'taken_over', id: facts.address_id, from: address };
  return facts.is_confirmed_new || facts.known_addresses === null ? { kind: 'created' } : null;
}

/**
 * Binds the account to its row: known, renamed, taken over or created. May run twice, and by many instances at once.
 *
 * @param renamedFrom address of a known mailbox that a person declares to be this account under its former address
 * @throws {AppError} account_unconfirmed, with both addresses
 */
export async function bindAccount(
  db: Database,
  account: Account,
  settings: NewMailboxSettings,
  renamedFrom: string | null = null,
): Promise<IdentifiedMailbox> {
  const { emailAddress } = account;
  const known = await readFacts(db, account);
  if (known.known_id !== null && known.known_address === emailAddress)
    return { id: known.known_id, emailAddress, change: 'unchanged', previousAddress: null };
  return await db.transaction(async (tx) => {
    await tx.query(LOCK);
    if (renamedFrom !== null) await tx.query(CONFIRM_RENAME, [emailAddress, renamedFrom]);
    const facts = await readFacts(tx, account);
    const decision = decide(facts, emailAddress);
    if (decision === null) throw unconfirmed(account, facts);
    const id = await apply(tx, decision, facts, account, settings);
    if (decision.kind !== 'unchanged') await tx.query(END_CONFIRMATION, [emailAddress]);
    const previousAddress = 'from' in decision && decision.from !== emailAddress ? decision.from : null;
    return { id, emailAddress, change: decision.kind, previousAddress };
  });
}

// Two instances that meet a new account decide one after the other. Not by a row: the end of a run locks the mailbox row
// and then the status row, and this transaction goes on to mailbox rows.
const LOCK = statement(
  `
select true as is_locked
from pg_advisory_xact_lock(hashtextextended('email_monitor.bind_account', 0))`,
  { is_locked: 'boolean' },
);

async function readFacts(db: Queryable, account: Account): Promise<Facts> {
  const { rows } = await db.query(FACTS, [account.fingerprint, account.emailAddress, account.historyId]);
  const row = rows[0];
  if (row === undefined) throw new AppError('internal', 'The facts of an account were not returned.');
  return row;
}

function unconfirmed({ emailAddress }: Account, { known_addresses, address_id }: Facts): AppError {
  return new AppError(
    'account_unconfirmed',
    address_id === null
      ? `The credentials are of ${emailAddress}; the database knows ${known_addresses}.`
      : `The credentials are of ${emailAddress}, and so is a known mailbox, but the history of the account is older than ` +
          'what was read from that mailbox: the address may have been given to another account.',
  );
}

// $1 mailbox id, $2 email address
const RENAME = statement(
  `
update mailboxes
set email_address = $2::text
where id = $1::integer`,
  {},
);

// The last error was that of other credentials.
// $1 mailbox id, $2 email address, $3 fingerprint
const TAKE_OVER = statement(
  `
update mailboxes
set email_address = $2::text,
    credential_fingerprint = $3::text,
    failure_count = 0,
    next_poll_at = null,
    last_error_code = null,
    last_error = null,
    last_error_at = null
where id = $1::integer`,
  {},
);

// With other credentials the watch is due: see `READ_WATCH`. A wait after a failure of theirs ends.
// $1 mailbox id
const END_WATCH_WAIT = statement(
  `
update mailbox_watches
set next_attempt_at = null,
    error_code = null,
    error = null
where mailbox_id = $1::integer`,
  {},
);

// The account of this row no longer has the address: Gmail has just named another account by it. The row keeps its mail
// and its credentials; when these are used again, Gmail gives its present address. No push and no confirmation can name it.
// $1 mailbox id
const RETIRE_ADDRESS = statement(
  `
update mailboxes
set email_address = 'formerly ' || email_address || ' (mailbox ' || id || ')'
where id = $1::integer`,
  {},
);

// A confirmation is about the mailboxes that had the addresses when it was given.
// $1 email address that a mailbox gives up, $2 email address that it gets
const FORGET_CONFIRMATIONS = statement(
  `
delete from mailbox_confirmations
where email_address = $1::text
  or renamed_from = $2::text`,
  {},
);

// A new mailbox is pinned to its current history id in the statement that plans its first listing: what arrives during
// that listing is in the history after the pin, whatever happens to the process. The bucket is full, with a sixtieth of
// the budget in reserve, as in `QuotaBudget`.
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
  select id, $5::double precision * 59 / 60
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

async function apply(
  tx: Queryable,
  decision: Decision,
  facts: Facts,
  account: Account,
  settings: NewMailboxSettings,
): Promise<number> {
  const { emailAddress, fingerprint, historyId } = account;
  const id = 'id' in decision ? decision.id : null;
  if (facts.address_id !== null && facts.address_id !== id)
    await tx.query(RETIRE_ADDRESS, [facts.address_id]);
  if (decision.kind === 'created') {
    const { rows } = await tx.query(CREATE, [
      emailAddress,
      fingerprint,
      historyId,
      settings.initialQuery,
      settings.quotaUnitsPerMinute,
    ]);
    const row = rows[0];
    if (row === undefined) throw new AppError('internal', 'The new mailbox was not returned.');
    return row.id;
  }
  if (decision.kind === 'renamed') await tx.query(RENAME, [decision.id, emailAddress]);
  if (decision.kind === 'taken_over') {
    await tx.query(TAKE_OVER, [decision.id, emailAddress, fingerprint]);
    await tx.query(END_WATCH_WAIT, [decision.id]);
  }
  if ('from' in decision && decision.from !== emailAddress)
    await tx.query(FORGET_CONFIRMATIONS, [decision.from, emailAddress]);
  return decision.id;
}

// Kept, because the request of a person may come twice: see `CAN_BE_RENAMED`.
// $1 email address that is bound
const END_CONFIRMATION = statement(
  `
update mailbox_confirmations
set applied_at = now()
where email_address = $1::text
  and applied_at is null`,
  {},
);

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

// $1 fingerprint
const FIND = statement(
  `
select m.id, m.email_address
from mailboxes m
where m.credential_fingerprint = $1::text`,
  { id: 'integer', email_address: 'text' },
);

/** @returns null when the credentials were never used */
export async function findByCredentials(
  db: Queryable,
  fingerprint: string,
): Promise<Omit<IdentifiedMailbox, 'change' | 'previousAddress'> | null> {
  const { rows } = await db.query(FIND, [fingerprint]);
  const row = rows[0];
  return row === undefined ? null : { id: row.id, emailAddress: row.email_address };
}

// $1 error code, $2 error
const RECORD_UNIDENTIFIED = statement(
  `
update email_monitor_status
set last_error_code = $1::text,
    last_error = $2::text,
    updated_at = now()
where id = 1`,
  {},
);

/** The credentials reach no mailbox: there is no mailbox row to say so. */
export async function recordUnidentified(
  db: Queryable,
  error: { readonly code: string; readonly detail: string },
): Promise<void> {
  await db.query(RECORD_UNIDENTIFIED, [error.code, error.detail]);
}
