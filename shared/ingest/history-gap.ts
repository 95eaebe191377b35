/** What a run does when Gmail no longer has the history after the cursor. A branch, not a failure. */
import { planHistoryGap } from '../db/history-gap.ts';
import type { RunContext } from './context.ts';

/**
 * Pins the cursor to Gmail's current history id and plans the listing of the gap; the next listing of the history begins at
 * the new cursor. Mail that is imported during the gap with an old date is not found by the listing.
 *
 * @throws {AppError} of Gmail, of the database, lease_lost
 */
export async function openHistoryGap(
  run: Pick<RunContext, 'call' | 'db' | 'gmail' | 'lease' | 'log'>,
): Promise<void> {
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
