/**
 * Reads the history from the cursor and enters its messages into the ledger, page by page. When the history is too long for
 * the run, the pages read so far count. The newest messages are listed in addition, so that live mail does not wait.
 */
import { enterHistoryPage, readHistoryStart } from '../db/history-cursor.ts';
import { planHistoryGap } from '../db/history-gap.ts';
import type { HistoryStart } from '../db/lease.ts';
import { assertLease } from '../db/lease.ts';
import { PRIORITY, upsertDiscovered } from '../db/ledger.ts';
import { AppError } from '../errors.ts';
import { discoveredMessages } from './label-rules.ts';
import { PAGE_MS } from './list-messages.ts';
import type { RunContext } from './run-context.ts';

/** Share of the remaining time that reading the history may take. The rest is for fetching. */
const HISTORY_SHARE = 0.5;

export interface HistorySync {
  /** The history was read to its end. */
  readonly isComplete: boolean;
  /** A push has announced something that the history has not shown yet. */
  readonly hasNewerHint: boolean;
}

/** @throws {AppError} Gmail errors, database errors, lease_lost, out_of_time, quota_used_up */
export async function syncHistory(run: RunContext): Promise<HistorySync> {
  try {
    return await readPages(run, await takeStart(run));
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'history_expired')) throw error;
    // Recoverable: pin the cursor to the present and list the gap by date.
    await openHistoryGap(run);
    return await readPages(run, await takeStart(run));
  }
}

async function takeStart(run: RunContext): Promise<HistoryStart> {
  const start = run.historyStart;
  run.historyStart = null;
  return start ?? (await readHistoryStart(run.db, run.lease.mailboxId, run.config.settleSeconds));
}

async function readPages(run: RunContext, start: HistoryStart): Promise<HistorySync> {
  const stopAtMs = run.deadline.remainingMs() * (1 - HISTORY_SHARE);
  const seenTokens = new Set<string>();
  let pageToken: string | null = null;
  for (;;) {
    const isOutOfTime = !run.deadline.hasTimeFor(Math.max(PAGE_MS, pageToken === null ? 0 : stopAtMs));
    if (isOutOfTime) return await listNewest(run);
    const page = await run.gmail.listHistory(run.call, { startHistoryId: start.historyId, pageToken });
    run.hasHistoryAnswer = true;
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

/** Enters the newest messages of the mailbox, which a long history lists last. */
async function listNewest(run: RunContext): Promise<HistorySync> {
  // While the wanted label is missing, no listing can filter by it.
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
 * Pins the cursor to Gmail's current history id and plans a listing of the gap. The next read of the history begins at the
 * new cursor. The listing, which is by date, misses messages that were imported during the gap with an old date.
 *
 * @throws {AppError} Gmail errors, database errors, lease_lost
 */
export async function openHistoryGap(run: RunContext): Promise<void> {
  // Read before the gap is listed: the history after this id shows what arrives during the listing.
  const { historyId } = await run.gmail.getProfile(run.call);
  const gap = await planHistoryGap(run.db, run.lease, historyId);
  run.log.write(
    gap.isNew ? 'WARNING' : 'DEBUG',
    'incident_opened',
    'The history has expired. The gap is listed by date; messages imported with an old date are not found',
    { incident_id: gap.incidentId, incident_kind: 'history_expired', query: gap.query },
  );
}
