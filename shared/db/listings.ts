/**
 * Planned enumerations of messages.list, resumable page by page: the first start, a backfill. Each page enters
 * its ids and its place in one transaction.
 */
import { AppError } from '../errors.ts';
import type { Database, Queryable } from './database.ts';
import { assertFence, type Fence } from './lease.ts';
import { enterSightings, type LedgerSource, PRIORITY } from './ledger.ts';

export type ListingPurpose = Exclude<LedgerSource, 'history'>;

export interface Listing {
  readonly id: number;
  readonly purpose: ListingPurpose;
  readonly query: string;
  readonly pageToken: string | null;
  /** Times that it began anew because Gmail did not take its page token. */
  readonly restartCount: number;
}

/** A listing that the system needs and Gmail refuses is asked again this much later. */
const REFUSED_WAIT_SECONDS = 3600;

/** The oldest listing that is not at its end and not to wait; null when there is none. */
export async function findOpenListing(db: Queryable, mailboxId: number): Promise<Listing | null> {
  const { rows } = await db.query<{
    id: number;
    purpose: ListingPurpose;
    query: string;
    page_token: string | null;
    restart_count: number;
  }>(
    `select id, purpose, query, page_token, restart_count
     from listings
     where mailbox_id = $1::integer
       and finished_at is null
       and not_before <= now()
       and (purpose <> 'proof' or not exists (
         -- What a gap still has to find is not missing.
         select 1
         from listings gap
         where gap.mailbox_id = $1::integer
           and gap.purpose = 'gap'
           and gap.finished_at is null
       ))
     -- What may have been lost goes before what is only wanted.
     order by purpose <> 'gap', purpose <> 'proof', id
     limit 1`,
    [mailboxId],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    id: row.id,
    purpose: row.purpose,
    query: row.query,
    pageToken: row.page_token,
    restartCount: row.restart_count,
  };
}

/** Plans one; the next cycles work it off. */
export async function planListing(
  db: Queryable,
  mailboxId: number,
  purpose: ListingPurpose,
  query: string,
): Promise<number> {
  const { rows } = await db.query<{ id: number }>(
    `insert into listings (mailbox_id, purpose, query)
     values ($1::integer, $2::text, $3::text)
     returning id`,
    [mailboxId, purpose, query],
  );
  return rows[0]?.id ?? 0;
}

/**
 * Enters one page. May run twice.
 *
 * The first listing and that of a gap are made again the settle time after their beginning: a mail that came just
 * before the cursor was pinned is in no later history, and Gmail's search may not have shown it the first time.
 *
 * @param nextPageToken null at the end of the listing
 * @returns how many ids the ledger did not have
 * @throws {AppError} lease_lost
 */
export async function enterListingPage(
  db: Database,
  fence: Fence,
  listing: Listing,
  page: {
    readonly ids: readonly string[];
    readonly nextPageToken: string | null;
    readonly settleSeconds: number;
  },
): Promise<number> {
  return await db.transaction(async (tx) => {
    await assertFence(tx, fence);
    const sightings = page.ids.map((gmailMessageId) => ({
      gmailMessageId,
      ignoredRule: null,
      historyId: null,
      // A listing names ids only: a query may well find drafts or sent mail.
      checkLabels: true,
    }));
    const { newCount, newIds } = await enterSightings(
      tx,
      fence.mailboxId,
      listing.purpose,
      PRIORITY.backlog,
      sightings,
    );
    await tx.query(
      `update listings
       set page_token = $2::text,
           listed_count = case when $2::text is null and again.is_needed then 0 else listed_count + $3::integer end,
           new_count = new_count + $4::integer,
           unknown_ids = case when purpose = 'proof' then unknown_ids || $6::text[] else unknown_ids end,
           error_code = null,
           error_detail = null,
           not_before = case when $2::text is null and again.is_needed then again.at else not_before end,
           finished_at = case when $2::text is null and not again.is_needed then now() end
       from (
         select created_at + $5::integer * interval '1 second' as at,
                purpose in ('initial', 'gap')
                  and not_before < created_at + $5::integer * interval '1 second' as is_needed
         from listings
         where id = $1::integer
       ) again
       where id = $1::integer`,
      [listing.id, page.nextPageToken, page.ids.length, newCount, page.settleSeconds, newIds],
    );
    return newCount;
  });
}

