/**
 * Reads the history from the cursor and enters what it shows into the ledger, page by page. A history that is longer than the
 * time allows is cut: the pages that were read count, and the newest messages are listed beside it, so that live mail does
 * not wait for the end of a long history.
 */
import { enterHistoryPage, type HistoryStart, readHistoryStart } from '../db/history-cursor.ts';
import { planHistoryGap } from '../db/history-gap.ts';
import { assertLease } from '../db/lease.ts';
import { PRIORITY, upsertDiscovered } from '../db/ledger.ts';
import { AppError } from '../errors.ts';
import type { RunContext } from './ingest-context.ts';
import { discoveredMessages } from './label-rules.ts';
import { PAGE_MS } from './list-messages.ts';

/** The share of the remaining time that a listing of the history may take; the rest is for fetching. */
const HISTORY_SHARE = 0.5;

export interface HistorySync {
  /** The listing reached the end of the history. */
  readonly isComplete: boolean;
  /** A push has announced something that the listing has not shown. */
  readonly hasNewerHint: boolean;
}

/**
 * @param start of the first listing of a run; null: read from the database
 * @throws {AppError} of Gmail, of the database, lease_lost, out_of_time
 */
export async function syncHistory(run: RunContext, start: HistoryStart | null): Promise<HistorySync> {
  try {
    return await readPages(run, start ?? (await readStart(run)));
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'history_expired')) throw error;
    // Not a failure: the cursor is pinned to the present, and the gap is listed by date.
    await openHistoryGap(run);
    return await readPages(run, await readStart(run));
  }
}

async function readStart({ db, lease, config }: RunContext): Promise<HistoryStart> {
  return await readHistoryStart(db, lease.mailboxId, config.settleSeconds);
}

async function readPages(run: RunContext, start: HistoryStart): Promise<HistorySync> {
  const stopAtMs = run.deadline.remainingMs() * (1 - HISTORY_SHARE);
  const seenTokens = new Set<string>();
  let pageToken: string | null = null;
  for (;;) {
    const isOutOfTime = !run.deadline.hasTimeFor(Math.max(PAGE_MS, pageToken === null ? 0 : stopAtMs));
    if (isOutOfTime) return await cut(run);
    const page = await run.gmail.listHistory(run.call, { startHistoryId: start.historyId, pageToken });
    run.progress.hasHistoryAnswer = true;
    const { discovered, unignored } = discoveredMessages(page.history, run.label);
    const entered = await enterHistoryPage(run.db, run.lease, {
      start,
      discovered,
      unignored,
      isLabelMissing: run.label.kind === 'missing',
      answerHistoryId: page.historyId,
      lastRecordId: page.history.at(-1)?.id ?? null,
      isLast: page.nextPageToken === null,
    });
    run.counts.discovered += entered.newCount;
    if (page.nextPageToken === null) return { isComplete: true, hasNewerHint: entered.hasNewerHint };
    if (seenTokens.has(page.nextPageToken)) {
      throw new AppError('gmail_unavailable', 'users.history.list: a page token repeats itself.');
    }
    seenTokens.add(page.nextPageToken);
    pageToken = page.nextPageToken;
  }
}

/** Enters the newest page of the mailbox: live mail behind a long history. */
async function cut(run: RunContext): Promise<HistorySync> {
  // While the wanted label is missing, no listing can ask for it.
  if (run.deadline.hasTimeFor(PAGE_MS) && run.label.kind !== 'missing') {
    const createdSeconds = Math.floor(run.mailboxCreatedAt.getTime() / 1_000) - 1;
    const { messages } = await run.gmail.listMessages(run.call, {
      query: `-in:spam -in:drafts after:${createdSeconds}`,
      labelId: run.label.kind === 'resolved' ? run.label.id : null,
      pageToken: null,
    });
    const ids = [...new Set(messages.map((message) => message.id))];
    const entered = await run.db.transaction(async (tx) => {
      const upserted = await upsertDiscovered(
        tx,
        run.lease.mailboxId,
        'newest',
        PRIORITY.live,
        // Oldest first, so that the newest message gets the highest ledger id.
        ids.toReversed().map((gmailMessageId) => ({
          gmailMessageId,
          ignoredRule: null,
          historyId: null,
          labelsUnknown: true,
        })),
      );
      await assertLease(tx, run.lease);
      return upserted;
    });
    run.counts.discovered += entered.newCount;
  }
  return { isComplete: false, hasNewerHint: false };
}

/**
 * Pins the cursor to Gmail's current history id and plans the listing of the gap; the next listing of the history begins at
 * the new cursor. Mail that is imported during the gap with an old date is not found by the listing.
 *
 * @throws {AppError} of Gmail, of the database, lease_lost
 */
export async function openHistoryGap(run: RunContext): Promise<void> {
  // Before anything is listed: what arrives during the listing is in the history after the pin.
  const { historyId } = await run.gmail.getProfile(run.call);
  const gap = await planHistoryGap(run.db, run.lease, historyId);
  run.log.write(
    gap.isNew ? 'WARNING' : 'DEBUG',
    'incident_opened',
    'The history has expired; the gap is listed by date, which finds no mail that was imported with an old date',
    { incident_id: gap.incidentId, incident_kind: 'history_expired', query: gap.query },
  );
}
