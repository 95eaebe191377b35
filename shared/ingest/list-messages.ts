/**
 * Resumable listings with messages.list, a few pages at a time. The sync loop continues the list jobs of the mailbox (first
 * start, backfill, gap) after the history. Reconciliations share `listPages`.
 * Invariant: a listing ends only with its last page, its restarts are bounded, and every listed id is entered.
 */
import {
  enterListPage,
  findNextListJob,
  type ListJob,
  type Rejection,
  rejectListJob,
  replaceListQuery,
  restartListJob,
} from '../db/list-jobs.ts';
import { AppError } from '../errors.ts';
import type { RunContext } from './run-context.ts';

/** A page token can expire. If Gmail rejects more tokens than this, the listing itself is at fault. */
const MAX_RESTARTS = 3;
/** No page is started with less time left. Requesting and entering one takes a fraction of it. */
export const PAGE_MS = 1_000;

export interface ListedPage {
  /** Without duplicates. */
  readonly ids: readonly string[];
  readonly nextPageToken: string | null;
  /** The label of the request; null for none. */
  readonly labelId: string | null;
}

export interface Listing {
  /** For errors: `List job 3 (backfill)`. */
  readonly name: string;
  readonly query: string;
  readonly includeSpamTrash: boolean;
  readonly pageToken: string | null;
  /** The label of the request that returned the page token. With another label, the listing starts over. */
  readonly labelId: string | null;
  readonly restartCount: number;
  /** Enters the ids and the next page token in one transaction. @returns how many messages became pending */
  enter(page: ListedPage): Promise<number>;
  /** Starts over at the first page. */
  restart(): Promise<void>;
  reject(rejection: Rejection): Promise<void>;
}

/** Pages between two reads of the history (2,000 ids), so that live mail never waits for a long listing. */
const PAGES_PER_STEP = 4;

/**
 * Requests and enters the next pages. Must not be called while a configured label is missing.
 *
 * @param findListing null when nothing can be listed now
 * @returns true when more can be listed now
 * @throws {AppError} gmail_refused when Gmail rejects a listing, which then waits or has ended; database errors, lease_lost,
 *   out_of_time, quota_used_up; other Gmail errors, which say nothing about the history or another listing
 */
export async function listPages(
  run: RunContext,
  findListing: () => Promise<Listing | null>,
): Promise<boolean> {
  const seen = new Set<string>();
  for (let pages = 0; ; pages += 1) {
    const listing = await findListing();
    if (listing === null) return false;
    if (pages === PAGES_PER_STEP || !run.deadline.hasTimeFor(PAGE_MS)) return true;
    await listPage(run, listing, seen);
  }
}

/** @param seen the pages that the step has requested, to detect page tokens that repeat */
async function listPage(run: RunContext, listing: Listing, seen: Set<string>): Promise<void> {
  const labelId = run.label.kind === 'resolved' ? run.label.id : null;
  try {
    const { query, includeSpamTrash } = listing;
    const pageToken = listing.labelId === labelId ? listing.pageToken : null;
    const page = await run.gmail.listMessages(run.call, { query, labelId, pageToken, includeSpamTrash });
    const { nextPageToken } = page;
    const ids = [...new Set(page.messages.map((message) => message.id))];
    run.counts.discovered += await listing.enter({ ids, nextPageToken, labelId });
    seen.add(pageKey(listing, pageToken));
    if (nextPageToken !== null && seen.has(pageKey(listing, nextPageToken)))
      throw new AppError('gmail_refused', 'messages.list: a page token repeats itself.');
  } catch (error) {
    await handleRejection(listing, error);
  }
}

/** A listing that starts over may get the same tokens again. */
function pageKey({ name, restartCount }: Listing, token: string | null): string {
  return JSON.stringify([name, restartCount, token]);
}

async function handleRejection(listing: Listing, error: unknown): Promise<void> {
  if (!(error instanceof AppError && error.code === 'gmail_refused')) throw error;
  if (listing.pageToken !== null && listing.restartCount < MAX_RESTARTS) {
    await listing.restart();
    return;
  }
  const detail = `${listing.name}: ${error.message}`;
  await listing.reject({ code: error.code, detail });
  throw new AppError(error.code, detail, { cause: error });
}

/** Lists the next pages of the planned list jobs, as `listPages` does. */
export async function continueListJobs(run: RunContext): Promise<boolean> {
  return await listPages(run, async () => {
    const job = await findNextListJob(run.db, run.lease.mailboxId);
    if (job === null) return null;
    const query = job.purpose === 'initial' && job.isRejected ? run.config.initialQuery : job.query;
    if (query !== job.query) await replaceListQuery(run.db, run.lease, job.id, query);
    return listingOf(run, { ...job, query });
  });
}

function listingOf({ db, lease, config: { settleSeconds } }: RunContext, job: ListJob): Listing {
  return {
    ...job,
    name: `List job ${job.id} (${job.purpose})`,
    enter: async (page) => await enterListPage(db, lease, job, { ...page, settleSeconds }),
    restart: async () => await restartListJob(db, lease, job.id),
    reject: async (rejection) => await rejectListJob(db, lease, job.id, rejection),
  };
}
