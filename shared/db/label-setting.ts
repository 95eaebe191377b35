/**
 * The label of GMAIL_LABEL_ID on the mailbox row: as it was configured when it was last resolved, and the id that it names.
 * Called by `resolve-label.ts`.
 */
import type { Queryable } from './database.ts';
import { statement } from './statement.ts';

export interface LabelColumns {
  /** As configured when it was last resolved; null: none was, or it was never resolved. */
  readonly setting: string | null;
  /** Null while Gmail has no such label, or none is configured. */
  readonly labelId: string | null;
}

// $1 mailbox id
const READ = statement(
  `
select label_setting, label_id
from mailboxes
where id = $1::integer`,
  { label_setting: 'text?', label_id: 'text?' },
);

export async function readLabel(db: Queryable, mailboxId: number): Promise<LabelColumns> {
  const { rows } = await db.query(READ, [mailboxId]);
  return { setting: rows[0]?.label_setting ?? null, labelId: rows[0]?.label_id ?? null };
}

// An error of an earlier resolution ends with this one.
// $1 mailbox id, $2 setting or null, $3 label id or null
const SAVE = statement(
  `
update mailboxes
set label_setting = $2::text,
    label_id = $3::text,
    label_resolved_at = now(),
    last_error_code = case when last_error_code <> 'label_missing' then last_error_code end,
    last_error = case when last_error_code <> 'label_missing' then last_error end
where id = $1::integer`,
  {},
);

/** @param setting null: no label is configured */
export async function saveLabel(
  db: Queryable,
  mailboxId: number,
  { setting, labelId }: LabelColumns,
): Promise<void> {
  await db.query(SAVE, [mailboxId, setting, labelId]);
}

// $1 mailbox id, $2 setting, $3 error
const SAVE_MISSING = statement(
  `
update mailboxes
set label_setting = $2::text,
    label_id = null,
    label_resolved_at = now(),
    last_error_code = 'label_missing',
    last_error = $3::text,
    last_error_at = now()
where id = $1::integer`,
  {},
);

/** Gmail has no such label: also the error of the mailbox, so that `status` shows it before the next run. */
export async function saveMissingLabel(
  db: Queryable,
  mailboxId: number,
  missing: { readonly setting: string; readonly detail: string },
): Promise<void> {
  await db.query(SAVE_MISSING, [mailboxId, missing.setting, missing.detail]);
}

/** Ids per statement: some 0.1 s, so that stores do not wait long for a ledger row. */
const BATCH_SIZE = 5_000;

// As backlog: live mail goes before it.
// $1 mailbox id, $2 batch size
const REOPEN = statement(
  `
update email_ledger l
set state = 'pending',
    ignored_rule = null,
    labels_unknown = true,
    priority = 1,
    attempt_count = 0,
    last_attempt_at = null,
    next_attempt_at = now(),
    resolved_at = null
where l.id in (
  select i.id
  from email_ledger i
  where i.mailbox_id = $1::integer
    and i.state = 'ignored'
    and i.ignored_rule = 'label'
  order by i.id
  limit $2::integer
)
  and l.state = 'ignored'`,
  {},
);

/** Makes the ids pending that were ignored under another label: each is fetched and judged again. May run twice. @returns how many */
export async function reopenIgnoredForLabel(db: Queryable, mailboxId: number): Promise<number> {
  let total = 0;
  for (;;) {
    const { rowCount } = await db.query(REOPEN, [mailboxId, BATCH_SIZE]);
    total += rowCount;
    if (rowCount < BATCH_SIZE) return total;
  }
}
