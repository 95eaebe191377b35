/**
 * List jobs: resumable enumerations of messages.list for the first start, a backfill and the gap of an expired history.
 * Planned once, then continued page by page by the runs of any instance.
 * Invariant: the ids of a page and the position of the job are written in one transaction, fenced by the lease.
 */
import type { Database, Queryable } from './database.ts';
import { assertHeld, type Lease } from './lease.ts';
import { upsertListed } from './ledger.ts';
import { camelCase, type RowOfStatement } from './rows.ts';
import { statement } from './statement.ts';

export type ListPurpose = 'initial' | 'backfill' | 'gap';

/** Why Gmail rejected a listing. */
export interface Rejection {
  readonly code: string;
  /** Names the request; no mail content. */
  readonly detail: string;
}

// $1 mailbox id
// No row: no job can be continued now. A gap comes first, because it may hide missing mail.
const NEXT = statement(
  `
select id, purpose, query, include_spam_trash, page_token, label_id, restart_count, error_code is not null as is_rejected
from list_jobs
where mailbox_id = $1::integer
  and finished_at is null
  and not_before <= now()
order by purpose <> 'gap', id
limit 1`,
  {
    id: 'integer',
    purpose: 'text',
    query: 'text',
    include_spam_trash: 'boolean',
    page_token: 'text?',
    /** The label of the request that returned the page token. */
    label_id: 'text?',
    /** How often it restarted because Gmail rejected its page token. */
    restart_count: 'integer',
    /** Gmail rejected the listing, and no page has been entered since. */
    is_rejected: 'boolean',
  },
);

export interface ListJob extends RowOfStatement<typeof NEXT> {
  readonly purpose: ListPurpose;
}

/** Returns the job to continue: a gap first, then the oldest; null when none is open or all wait. */
export async function findNextListJob(db: Queryable, mailboxId: number): Promise<ListJob | null> {
  const { rows } = await db.query(NEXT, [mailboxId]);
  return rows[0] === undefined ? null : (camelCase(rows[0]) as ListJob);
}

// The first listing and a gap listing run twice. Mail that arrived just before the cursor was pinned is in no later
// history, and Gmail's search may omit it the first time. A listing that begins the settle time after the job was planned
// is the last one.
// $1 job id, $2 mailbox id, $3 lease token, $4 next page token or null, $5 ids on the page, $6 new ids, $7 settle seconds,
// $8 label id of the listing or null
// Touches no row: the lease was lost.
const MOVE = statement(`
update list_jobs j
set page_token = $4::text,
    label_id = $8::text,
    listed_count = case
      when $4::text is null and again.is_needed then 0
      when j.label_id is distinct from $8::text then $5::integer
      else j.listed_count + $5::integer
    end,
    new_count = j.new_count + $6::integer,
    error_code = null,
    error_detail = null,
    not_before = case when $4::text is null and again.is_needed then again.begins_at else j.not_before end,
    finished_at = case when $4::text is null and not again.is_needed then now() end
from (
  select b.id,
         b.created_at + $7::integer * interval '1 second' as begins_at,
         b.purpose in ('initial', 'gap')
           and b.not_before < b.created_at + $7::integer * interval '1 second' as is_needed
  from list_jobs b
  where b.id = $1::integer
) again
where j.id = again.id
  and holds_lease($2::integer, $3::uuid)`);

/** A page of messages.list. */
export interface ListedPage {
  /** Each once. */
  readonly ids: readonly string[];
  /** Null at the end of the listing. */
  readonly nextPageToken: string | null;
  /** The label that the listing asked for; null for none. */
  readonly labelId: string | null;
  readonly settleSeconds: number;
}

/**
 * Enters one page of a job. May run twice.
 *
 * @returns how many ids the ledger did not have
 * @throws {AppError} lease_lost
 */
export async function enterListPage(
  db: Database,
  { mailboxId, token }: Lease,
  job: ListJob,
  { ids, labelId, nextPageToken, settleSeconds }: ListedPage,
): Promise<number> {
  return await db.transaction(async (tx) => {
    const newCount = await upsertListed(tx, mailboxId, job.purpose, ids, labelId);
    const move = [job.id, mailboxId, token, nextPageToken, ids.length, newCount, settleSeconds, labelId];
    assertHeld(await tx.query(MOVE, move));
    return newCount;
  });
}

// $1 job id, $2 mailbox id, $3 lease token
const RESTART = statement(
  `
update list_jobs
set page_token = null,
    listed_count = 0,
    restart_count = restart_count + 1
where id = $1::integer
  and holds_lease($2::integer, $3::uuid)`,
  {},
  { isRepeatable: false },
);

/** Restarts the listing after Gmail rejected its page token. The ledger ignores repeated ids. @throws {AppError} lease_lost */
export async function restartListJob(db: Queryable, lease: Lease, jobId: number): Promise<void> {
  assertHeld(await db.query(RESTART, [jobId, lease.mailboxId, lease.token]));
}

// $1 job id, $2 mailbox id, $3 lease token, $4 error code, $5 error detail
const REJECT = statement(`
update list_jobs
set error_code = $4::text,
    error_detail = $5::text,
    page_token = null,
    listed_count = 0,
    restart_count = 0,
    finished_at = case when purpose = 'backfill' then now() end,
    not_before = case
      when purpose = 'backfill' then not_before
      else now() + interval '1 hour'
    end
where id = $1::integer
  and holds_lease($2::integer, $3::uuid)`);

/**
 * Records that Gmail rejected the listing. A backfill ends with the error, and the operator can plan another query. The first
 * listing and a gap listing are never dropped: they wait for an hour while other jobs continue.
 *
 * @throws {AppError} lease_lost
 */
export async function rejectListJob(
  db: Queryable,
  { mailboxId, token }: Lease,
  jobId: number,
  { code, detail }: Rejection,
): Promise<void> {
  assertHeld(await db.query(REJECT, [jobId, mailboxId, token, code, detail]));
}

// $1 job id, $2 mailbox id, $3 lease token, $4 query
const REPLACE_QUERY = statement(`
update list_jobs
set query = $4::text
where id = $1::integer
  and holds_lease($2::integer, $3::uuid)`);

/** Gives a rejected listing the query that the operator has corrected. May run twice. @throws {AppError} lease_lost */
export async function replaceListQuery(
  db: Queryable,
  lease: Lease,
  jobId: number,
  query: string,
): Promise<void> {
  assertHeld(await db.query(REPLACE_QUERY, [jobId, lease.mailboxId, lease.token, query]));
}
