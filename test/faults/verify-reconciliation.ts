/** Requests a full reconciliation after a round, and compares its result with the emulated Gmail. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Calls } from './calls.ts';
import type { Fixture } from './fixture.ts';

const TIMEOUT_MS = 20_000;
const POLL_MS = 100;
/**
 * Emails of the moment of the first start may or may not count. Gmail's search has a resolution of seconds, and the start
 * time comes from the database's clock.
 */
const TOLERANCE_MS = 2_000;

interface Listed {
  readonly messages: readonly { readonly internalDateMs: number; readonly labelIds: readonly string[] }[];
}

/**
 * @param mailbox the address of the mailbox to reconcile; null: the only one
 * @returns the violations
 */
export async function verifyReconciliation(
  fixture: Fixture,
  calls: Calls,
  mailbox: string | null = null,
): Promise<string[]> {
  const { db, gmail } = fixture;
  const [{ now: requestedAt, began_ms: beganMs }] = await db.rows(
    `select now() as now, extract(epoch from created_at)::float8 * 1000 as began_ms
     from mailboxes
     where $1::text is null or email_address = $1::text`,
    [mailbox],
  );
  const chosen = mailbox === null ? '' : `mailbox=${encodeURIComponent(mailbox)}`;
  let isRequested = false;
  const giveUpAt = performance.now() + TIMEOUT_MS;
  while (performance.now() < giveUpAt) {
    const answer = await calls.call('pollNow', undefined, `?${isRequested ? '' : 'reconcile=all&'}${chosen}`);
    isRequested ||= answer?.status === 200;
    const [result] = await db.rows(
      `select gmail_count as gmail, stored_count as stored, pending_count as pending, failed_count as failed,
              ignored_count as ignored, gone_count as gone, missing_count as missing
       from reconciliations r
       join mailboxes m on m.id = r.mailbox_id and ($2::text is null or m.email_address = $2::text)
       where evaluated_at is not null and started_at >= $1::timestamptz and is_full
       order by r.id desc
       limit 1`,
      [requestedAt, mailbox],
    );
    if (result === undefined) {
      await delay(POLL_MS);
      continue;
    }
    const { messages } = await gmail.control<Listed>('messages');
    const received = messages.filter(
      ({ labelIds }) => !labelIds.includes('SPAM') && !labelIds.includes('DRAFT'),
    );
    const since = (ms: number) => received.filter(({ internalDateMs }) => internalDateMs >= ms).length;
    const { gmail: listed, missing, pending, failed, gone, stored, ignored } = result;
    const isCorrect =
      missing + pending + failed + gone === 0 &&
      listed === stored + ignored &&
      listed >= since(beganMs + TOLERANCE_MS) &&
      listed <= since(beganMs - TOLERANCE_MS);
    return isCorrect
      ? []
      : [`reconciliation ${JSON.stringify(result)}, Gmail has ${since(beganMs)} since the first start`];
  }
  return ['The requested reconciliation was not evaluated'];
}
