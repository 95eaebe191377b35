/**
 * Works on the list jobs of the mailbox (first start, backfill, gap) some pages at a time. Called by the sync loop after the
 * history, so that live mail is found first.
 */
import {
  enterListPage,
  findNextListJob,
  type ListJob,
  rejectListJob,
  restartListJob,
} from '../db/list-jobs.ts';
import {
  type ListContext,
  type Listing,
  type ListProgress,
  listPage,
  NOTHING_LISTED,
  PAGE_MS,
  type SeenPages,
} from './list-page.ts';

/** Pages between two listings of the history: 2,000 ids, so that live mail never waits for a long listing. */
const PAGES_PER_STEP = 4;

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
