/**
 * Planned enumerations of messages.list, resumable page by page: the first start, a backfill. Each page enters
 * its ids and its place in one transaction.
 */
import type { Database, Queryable } from './database.ts';
import { assertFence, type Fence } from './lease.ts';
import { enterSightings, type LedgerSource, PRIORITY } from './ledger.ts';

export type ListingPurpose = Exclude<LedgerSource, 'history'>;

export interface Listing {
  readonly id: number;
  readonly purpose: ListingPurpose;
  readonly query: string;
  readonly pageToken: string | null;
}

/** The oldest listing that is not at its end and not to wait; null when there is none. */
export async function findOpenListing(db: Queryable, mailboxId: number): Promise<Listing | null> {
  const { rows } = await db.query<{
    id: number;
    purpose: ListingPurpose;
    query: string;
    page_token: string | null;
  }>(
    `select id, purpose, query, page_token
     from listings
     where mailbox_id = $1::integer
       and finished_at is null
       and not_before <= now()
     order by id
     limit 1`,
    [mailboxId],
  );
  const row = rows[0];
  if (row === undefined) return null;
  return { id: row.id, purpose: row.purpose, query: row.query, pageToken: row.page_token };
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
 * The first listing is made again the settle time after its beginning: a mail that came just before the cursor was
 * pinned is in no later history, and Gmail's search may not have shown it the first time.
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
    const { newCount } = await enterSightings(
      tx,
      fence.mailboxId,
      listing.purpose,
      PRIORITY.backlog,
      sightings,
    );
    await tx.query(
      `update listings
       set page_token = $2::text,
           listed_count = listed_count + $3::integer,
           new_count = new_count + $4::integer,
           not_before = case when $2::text is null and again.is_needed then again.at else not_before end,
           finished_at = case when $2::text is null and not again.is_needed then now() end
       from (
         select created_at + $5::integer * interval '1 second' as at,
                purpose = 'initial' and not_before < created_at + $5::integer * interval '1 second' as is_needed
         from listings
         where id = $1::integer
       ) again
       where id = $1::integer`,
      [listing.id, page.nextPageToken, page.ids.length, newCount, page.settleSeconds],
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
           listed_count = 0
       where id = $1::integer`,
      [listingId],
    );
  });
}
