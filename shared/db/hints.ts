/** The hint of a mailbox: the newest history id that a push has announced. */
import type { Queryable } from './database.ts';
import { camelCase, onlyRow, type RowOfStatement } from './rows.ts';
import { statement } from './statement.ts';

// One plain update, because joining a locked read of the same row makes concurrent pushes deadlock (SQLSTATE 40P01). hint_at is
// the time of this transaction exactly when the hint was raised.
// A mailbox without settings is removed when the credentials of the environment have another mailbox.
// $1 email address, $2 history id, $3 fingerprint of the first mailbox or null
const RECORD_HINT = statement(
  `
update mailboxes m
set hint_history_id = greatest(m.hint_history_id, $2::numeric),
    hint_at = case when coalesce($2::numeric > m.hint_history_id, true) then now() else m.hint_at end,
    pushed_at = now()
where m.email_address = $1::text
returning m.id as mailbox_id, m.hint_at = now() as is_newest, has_newer_hint(m) as is_unseen,
          case
            when exists (
              select 1
              from mailbox_settings a
              where a.mailbox_id = m.id
                and a.access <> 'environment'
            ) then 'added'
            when m.credential_fingerprint is distinct from $3::text and exists (
              select 1
              from mailboxes f
              where f.credential_fingerprint = $3::text
            ) then 'removed'
            else 'first'
          end as owner`,
  {
    mailbox_id: 'integer',
    /** The history id is newer than all that earlier pushes announced. */
    is_newest: 'boolean',
    /** No listing has shown it yet. */
    is_unseen: 'boolean',
    owner: 'text',
  },
);

export interface RecordedHint extends RowOfStatement<typeof RECORD_HINT> {
  /** Whose credentials reach the mailbox; `removed`: neither the environment nor an added mailbox has it. */
  readonly owner: 'first' | 'added' | 'removed';
}

/**
 * Stores the newest history id that a push announced. May run twice; an older hint changes only `pushed_at`.
 *
 * @param firstFingerprint of the credentials of the environment
 * @returns null when no mailbox has this address
 */
export async function recordHint(
  db: Queryable,
  hint: { readonly emailAddress: string; readonly historyId: string },
  firstFingerprint: string | null = null,
): Promise<RecordedHint | null> {
  const { rows } = await db.query(RECORD_HINT, [
    hint.emailAddress.toLowerCase(),
    hint.historyId,
    firstFingerprint,
  ]);
  return rows[0] === undefined ? null : (camelCase(rows[0]) as RecordedHint);
}

// $1 mailbox id
const HAS_NEWER_HINT = statement(
  'select has_newer_hint(m) as has_newer_hint from mailboxes m where m.id = $1::integer',
  { has_newer_hint: 'boolean' },
);

/** Returns whether a push has announced history that no listing has shown. */
export async function hasNewerHint(db: Queryable, mailboxId: number): Promise<boolean> {
  return (await onlyRow(db, HAS_NEWER_HINT, [mailboxId])).has_newer_hint;
}

// $1 mailbox id, $2 history id
const HINT_STATE = statement(
  `
select coalesce(hint_history_id <= $2::numeric, true) as is_newest, last_error_code
from mailboxes
where id = $1::integer`,
  { is_newest: 'boolean', last_error_code: 'text?' },
);

/** Returns whether no newer hint is stored, and the error code of the last run, null when it succeeded. */
export async function readHintState(
  db: Queryable,
  mailboxId: number,
  historyId: string,
): Promise<{ readonly isNewest: boolean; readonly lastErrorCode: string | null }> {
  const { rows } = await db.query(HINT_STATE, [mailboxId, historyId]);
  return { isNewest: rows[0]?.is_newest ?? false, lastErrorCode: rows[0]?.last_error_code ?? null };
}
