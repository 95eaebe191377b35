/**
 * The mailboxes that operators added, with their access, label, query and pause. `npm run mailbox` and the console write them.
 * The first mailbox, of the environment, has a row only after it was paused.
 */
import { AppError } from '../errors.ts';
import { secretNameOf } from '../mailbox-access.ts';
import type { Database, Queryable } from './database.ts';
import { confirmNewMailbox } from './mailbox-confirmations.ts';
import { statement } from './statement.ts';

export interface MailboxSettings {
  readonly id: number;
  readonly emailAddress: string;
  /** Null until Gmail has answered for this mailbox once. */
  readonly mailboxId: number | null;
  readonly access: 'environment' | 'refresh_token' | 'delegation';
  /** Without the prefix; null unless `access` is `refresh_token`. */
  readonly secretName: string | null;
  /** Null: as the environment says. */
  readonly label: string | null;
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
// $1 email address, $2 access, $3 secret name, $4 label, $5 initial query
const ADD = statement(
  `
insert into mailbox_settings (email_address, mailbox_id, access, secret_name, label, initial_query)
select lower($1::text), m.id, $2::text, $3::text, $4::text, $5::text
from (values (1)) one (n)
left join mailboxes m on m.email_address = lower($1::text)
on conflict (email_address) do nothing
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

// $1 mailbox settings id, $2 mailbox id, $3 email address
const BIND = statement(
  `
update mailbox_settings
set mailbox_id = $2::integer,
    email_address = $3::text,
    failure_count = 0,
    next_attempt_at = null,
    last_error_code = null,
    last_error = null
where id = $1::integer`,
  {},
);

/** Links the settings to the mailbox that Gmail named. May run twice. */
export async function bindSettings(
  tx: Queryable,
  settingsId: number,
  mailbox: { readonly id: number; readonly emailAddress: string },
): Promise<void> {
  await tx.query(BIND, [settingsId, mailbox.id, mailbox.emailAddress]);
}

function toSettings(row: NonNullable<(typeof FIND)['row']>): MailboxSettings {
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
