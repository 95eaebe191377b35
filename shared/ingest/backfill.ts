/**
 * Older mail by a Gmail query: planned as a listing, then worked off in cycles like any other backlog. Called by
 * `npm run backfill`. What must stay true: everything stands in the database, so whoever runs the next cycle, here or
 * in the cloud, goes on with it.
 */
import {
  type Backlog,
  countBacklog,
  type ListingProgress,
  planBackfill,
  readListing,
} from '../db/listings.ts';
import type { Mailbox } from '../db/mailboxes.ts';
import { takeQuota } from '../db/quota.ts';
import { Deadline } from '../deadline.ts';
import { AppError, needsPerson } from '../errors.ts';
import type { GmailClient } from '../gmail/gmail-client.ts';
import { type IngestReport, ingestMailbox } from './ingest-mailbox.ts';
import { Purse } from './purse.ts';
import type { System } from './run.ts';

/** Between two looks while another instance works on the mailbox. */
const BUSY_WAIT_MS = 3_000;
/** Cycles one after another that fail, or change nothing: then a person is told, and the poll goes on alone. */
const MAX_FRUITLESS = 5;
const FAILED_WAIT_MS = 2_000;
const CHECK_MS = 90_000;

/**
 * Asks Gmail whether it takes the query, before anything is planned. Five units.
 *
 * @throws {AppError} gmail_refused for the query; others of Gmail
 */
export async function assertQuery(
  system: System,
  gmail: GmailClient,
  mailbox: Mailbox,
  query: string,
): Promise<void> {
  const { config, clock, sleep, db } = system;
  const deadline = Deadline.after(CHECK_MS, clock);
  const { quotaUnitsPerMinute: unitsPerMinute } = config;
  const purse = new Purse({
    deadline,
    sleep,
    clock,
    take: async (least, most) => await takeQuota(db, mailbox.id, { least, most, unitsPerMinute }),
    // It takes what it spends.
    giveBack: async () => undefined,
    // Two calls prove nothing of a budget.
    noteRefusal: async () => false,
  });
  const call = { deadline, pay: async (units: number) => await purse.pay(units) };
  await gmail.listMessages(call, { query, labelId: config.labelId, pageToken: null });
}

/** Plans it; one that is planned already and not at its end is taken up again. */
export async function plan(system: System, mailbox: Mailbox, query: string) {
  return await planBackfill(system.db, mailbox.id, query);
}

export interface BackfillCycle {
  readonly report: IngestReport;
  readonly listing: ListingProgress;
  readonly backlog: Backlog;
}

/** Its listing is at its end, and what it found is fetched; what failed for now may be waiting still. */
export function isWorkedOff({ listing, backlog }: BackfillCycle): boolean {
  return listing.isFinished && backlog.dueCount === 0;
}

/**
 * Runs cycles until the listing is worked off, one at each step; whoever iterates may stop at any time. None begins
 * after the interruption.
 *
 * @throws {AppError} what a person has to remediation, what lasts, database_unavailable
 */
export async function* workOff(
  system: System,
  mailbox: Mailbox,
  listingId: number,
  budgetMs: number,
  interruption?: AbortSignal,
): AsyncGenerator<BackfillCycle> {
  let fruitless = 0;
  let before = '';
  while (interruption?.aborted !== true) {
    const deadline = Deadline.after(budgetMs, system.clock);
    // The waits are kept: cycles follow each other so quickly that a message in trouble would use its attempts up.
    const report = await ingestMailbox(system, { trigger: 'manual', deadline, ignoresWaits: false });
    const cycle = {
      report,
      listing: await readListing(system.db, listingId),
      backlog: await countBacklog(system.db, mailbox.id),
    };
    yield cycle;
    if (isWorkedOff(cycle)) return;
    if (needsPerson(report.error?.code ?? null) && report.error !== null) throw report.error;

    const now = JSON.stringify([cycle.listing, cycle.backlog]);
    fruitless = now === before && report.outcome !== 'busy' ? fruitless + 1 : 0;
    before = now;
    if (fruitless >= MAX_FRUITLESS) throw report.error ?? stuck();
    await system.sleep(waitMs(report, deadline, fruitless));
  }
}

/** Out of time early means out of quota: the rest of the cycle's time is what it takes to have more. */
function waitMs({ outcome }: IngestReport, deadline: Deadline, fruitless: number): number {
  if (outcome === 'busy') return BUSY_WAIT_MS;
  if (outcome === 'out_of_time') return deadline.remainingMs();
  return outcome === 'failed' ? FAILED_WAIT_MS * 2 ** fruitless : 0;
}

function stuck(): AppError {
  return new AppError('internal', `${MAX_FRUITLESS} cycles one after another have changed nothing.`);
}
