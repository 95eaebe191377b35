/**
 * The label on the mailbox row: GMAIL_LABEL_ID as configured when it was last resolved, and the label id that it names. Called
 * by `resolve-label.ts`.
 */
import type { Queryable } from './database.ts';
import { camelCase, onlyRow, type RowOfStatement } from './rows.ts';
import { statement } from './statement.ts';

// $1 mailbox id
const READ = statement(
  `
select label_setting as setting, label_id, label_reopened_to_id as reopened_to_id
from mailboxes
where id = $1::integer`,
  {
    /** As configured when it was last resolved; null when none was configured or none was ever resolved. */
    setting: 'text?',
    /** Null while Gmail has no such label, or none is configured. */
    label_id: 'text?',
    /** Messages ignored under another label are pending again up to this ledger id; null when none are left. */
    reopened_to_id: 'bigint?',
  },
);

export type LabelColumns = RowOfStatement<typeof READ>;

export async function readLabel(db: Queryable, mailboxId: number): Promise<LabelColumns> {
  return camelCase(await onlyRow(db, READ, [mailboxId]));
}

// Clears the error of an earlier resolution.
// $1 mailbox id, $2 setting or null, $3 label id or null, $4 make messages pending that were ignored for their label, $5 error
// or null
const SAVE = statement(`
update mailboxes
set label_setting = $2::text,
    label_id = $3::text,
    label_reopened_to_id = case when $4::boolean then 0 else label_reopened_to_id end,
    last_error_code = case
      when $5::text is not null then 'label_missing'
      when last_error_code <> 'label_missing' then last_error_code
    end,
    last_error = case
      when $5::text is not null then $5::text
      when last_error_code <> 'label_missing' then last_error
    end
where id = $1::integer`);

/** @param label `setting` is null when no label is configured; `reopens` is true when the label has changed */
export async function saveLabel(
  db: Queryable,
  mailboxId: number,
  label: { readonly setting: string | null; readonly labelId: string | null; readonly reopens: boolean },
): Promise<void> {
  await db.query(SAVE, [mailboxId, label.setting, label.labelId, label.reopens, null]);
}

/** Records that Gmail has no such label, also as the mailbox error, so that `status` shows it before the next run. */
export async function saveMissingLabel(
  db: Queryable,
  mailboxId: number,
  missing: { readonly setting: string; readonly detail: string },
): Promise<void> {
  await db.query(SAVE, [mailboxId, missing.setting, null, false, missing.detail]);
}

/** Ids per statement. Small, so that stores do not wait long for a ledger row. */
const BATCH_SIZE = 5_000;

// The messages become backlog, so that live mail is fetched first.
// $1 mailbox id, $2 ledger id after which the batch begins, $3 batch size
// Always one row.
const REOPEN = statement(
  `
with batch as materialized (
  select i.id
  from email_ledger i
  where i.mailbox_id = $1::integer
    and i.state = 'ignored'
    and i.ignored_rule = 'label'
    and i.id > $2::bigint
  order by i.id
  limit $3::integer
),
reopened as (
  update email_ledger l
  set state = 'pending',
      ignored_rule = null,
      labels_unknown = true,
      priority = 1,
      attempt_count = 0,
      last_attempt_at = null,
      next_attempt_at = now(),
      resolved_at = null
  from batch b
  where l.id = b.id
    and l.state = 'ignored'
  returning 1
)
select (select count(*) from reopened)::integer as count,
       case when count(b.id) = $3::integer then max(b.id) end as reopened_to_id
from batch b`,
  { count: 'integer', reopened_to_id: 'bigint?' },
);

// A separate statement, because the history too locks ledger rows before the mailbox row. If the label has changed again in
// between, no row matches and reopening starts over.
// $1 mailbox id, $2 ledger id before, $3 ledger id now or null
const MOVE_REOPENED = statement(`
update mailboxes
set label_reopened_to_id = $3::bigint
where id = $1::integer
  and label_reopened_to_id = $2::bigint`);

/**
 * Makes one batch of messages pending that were ignored under another label. Each is fetched and checked again. May run twice.
 *
 * @param reopenedToId from the mailbox row, or from the previous batch
 * @returns `reopenedToId` is null when none are left
 */
export async function reopenIgnoredForLabel(
  db: Queryable,
  mailboxId: number,
  reopenedToId: number,
): Promise<RowOfStatement<typeof REOPEN>> {
  const batch = camelCase(await onlyRow(db, REOPEN, [mailboxId, reopenedToId, BATCH_SIZE]));
  await db.query(MOVE_REOPENED, [mailboxId, reopenedToId, batch.reopenedToId]);
  return batch;
}
