/**
 * Finds out which messages there are, and writes them into the ledger before anything is fetched: history from
 * the cursor first (live mail), then the pages of a planned listing (backlog).
 */
import { enterHistoryPage, findScanStart } from '../db/cursor.ts';
import { enterListingPage, findOpenListing, restartListing } from '../db/listings.ts';
import { AppError } from '../errors.ts';
import { sightingsOf } from './rules.ts';
import type { Run } from './run.ts';

/** Listing pages between two looks at the history: 2,000 ids, so that live mail never waits for a long list. */
const LISTING_PAGES_A_ROUND = 4;
/** No step begins with less: a page is listed and entered in a fraction of it. */
const STEP_MS = 1_000;

export interface Discovery {
  /** Gmail's current historyId at the end of the listing; null when time ran out before it. */
  readonly seenHistoryId: string | null;
  /** A planned listing is not at its end. */
  readonly hasMore: boolean;
}

/** @throws {AppError} of Gmail, of the database, lease_lost, history_expired, out_of_time */
export async function discover(run: Run): Promise<Discovery> {
  const seenHistoryId = await discoverHistory(run);
  const hasMore = await workListings(run);
  return { seenHistoryId, hasMore };
}

async function discoverHistory(run: Run): Promise<string | null> {
  const start = await findScanStart(run.db, run.fence.mailboxId);
  let pageToken: string | null = null;
  let oldestNewHistoryId: string | null = null;
  for (;;) {
    if (!run.deadline.hasTimeFor(STEP_MS)) return null;
    const page = await run.gmail.listHistory(run.call, { startHistoryId: start.historyId, pageToken });
    const entered = await enterHistoryPage(run.db, run.fence, {
      ...sightingsOf(page.history, run.config.labelId),
      resumeAt: page.nextPageToken === null ? null : (page.history.at(-1)?.id ?? null),
      end: page.nextPageToken === null ? page.historyId : null,
      fromCursor: start.fromCursor,
      oldestNewHistoryId,
      settleSeconds: run.config.settleSeconds,
    });
    run.counts.discovered += entered.newCount;
    oldestNewHistoryId = entered.oldestNewHistoryId;
    if (page.nextPageToken === null) return page.historyId;
    pageToken = page.nextPageToken;
  }
}

async function workListings(run: Run): Promise<boolean> {
  for (let pages = 0; pages < LISTING_PAGES_A_ROUND; pages += 1) {
    const listing = await findOpenListing(run.db, run.fence.mailboxId);
    if (listing === null) return false;
    if (!run.deadline.hasTimeFor(STEP_MS)) return true;
    try {
      const page = await run.gmail.listMessages(run.call, {
        query: listing.query,
        labelId: run.config.labelId,
        pageToken: listing.pageToken,
      });
      run.counts.discovered += await enterListingPage(run.db, run.fence, listing, {
        ids: [...new Set(page.messages.map((message) => message.id))],
        nextPageToken: page.nextPageToken,
      });
    } catch (error) {
      // Page tokens do not live for ever.
      if (!(error instanceof AppError && error.code === 'gmail_refused' && listing.pageToken !== null))
        throw error;
      await restartListing(run.db, listing.id);
    }
  }
  return (await findOpenListing(run.db, run.fence.mailboxId)) !== null;
}
