/**
 * The mailboxes that operators added, with their access, label, query and pause. `npm run mailbox` and the console write them.
 * The first mailbox, of the environment, has a row only after it was paused.
 */
import { AppError } from '../errors.ts';
import { secretNameOf } from '../mailbox-access.ts';
import type { Database, Queryable } from './database.ts';
import { confirmNewMailbox, endConfirmation } from './mailbox-confirmations.ts';
import { statement } from './statement.ts';

export interface MailboxSettings {
  readonly id: number;
  readonly emailAddress: string;
  /** Null until Gmail has answered for this mailbox once. */
  readonly mailboxId: number | null;
  readonly access: 'environment' | 'refresh_token' | 'delegation';
  /** Without the prefix; null unless `access` is `refresh_token`. */
  readonly secretName: string | null;
  /** Null: all received mail. */
  readonly label: string | null;
  /** Null: GMAIL_INITIAL_QUERY. */
  readonly initialQuery: string | null;
  readonly isPaused: boolean;
}

const COLUMNS = 'id, email_address, mailbox_id, access, secret_name, label, initial_query, is_paused';
const TYPES = {
  id: 'integer',
  email_address: 'text',
  mailbox_id: 'integer?',
  access: 'text',
  secret_name: 'text?',
  label: 'text?',
  initial_query: 'text?',
  is_paused: 'boolean',
} as const;

// $1 email address
const FIND = statement(
  `select ${COLUMNS} from mailbox_settings where email_address = lower($1::text)`,
  TYPES,
);

/** @returns null for an address that was not added */
export async function findMailboxSettings(
  db: Queryable,
  emailAddress: string,
): Promise<MailboxSettings | null> {
  const { rows } = await db.query(FIND, [emailAddress]);
  return rows[0] === undefined ? null : toSettings(rows[0]);
}

// $1 mailbox id
const FIND_BY_MAILBOX = statement(
  `select ${COLUMNS} from mailbox_settings where mailbox_id = $1::integer`,
  TYPES,
);

/** @returns null for the first mailbox, unless it was paused, and for mailboxes that were removed */
export async function findSettingsOfMailbox(
  db: Queryable,
  mailboxId: number,
): Promise<MailboxSettings | null> {
  const { rows } = await db.query(FIND_BY_MAILBOX, [mailboxId]);
  return rows[0] === undefined ? null : toSettings(rows[0]);
}

export interface AddedMailbox {
  readonly emailAddress: string;
  readonly access: 'refresh_token' | 'delegation';
  readonly label: string | null;
  readonly initialQuery: string | null;
}

// A mailbox that the database knows from earlier credentials is linked at once.
// If a renamed mailbox keeps the secret of this address, the name gets the number of that mailbox's settings: two never share one.
// A row of a former first mailbox, which only kept its pause, is replaced.
// $1 email address, $2 access, $3 secret name, $4 label, $5 initial query
const ADD = statement(
  `
insert into mailbox_settings as s (email_address, mailbox_id, access, secret_name, label, initial_query)
select lower($1::text), m.id, $2::text,
       coalesce((select $3::text || '-' || max(o.id) from mailbox_settings o where o.secret_name like $3::text || '%'), $3::text),
       $4::text, $5::text
from (values (1)) one (n)
left join mailboxes m on m.email_address = lower($1::text)
on conflict (email_address) do update
  set mailbox_id = excluded.mailbox_id,
      access = excluded.access,
      secret_name = excluded.secret_name,
      label = excluded.label,
      initial_query = excluded.initial_query,
      is_paused = false
  where s.access = 'environment'
    and not exists (
      select 1
      from mailboxes f
      join email_monitor_status e on e.credential_fingerprint = f.credential_fingerprint
      where f.id = s.mailbox_id
    )
returning ${COLUMNS}`,
  TYPES,
);

/**
 * Adds a mailbox, and confirms that its account is new.
 *
 * @throws {AppError} bad_request when it was added before
 */
export async function addMailbox(db: Database, added: AddedMailbox): Promise<MailboxSettings> {
  const { access, emailAddress, initialQuery, label } = added;
  const secretName = access === 'refresh_token' ? secretNameOf(emailAddress) : null;
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query(ADD, [emailAddress, access, secretName, label, initialQuery]);
    if (rows[0] === undefined)
      throw new AppError(
        'bad_request',
        `${emailAddress} was added before. Remove it first to change its access.`,
      );
    await confirmNewMailbox(tx, emailAddress, '');
    return toSettings(rows[0]);
  });
}

// Another added mailbox had the address before its own account was renamed. Its next identification corrects the placeholder,
// except of a delegation, which names the address: an operator removes that mailbox and adds it with its present address.
// $1 mailbox settings id, $2 email address
const RETIRE_ADDRESS = statement(
  `
update mailbox_settings
set email_address = 'formerly ' || email_address || ' (mailbox ' || mailbox_id || ')'
where email_address = $2::text
  and id <> $1::integer
  and mailbox_id is not null`,
  {},
);

// Keeps the former address while an added mailbox that is not identified has the new one: both are the same account.
// $1 mailbox settings id, $2 mailbox id, $3 email address
const BIND = statement(
  `
update mailbox_settings s
set mailbox_id = $2::integer,
    email_address = case
      when exists (select 1 from mailbox_settings o where o.email_address = $3::text and o.id <> s.id)
        then s.email_address
      else $3::text
    end,
    failure_count = 0,
    next_attempt_at = null,
    last_error_code = null,
    last_error = null
where s.id = $1::integer`,
  {},
);

