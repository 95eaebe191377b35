/** Inserts rows directly for tests of the SQL (leased mailboxes, ledger rows, list jobs), and back-dates them. */
import { randomUUID } from 'node:crypto';
import type { Database } from '../../shared/db/database.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { findNextListJob, type ListJob, type ListPurpose } from '../../shared/db/list-jobs.ts';

let count = 0;

/** Inserts a mailbox that was created `ageSeconds` ago, with a lease that is valid for a minute. */
export async function insertLeasedMailbox(db: Database, ageSeconds = 0): Promise<Lease> {
  count += 1;
  const token = randomUUID();
  const { rows } = await db.query<{ id: number }>(
    `insert into mailboxes (email_address, cursor_history_id, created_at, lease_token, lease_expires_at)
     values ($1::text, 100, now() - $2::integer * interval '1 second', $3::uuid, now() + interval '1 minute')
     returning id`,
    [`row-${count}@example.com`, ageSeconds, token],
  );
  return { mailboxId: rows[0]?.id ?? 0, token };
}

export async function loseLease(db: Database, { mailboxId }: Lease): Promise<void> {
  await db.query('update mailboxes set lease_token = gen_random_uuid() where id = $1', [mailboxId]);
}

export interface LedgerColumns {
  readonly state?: string;
  readonly source?: string;
  readonly historyId?: string | null;
  readonly ignoredRule?: string | null;
  readonly errorCode?: string | null;
  readonly resolvedSecondsAgo?: number | null;
}

/** Inserts a message into the ledger. By default it is pending and was found in the history. */
export async function insertMessage(
  db: Database,
  { mailboxId }: Lease,
  id: string,
  columns: LedgerColumns = {},
): Promise<void> {
  await db.query(
    `insert into email_ledger
       (mailbox_id, gmail_message_id, state, source, history_id, ignored_rule, error_code, resolved_at)
     values ($1::integer, $2::text, $3::text, $4::text, $5::numeric, $6::text, $7::text,
             now() - $8::integer * interval '1 second')`,
    [
      mailboxId,
      id,
      columns.state ?? 'pending',
      columns.source ?? 'history',
      columns.historyId === undefined ? '50' : columns.historyId,
      columns.ignoredRule ?? null,
      columns.errorCode ?? null,
      columns.resolvedSecondsAgo ?? null,
    ],
  );
}

// biome-ignore lint/suspicious/noExplicitAny: tests look at any column
export type AnyRow = any;

export async function readMessage(db: Database, { mailboxId }: Lease, id: string): Promise<AnyRow> {
  const { rows } = await db.query(
    'select * from email_ledger where mailbox_id = $1 and gmail_message_id = $2',
    [mailboxId, id],
  );
  return rows[0];
}

/** Back-dates the list jobs and reconciliations of a mailbox. */
export async function ageListings(db: Database, { mailboxId }: Lease, seconds: number): Promise<void> {
  await db.query(
    `update list_jobs
     set created_at = created_at - $2::integer * interval '1 second',
         not_before = not_before - $2::integer * interval '1 second',
         finished_at = finished_at - $2::integer * interval '1 second'
     where mailbox_id = $1::integer`,
    [mailboxId, seconds],
  );
  await db.query(
    `update reconciliations
     set window_begins_at = window_begins_at - $2::integer * interval '1 second',
         started_at = started_at - $2::integer * interval '1 second',
         not_before = not_before - $2::integer * interval '1 second',
         listed_at = listed_at - $2::integer * interval '1 second',
         evaluated_at = evaluated_at - $2::integer * interval '1 second'
     where mailbox_id = $1::integer`,
    [mailboxId, seconds],
  );
}

/** Inserts a planned list job. @returns its id */
export async function insertListJob(
  db: Database,
  mailboxId: number,
  job: { readonly purpose: ListPurpose; readonly query: string; readonly includeSpamTrash?: boolean },
): Promise<number> {
  const { rows } = await db.query<{ id: number }>(
    `insert into list_jobs (mailbox_id, purpose, query, include_spam_trash)
     values ($1::integer, $2::text, $3::text, $4::boolean)
     returning id`,
    [mailboxId, job.purpose, job.query, job.includeSpamTrash ?? false],
  );
  return rows[0]?.id ?? 0;
}

/** The list job that the next run continues. */
export async function nextListJob(db: Database, { mailboxId }: Lease): Promise<ListJob> {
  const job = await findNextListJob(db, mailboxId);
  if (job === null) throw new Error('No list job can be continued.');
  return job;
}