/** Starts the listing over: Gmail no longer knows its page token. The ledger absorbs the repeats. */
export async function restartListing(db: Database, fence: Fence, listingId: number): Promise<void> {
  await db.transaction(async (tx) => {
    await assertFence(tx, fence);
    await tx.query(
      `update listings
       set page_token = null,
           listed_count = 0,
           restart_count = restart_count + 1
       where id = $1::integer`,
      [listingId],
    );
  });
}

/**
 * Gmail does not take the listing. What a person asked for ends so, and may be asked again in other words; what the
 * system itself needs is never dropped: it waits for an hour, and the others go on.
 */
export async function refuseListing(
  db: Database,
  fence: Fence,
  listingId: number,
  error: { readonly code: string; readonly detail: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    await assertFence(tx, fence);
    await tx.query(
      `update listings
       set error_code = $2::text,
           error_detail = $3::text,
           page_token = null,
           listed_count = 0,
           restart_count = 0,
           finished_at = case when purpose = 'backfill' then now() end,
           not_before = case
             when purpose = 'backfill' then not_before
             else now() + $4::integer * interval '1 second'
           end
       where id = $1::integer`,
      [listingId, error.code, error.detail, REFUSED_WAIT_SECONDS],
    );
  });
}

export interface ListingProgress {
  readonly isFinished: boolean;
  /** Ids that Gmail gave so far, and those among them that the ledger did not have. */
  readonly listedCount: number;
  readonly newCount: number;
  /** Why Gmail refused it; null when it did not. */
  readonly refusal: string | null;
}

/** How far a listing is. @throws {AppError} internal when there is none of this id */
export async function readListing(db: Queryable, id: number): Promise<ListingProgress> {
  const { rows } = await db.query<{
    is_finished: boolean;
    listed_count: number;
    new_count: number;
    error_detail: string | null;
  }>(
    `select finished_at is not null as is_finished, listed_count, new_count, error_detail
     from listings
     where id = $1::integer`,
    [id],
  );
  const row = rows[0];
  if (row === undefined) throw new AppError('internal', `There is no listing ${id}.`);
  return {
    isFinished: row.is_finished,
    listedCount: row.listed_count,
    newCount: row.new_count,
    refusal: row.error_detail,
  };
}

export interface Backlog {
  /** Messages that can be fetched now. */
  readonly dueCount: number;
  /** Messages that failed and wait for their next attempt. */
  readonly waitingCount: number;
}

/** What listings have found and nobody has fetched yet. */
export async function countBacklog(db: Queryable, mailboxId: number): Promise<Backlog> {
  const { rows } = await db.query<{ due: number; waiting: number }>(
    `select count(*) filter (where next_attempt_at <= now())::integer as due,
            count(*) filter (where next_attempt_at > now())::integer as waiting
     from email_ledger
     where mailbox_id = $1::integer
       and state = 'pending'
       and priority = $2::smallint`,
    [mailboxId, PRIORITY.backlog],
  );
  return { dueCount: rows[0]?.due ?? 0, waitingCount: rows[0]?.waiting ?? 0 };
}

/** A backfill: plans it, or finds it planned and not at its end, so that asking again goes on with it. */
export async function planBackfill(
  db: Database,
  mailboxId: number,
  query: string,
): Promise<{ readonly id: number; readonly isNew: boolean }> {
  return await db.transaction(async (tx) => {
    // Two that ask at once must not both plan it.
    await tx.query('select 1 from mailboxes where id = $1::integer for update', [mailboxId]);
    const { rows } = await tx.query<{ id: number }>(
      `select id
       from listings
       where mailbox_id = $1::integer
         and purpose = 'backfill'
         and query = $2::text
         and finished_at is null
       order by id
       limit 1`,
      [mailboxId, query],
    );
    const open = rows[0];
    if (open !== undefined) return { id: open.id, isNew: false };
    return { id: await planListing(tx, mailboxId, 'backfill', query), isNew: true };
  });
}
