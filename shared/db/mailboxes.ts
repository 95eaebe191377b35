/**
 * The mailbox row: who it is, where its cursor stands, what a push announced, how its last cycles went.
 * Everything that moves the cursor is fenced by the lease (see `lease.ts`).
 * historyIds are uint64: decimal strings here, numeric(20,0) there.
 */
import { AppError } from '../errors.ts';
import type { Queryable } from './database.ts';
import { prepared } from './statement.ts';

export interface Mailbox {
  readonly id: number;
  readonly emailAddress: string;
  readonly failureCount: number;
  readonly nextPollAt: Date | null;
  /** By the clock of the database, the only clock that all instances share. */
  readonly isDue: boolean;
}

interface MailboxRow {
  id: number;
  email_address: string;
  failure_count: number;
  next_poll_at: Date | null;
  is_due: boolean;
}

const MAILBOX_COLUMNS = `id, email_address, failure_count, next_poll_at,
  coalesce(next_poll_at <= now(), true) as is_due`;

/** The mailbox that these credentials reach; null when they were never used. */
export async function findMailbox(db: Queryable, fingerprint: string): Promise<Mailbox | null> {
  const { rows } = await db.query<MailboxRow>(
    `select ${MAILBOX_COLUMNS}
     from mailboxes
     where credential_fingerprint = $1::text`,
    [fingerprint],
  );
  return rows[0] === undefined ? null : toMailbox(rows[0]);
}

export interface Monitored {
  /** The owner's switch. */
  readonly isRunning: boolean;
  /** Null when these credentials were never used. */
  readonly mailbox: Mailbox | null;
}

// $1 credential fingerprint text
const MONITORED = prepared(`
select s.is_running, m.*
from email_monitor_status s
left join (
  select ${MAILBOX_COLUMNS}
  from mailboxes
  where credential_fingerprint = $1::text
) m on true
where s.id = 1`);

/**
 * What every run asks first: whether it is to run at all, and for which mailbox.
 *
 * @throws {AppError} schema_outdated when the row of the switch is missing
 */
export async function findMonitored(db: Queryable, fingerprint: string): Promise<Monitored> {
  const { rows } = await db.query<{ is_running: boolean } & (MailboxRow | { id: null })>(MONITORED, [
    fingerprint,
  ]);
  const row = rows[0];
  if (row === undefined) throw new AppError('schema_outdated', 'The row of email_monitor_status is missing.');
  return { isRunning: row.is_running, mailbox: row.id === null ? null : toMailbox(row) };
}

/** All that the database knows, oldest first. */
export async function listMailboxes(db: Queryable): Promise<Mailbox[]> {
  const { rows } = await db.query<MailboxRow>(`select ${MAILBOX_COLUMNS} from mailboxes order by id`);
  return rows.map(toMailbox);
}

// A new mailbox is pinned to its present historyId in the same statement that plans its first listing: what
// arrives during that listing is in the history after the pin, whatever happens to the process.
// $1 address text, $2 credential fingerprint text, $3 present historyId numeric, $4 query of the first listing text
const ADOPT = `
with adopted as (
  insert into mailboxes (email_address, credential_fingerprint, cursor_history_id)
  values ($1::text, $2::text, $3::numeric)
  on conflict (email_address) do update
    set credential_fingerprint = excluded.credential_fingerprint,
        failure_count = 0,
        next_poll_at = null
  returning *, (xmax = 0) as is_new
),
planned as (
  insert into listings (mailbox_id, purpose, query)
  select id, 'initial', $4::text
  from adopted
  where is_new
)
select ${MAILBOX_COLUMNS}, is_new
from adopted`;

/** Binds credentials to the mailbox that they reach; a mailbox that is already known keeps its cursor. May run twice. */
export async function adoptMailbox(
  db: Queryable,
  found: { emailAddress: string; fingerprint: string; historyId: string; initialQuery: string },
): Promise<Mailbox & { readonly isNew: boolean }> {
  const { rows } = await db.query<MailboxRow & { is_new: boolean }>(ADOPT, [
    found.emailAddress.toLowerCase(),
    found.fingerprint,
    found.historyId,
    found.initialQuery,
  ]);
  const row = rows[0];
  if (row === undefined) throw new AppError('internal', 'The mailbox row was not returned.');
  return { ...toMailbox(row), isNew: row.is_new };
}

/**
 * Keeps the newest historyId that a push announced. May run twice; an older hint changes nothing.
 *
 * @returns null when no mailbox has this address
 */
export async function recordHint(
  db: Queryable,
  hint: { emailAddress: string; historyId: string },
): Promise<{ readonly mailboxId: number; readonly isNews: boolean } | null> {
  const { rows } = await db.query<{ id: number; is_news: boolean }>(
    `update mailboxes m
     set hint_history_id = greatest(m.hint_history_id, $2::numeric),
         hint_at = case when coalesce($2::numeric > before.hint_history_id, true) then now() else m.hint_at end
     from (
       select id, hint_history_id
       from mailboxes
       where email_address = $1::text
       for update
     ) before
     where m.id = before.id
     returning m.id, coalesce($2::numeric > before.hint_history_id, true) as is_news`,
    [hint.emailAddress.toLowerCase(), hint.historyId],
  );
  const row = rows[0];
  return row === undefined ? null : { mailboxId: row.id, isNews: row.is_news };
}

function toMailbox(row: MailboxRow): Mailbox {
  return {
    id: row.id,
    emailAddress: row.email_address,
    failureCount: row.failure_count,
    nextPollAt: row.next_poll_at,
    isDue: row.is_due,
  };
}
