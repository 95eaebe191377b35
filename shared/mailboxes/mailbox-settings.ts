/**
 * The mailboxes that operators added, with their access, label, query and pause, as runs read them. `mailbox-changes.ts` has what
 * operators change. The first mailbox, of the environment, has a row only after it was paused.
 */
import type { Queryable } from '../db/database.ts';
import { camelCase } from '../db/rows.ts';
import { type RowOf, statement } from '../db/statement.ts';
import { retiredAddress } from '../mailbox-confirmation.ts';

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

/** The columns of `toSettings`. */
export const SETTINGS = {
  id: 'integer',
  email_address: 'text',
  mailbox_id: 'integer?',
  access: 'text',
  secret_name: 'text?',
  label: 'text?',
  initial_query: 'text?',
  is_paused: 'boolean',
} as const;

const COLUMNS = settingsOf('mailbox_settings');

/** @param table the table mailbox_settings, or its alias @returns the columns for a select list */
export function settingsOf(table: string): string {
  return Object.keys(SETTINGS)
    .map((column) => `${table}.${column}`)
    .join(', ');
}

// $1 email address
const FIND = statement(
  `select ${COLUMNS} from mailbox_settings where email_address = lower($1::text)`,
  SETTINGS,
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
  SETTINGS,
);

/** @returns null for the first mailbox, unless it was paused, and for mailboxes that were removed */
export async function findSettingsOfMailbox(
  db: Queryable,
  mailboxId: number,
): Promise<MailboxSettings | null> {
  const { rows } = await db.query(FIND_BY_MAILBOX, [mailboxId]);
  return rows[0] === undefined ? null : toSettings(rows[0]);
}

// Another added mailbox had the address before its own account was renamed. Its next identification corrects the placeholder,
// except of a delegation, which names the address: an operator removes that mailbox and adds it with its present address.
// $1 mailbox id of the other, $2 the address that it keeps
const RETIRE_ADDRESS = statement(`
update mailbox_settings
set email_address = $2::text
where mailbox_id = $1::integer`);

async function retireAddress(tx: Queryable, mailboxId: number, emailAddress: string): Promise<void> {
  const otherId = (await findMailboxSettings(tx, emailAddress))?.mailboxId ?? null;
  if (otherId === null || otherId === mailboxId) return;
  await tx.query(RETIRE_ADDRESS, [otherId, retiredAddress(emailAddress, otherId)]);
}

// Keeps the former address while an added mailbox that is not identified has the new one: both are the same account.
// $1 mailbox settings id, $2 mailbox id, $3 email address
const BIND = statement(`
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
where s.id = $1::integer`);

/** Links the settings to the mailbox that Gmail named, under its present address. May run twice. */
export async function bindSettings(
  tx: Queryable,
  settingsId: number,
  mailbox: { readonly id: number; readonly emailAddress: string },
): Promise<void> {
  await retireAddress(tx, mailbox.id, mailbox.emailAddress);
  await tx.query(BIND, [settingsId, mailbox.id, mailbox.emailAddress]);
}

// Keeps the former address while an added mailbox that is not identified has the new one, as BIND does.
// $1 mailbox id, $2 email address
const RENAME_FIRST = statement(`
update mailbox_settings
set email_address = $2::text
where mailbox_id = $1::integer
  and access = 'environment'
  and not exists (select from mailbox_settings o where o.email_address = $2::text)`);

/** Frees the address of the first mailbox, and keeps it in its settings, which it has only after it was paused. */
export async function renameFirstSettings(
  tx: Queryable,
  mailboxId: number,
  emailAddress: string,
): Promise<void> {
  await retireAddress(tx, mailboxId, emailAddress);
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
export function toSettings(row: RowOf<typeof SETTINGS>): MailboxSettings {
  return { ...camelCase(row), access: row.access as MailboxSettings['access'] };
}