/** Links the settings to the mailbox that Gmail named, under its present address. May run twice. */
export async function bindSettings(
  tx: Queryable,
  settingsId: number,
  mailbox: { readonly id: number; readonly emailAddress: string },
): Promise<void> {
  await tx.query(RETIRE_ADDRESS, [settingsId, mailbox.emailAddress]);
  await tx.query(BIND, [settingsId, mailbox.id, mailbox.emailAddress]);
}

// $1 mailbox id, $2 email address
const RENAME_FIRST = statement(
  `
update mailbox_settings
set email_address = $2::text
where mailbox_id = $1::integer
  and access = 'environment'`,
  {},
);

/** Keeps the address of the first mailbox, which has settings only after it was paused. */
export async function renameFirstSettings(
  tx: Queryable,
  mailboxId: number,
  emailAddress: string,
): Promise<void> {
  await tx.query(RENAME_FIRST, [mailboxId, emailAddress]);
}

// $1 mailbox settings id, $2 error code, $3 error, $4 shortest wait in ms
const RECORD_FAILURE = statement(
  `
update mailbox_settings
set failure_count = failure_count + 1,
    -- 5 s, doubled up to 300 s, as for a mailbox whose runs fail.
    next_attempt_at = now() + greatest(
      interval '1 millisecond' * $4::integer,
      least(interval '300 seconds', interval '5 seconds' * power(2, least(failure_count, 10)))),
    last_error_code = $2::text,
    last_error = $3::text
where id = $1::integer
  and mailbox_id is null`,
  {},
  { isRepeatable: false },
);

/** Records that an added mailbox could not be identified. Afterwards runs record their errors on the mailbox. */
export async function recordSettingsFailure(
  db: Queryable,
  settingsId: number,
  failure: { readonly code: string; readonly detail: string; readonly minBackoffMs: number },
): Promise<void> {
  await db.query(RECORD_FAILURE, [settingsId, failure.code, failure.detail, failure.minBackoffMs]);
}

/** @param row a row of mailbox_settings */
export function toSettings(row: NonNullable<(typeof FIND)['row']>): MailboxSettings {
  return {
    id: row.id,
    emailAddress: row.email_address,
    mailboxId: row.mailbox_id,
    access: row.access as MailboxSettings['access'],
    secretName: row.secret_name,
    label: row.label,
    initialQuery: row.initial_query,
    isPaused: row.is_paused,
  };
}

// $1 email address, $2 is paused
const SET_PAUSED = statement(
  `
update mailbox_settings
set is_paused = $2::boolean,
    resumed_at = case when is_paused and not $2::boolean then now() else resumed_at end
where email_address = lower($1::text)
  or mailbox_id = (select m.id from mailboxes m where m.email_address = lower($1::text))
returning ${COLUMNS}`,
  TYPES,
);

// Only for the mailbox of the environment's credentials, which the status row names.
// $1 email address, $2 is paused
const SET_FIRST_PAUSED = statement(
  `
insert into mailbox_settings (email_address, mailbox_id, access, is_paused)
select m.email_address, m.id, 'environment', $2::boolean
from mailboxes m
join email_monitor_status s on s.credential_fingerprint = m.credential_fingerprint
where m.email_address = lower($1::text)
on conflict (email_address) do update
  set is_paused = excluded.is_paused,
      resumed_at = case
        when mailbox_settings.is_paused and not excluded.is_paused then now()
        else mailbox_settings.resumed_at
      end
returning ${COLUMNS}`,
  TYPES,
);

/**
 * Pauses or resumes an added mailbox or the first one. May run twice.
 *
 * @returns null for an address that is neither
 */
export async function setPaused(
  db: Database,
  emailAddress: string,
  isPaused: boolean,
): Promise<MailboxSettings | null> {
  for (const set of [SET_PAUSED, SET_FIRST_PAUSED]) {
    const { rows } = await db.query(set, [emailAddress, isPaused]);
    if (rows[0] !== undefined) return toSettings(rows[0]);
  }
  return null;
}

// $1 email address
const REMOVE = statement(
  `
delete from mailbox_settings s
where s.email_address = lower($1::text)
  and not (s.access = 'environment' and exists (
    select 1
    from mailboxes f
    join email_monitor_status e on e.credential_fingerprint = f.credential_fingerprint
    where f.id = s.mailbox_id
  ))
returning ${COLUMNS}`,
  TYPES,
);

// Without credentials a mailbox is not read. Its error belongs to them. A run that has begun ends as usual.
// $1 mailbox id
const FORGET_CREDENTIALS = statement(
  `
update mailboxes
set credential_fingerprint = null,
    failure_count = 0,
    next_poll_at = null,
    last_error_code = null,
    last_error = null
where id = $1::integer`,
  {},
);

/**
 * Ends the reading of an added mailbox, and withdraws the confirmation that its account is new. Its emails, its ledger and its
 * secret stay.
 *
 * @returns the settings that it had; null for an address that was not added
 */
export async function removeMailbox(db: Database, emailAddress: string): Promise<MailboxSettings | null> {
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query(REMOVE, [emailAddress]);
    if (rows[0] === undefined) return null;
    const removed = toSettings(rows[0]);
    if (removed.mailboxId !== null) await tx.query(FORGET_CREDENTIALS, [removed.mailboxId]);
    await endConfirmation(tx, removed.emailAddress);
    return removed;
  });
}

// $1 email address
const IS_FIRST = statement(
  `
select exists (
         select 1
         from mailboxes m
         join email_monitor_status s on s.credential_fingerprint = m.credential_fingerprint
         where m.email_address = lower($1::text)
       ) as is_first`,
  { is_first: 'boolean' },
);

/** True for the mailbox of the environment's credentials. */
export async function isFirstMailbox(db: Queryable, emailAddress: string): Promise<boolean> {
  const { rows } = await db.query(IS_FIRST, [emailAddress]);
  return rows[0]?.is_first ?? false;
}
