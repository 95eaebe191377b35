/**
 * Resumable listings of messages.list, some pages at a time: the list jobs of the mailbox (first start, backfill, gap), which
 * the sync loop continues after the history, and the page that they share with reconciliations.
 * Invariant: a listing ends only with its last page, its restarts are bounded, and ids that Gmail gave are entered.
 */
import {
  enterListPage,
  findNextListJob,
  type ListJob,
  type Rejection,
  rejectListJob,
  restartListJob,
} from '../db/list-jobs.ts';
import { AppError } from '../errors.ts';
import type { RunContext } from './ingest-context.ts';

/** A page token can expire. One that is rejected more often is not old: something else is wrong with the listing. */
const MAX_RESTARTS = 3;
/** No page begins with less time: requesting and entering one takes a fraction of it. */
export const PAGE_MS = 1_000;

/** What a listing needs of a run. */
export type ListContext = Pick<
  RunContext,
  'call' | 'config' | 'counts' | 'db' | 'deadline' | 'gmail' | 'label' | 'lease' | 'log'
>;

export interface ListedPage {
  /** Each once. */
  readonly ids: readonly string[];
  readonly nextPageToken: string | null;
  /** The label that Gmail was asked for; null for none. */
  readonly labelId: string | null;
}

export interface Listing {
  /** For errors: `List job 3 (backfill)`. */
  readonly name: string;
  readonly query: string;
  readonly includeSpamTrash: boolean;
  readonly pageToken: string | null;
  readonly restartCount: number;
  /** Enters the ids, each once, and the place, in one transaction. @returns how many messages are to be fetched */
  enter(page: ListedPage): Promise<number>;
  /** Begins again at the first page. */
  restart(): Promise<void>;
  reject(rejection: Rejection): Promise<void>;
}

export interface ListProgress {
  /** Something can be listed now. */
  readonly hasMore: boolean;
  /** At least one page was requested. */
  readonly hasListed: boolean;
}

export const NOTHING_LISTED: ListProgress = { hasMore: false, hasListed: false };

/** The pages that a step has requested, so that tokens which go round in a circle end as an error. */
export type SeenPages = Set<string>;

/**
 * Requests and enters one page. Not to be called while a configured label is missing.
 *
 * @throws {AppError} gmail_refused when Gmail rejects the listing, which then waits or has ended; others of Gmail and of the
 *   database
 */
export async function listPage(run: ListContext, listing: Listing, seen: SeenPages): Promise<void> {
  const labelId = run.label.kind === 'resolved' ? run.label.id : null;
  try {
    const { query, pageToken, includeSpamTrash } = listing;
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

/** A listing that begins again may meet the same tokens again. */
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

/** Pages between two listings of the history: 2,000 ids, so that live mail never waits for a long listing. */
export const PAGES_PER_STEP = 4;

/**
 * Lists the next pages of what is planned; nothing while a configured label is missing.
 *
 * @throws {AppError} of the database, lease_lost, out_of_time, and of Gmail; the error says nothing about other jobs
 */
export async function continueListJobs(run: ListContext): Promise<ListProgress> {
  if (run.label.kind === 'missing') return NOTHING_LISTED;
  const { mailboxId } = run.lease;
  const seen: SeenPages = new Set();
  for (let pages = 0; pages < PAGES_PER_STEP; pages += 1) {
    const job = await findNextListJob(run.db, mailboxId);
    if (job === null) return { hasMore: false, hasListed: pages > 0 };
    if (!run.deadline.hasTimeFor(PAGE_MS)) return { hasMore: true, hasListed: pages > 0 };
    await listPage(run, listingOf(run, job), seen);
  }
  return { hasMore: (await findNextListJob(run.db, mailboxId)) !== null, hasListed: true };
}

function listingOf({ db, lease, config: { settleSeconds } }: ListContext, job: ListJob): Listing {
  return {
    ...job,
    name: `List job ${job.id} (${job.purpose})`,
    enter: async (page) => await enterListPage(db, lease, job, { ...page, settleSeconds }),
    restart: async () => await restartListJob(db, lease, job.id),
    reject: async (rejection) => await rejectListJob(db, lease, job.id, rejection),
  };
}
