/** What operators do with mailboxes: add, pause, resume and remove them. `npm run mailbox` and the console call it. */

import type { Database, Queryable } from '../db/database.ts';
import { onlyRow } from '../db/rows.ts';
import { statement } from '../db/statement.ts';
import { AppError } from '../errors.ts';
import { secretNameOf } from '../mailbox-access.ts';
import { confirmNewMailbox, endConfirmation } from './mailbox-confirmations.ts';
import { type MailboxSettings, SETTINGS, settingsOf, toSettings } from './mailbox-settings.ts';

/** Needs the alias s of mailbox_settings: the row belongs to the mailbox of the environment's credentials. */
const IS_OF_FIRST = `exists (
      select 1
      from mailboxes f
      join email_monitor_status e on e.credential_fingerprint = f.credential_fingerprint
      where f.id = s.mailbox_id
    )`;

export interface AddedMailbox {
  readonly emailAddress: string;
  readonly access: 'refresh_token' | 'delegation';
  readonly label: string | null;
  readonly initialQuery: string | null;
}

// A mailbox that the database knows from earlier credentials is linked at once, unless it is an added one whose account was renamed.
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
  and not exists (select from mailbox_settings o where o.mailbox_id = m.id and o.email_address <> lower($1::text))
on conflict (email_address) do update
  set mailbox_id = excluded.mailbox_id,
      access = excluded.access,
      secret_name = excluded.secret_name,
      label = excluded.label,
      initial_query = excluded.initial_query,
      is_paused = false
  where s.access = 'environment'
    and not ${IS_OF_FIRST}
returning ${settingsOf('s')}`,
  SETTINGS,
);

/**
 * Adds a mailbox, and confirms that its account is new.
 *
 * @throws {AppError} bad_request when it was added before, or its address has a character that is not visible
 */
export async function addMailbox(db: Database, added: AddedMailbox): Promise<MailboxSettings> {
  const { access, emailAddress, initialQuery, label } = added;
  assertVisible(emailAddress);
  const secretName = access === 'refresh_token' ? secretNameOf(emailAddress) : null;
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query(ADD, [emailAddress, access, secretName, label, initialQuery]);
    if (rows[0] === undefined)
      throw new AppError(
        'bad_request',
        `${emailAddress} was added before. To change its access or label, remove it first. Its query counted for the first listing ` +
          'only: a backfill fetches older email.',
      );
    await confirmNewMailbox(tx, emailAddress, '');
    return toSettings(rows[0]);
  });
}

/** Text that is copied from a page or a chat may contain one. The address would look right and be that of no account. */
function assertVisible(emailAddress: string): void {
  const code = /\p{Cf}/u.exec(emailAddress)?.[0].codePointAt(0);
  if (code === undefined) return;
  const name = code.toString(16).toUpperCase().padStart(4, '0');
  throw new AppError(
    'bad_request',
    `The address contains a character that is not visible (U+${name}). Type the address instead of pasting it.`,
  );
}

// $1 email address, $2 is paused
const SET_PAUSED = statement(
  `
update mailbox_settings
set is_paused = $2::boolean,
    resumed_at = case when is_paused and not $2::boolean then now() else resumed_at end
where email_address = lower($1::text)
  or mailbox_id = (select m.id from mailboxes m where m.email_address = lower($1::text))
returning ${settingsOf('mailbox_settings')}`,
  SETTINGS,
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
returning ${settingsOf('mailbox_settings')}`,
  SETTINGS,
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
  and not (s.access = 'environment' and ${IS_OF_FIRST})
returning ${settingsOf('s')}`,
  SETTINGS,
);

// Without credentials a mailbox is not read. Its error belongs to them. A run that has begun ends as usual.
// $1 mailbox id
const FORGET_CREDENTIALS = statement(`
update mailboxes
set credential_fingerprint = null,
    failure_count = 0,
    next_poll_at = null,
    last_error_code = null,
    last_error = null
where id = $1::integer`);

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
  return (await onlyRow(db, IS_FIRST, [emailAddress])).is_first;
}
