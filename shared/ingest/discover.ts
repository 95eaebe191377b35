/**
 * Finds out which messages there are, and writes them into the ledger before anything is fetched: history from
 * the cursor first (live mail), then the pages of a planned listing (backlog).
 */
import { type AtEnd, enterHistoryPage } from '../db/cursor.ts';
import { planGap } from '../db/gap.ts';
import type { Seen } from '../db/lease.ts';
import {
  enterListingPage,
  findOpenListing,
  type Listing,
  refuseListing,
  restartListing,
} from '../db/listings.ts';
import { findScanStart, type ScanStart } from '../db/scan-start.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import { sightingsOf } from './rules.ts';
import type { Run } from './run.ts';

/** Listing pages between two looks at the history: 2,000 ids, so that live mail never waits for a long list. */
const LISTING_PAGES_A_ROUND = 4;
/** A page token that Gmail refuses as often is not old: something else is wrong with the listing. */
const MAX_RESTARTS = 3;
/** No step begins with less: a page is listed and entered in a fraction of it. */
const STEP_MS = 1_000;

export interface HistoryRead {
  /** How far the history was seen; null when its end was not reached. */
  readonly seen: Seen | null;
  /** What stood in the database when its end was entered; null as `seen`. */
  readonly atEnd: AtEnd | null;
  /** It says nothing about listings, or about what the ledger holds already. */
  readonly fault: AppError | null;
}

export interface ListingsRead {
  /** A planned listing is not at its end. */
  readonly hasMore: boolean;
  /** A planned listing was worked on. */
  readonly hasListed: boolean;
  /** It says nothing about what the ledger holds already. */
  readonly fault: AppError | null;
}

/** The history is of no use at present, Gmail is. */
const HISTORY_FAULTS: readonly ErrorCode[] = ['history_expired', 'gmail_refused'];
/** The history has just answered: it is this listing that fails. */
const LISTING_FAULTS: readonly ErrorCode[] = ['gmail_refused', 'gmail_unavailable', 'gmail_rate_limited'];

/**
 * @param start null: where the database says
 * @throws {AppError} of the database, lease_lost, out_of_time, and of Gmail when it answers nothing
 */
export async function readHistory(run: Run, start: ScanStart | null): Promise<HistoryRead> {
  const { value, fault } = await unlessFault(HISTORY_FAULTS, async () => await readAcrossGap(run, start));
  return { seen: value?.seen ?? null, atEnd: value?.atEnd ?? null, fault: fault ?? null };
}

/** Some pages of what is planned. @throws {AppError} of the database, lease_lost, out_of_time */
export async function readListings(run: Run): Promise<ListingsRead> {
  const { value, fault } = await unlessFault(LISTING_FAULTS, async () => await workListings(run));
  // One that failed too: it may have ended.
  return { hasMore: value?.hasMore ?? false, hasListed: value?.hasListed ?? true, fault: fault ?? null };
}

async function unlessFault<T>(
  codes: readonly ErrorCode[],
  step: () => Promise<T>,
): Promise<{ readonly value?: T; readonly fault?: AppError }> {
  try {
    return { value: await step() };
  } catch (error) {
    if (error instanceof AppError && codes.includes(error.code)) return { fault: error };
    throw error;
  }
}

/** An expired history is a branch, not a failure: the cursor is pinned anew, and the gap is listed by date. */
async function readAcrossGap(run: Run, start: ScanStart | null): Promise<HistoryEnd | null> {
  try {
    return await readToEnd(run, start ?? (await findScanStart(run.db, run.fence.mailboxId)));
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'history_expired')) throw error;
    const profile = await run.gmail.getProfile(run.call);
    const gap = await planGap(run.db, run.fence, profile.historyId);
    const severity = gap.isNew ? 'WARNING' : 'DEBUG';
    run.log.write(severity, 'incident_opened', 'The history has expired; the gap is listed by date', {
      incident_id: gap.incidentId,
      incident_kind: 'history_expired',
      query: gap.query,
    });
    return await readToEnd(run, await findScanStart(run.db, run.fence.mailboxId));
  }
}

interface HistoryEnd {
  readonly seen: Seen;
  readonly atEnd: AtEnd | null;
}

/** @returns null when the time was used up before the end */
async function readToEnd(run: Run, start: ScanStart): Promise<HistoryEnd | null> {
  let pageToken: string | null = null;
  let shownHistoryId = start.historyId;
  let oldestNewHistoryId: string | null = null;
  for (;;) {
    if (!run.deadline.hasTimeFor(STEP_MS)) return null;
    const page = await run.gmail.listHistory(run.call, { startHistoryId: start.historyId, pageToken });
    shownHistoryId = page.history.at(-1)?.id ?? shownHistoryId;
    const entered = await enterHistoryPage(run.db, run.fence, {
      ...sightingsOf(page.history, run.config.labelId),
      resumeAt: page.nextPageToken === null ? null : (page.history.at(-1)?.id ?? null),
      end: page.nextPageToken === null ? page.historyId : null,
      fromCursor: start.fromCursor,
      listedAt: start.listedAt,
      oldestNewHistoryId,
      shownHistoryId,
      settleSeconds: run.config.settleSeconds,
      lookFor: run.lookFor,
    });
    run.counts.discovered += entered.newCount;
    oldestNewHistoryId = entered.oldestNewHistoryId;
    if (page.nextPageToken === null)
      return { seen: { endHistoryId: page.historyId, shownHistoryId }, atEnd: entered.atEnd };
    pageToken = page.nextPageToken;
  }
}

async function workListings(run: Run): Promise<{ readonly hasMore: boolean; readonly hasListed: boolean }> {
  for (let pages = 0; pages < LISTING_PAGES_A_ROUND; pages += 1) {
    const listing = await findOpenListing(run.db, run.fence.mailboxId);
    if (listing === null) return { hasMore: false, hasListed: pages > 0 };
    if (!run.deadline.hasTimeFor(STEP_MS)) return { hasMore: true, hasListed: pages > 0 };
    try {
      const page = await run.gmail.listMessages(run.call, {
        query: listing.query,
        labelId: run.config.labelId,
        pageToken: listing.pageToken,
      });
      run.counts.discovered += await enterListingPage(run.db, run.fence, listing, {
        ids: [...new Set(page.messages.map((message) => message.id))],
        nextPageToken: page.nextPageToken,
        settleSeconds: run.config.settleSeconds,
      });
    } catch (error) {
      await settleRefusal(run, listing, error);
    }
  }
  return { hasMore: (await findOpenListing(run.db, run.fence.mailboxId)) !== null, hasListed: true };
}

/** Page tokens do not live for ever. A query that is refused ends this cycle as failed, and no other. */
async function settleRefusal(run: Run, listing: Listing, error: unknown): Promise<void> {
  if (!(error instanceof AppError && error.code === 'gmail_refused')) throw error;
  if (listing.pageToken !== null && listing.restartCount < MAX_RESTARTS) {
    await restartListing(run.db, run.fence, listing.id);
    return;
  }
  const detail = `Listing ${listing.id} (${listing.purpose}): ${error.message}`;
  await refuseListing(run.db, run.fence, listing.id, { code: error.code, detail });
  throw new AppError(error.code, detail, { cause: error });
}
