/** A full reconciliation of the functions, requested after a round, against what Gmail really holds. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Calls } from './calls.ts';
import type { Fixture } from './fixture.ts';

const PATIENCE_MS = 20_000;
const STEP_MS = 100;
/** Gmail's search knows seconds, and the first start is known to the database's clock: mail of that moment may count. */
const EDGE_MS = 2_000;

interface Listed {
  readonly messages: readonly { readonly internalDateMs: number; readonly labelIds: readonly string[] }[];
}

/** @returns the violations */
export async function reconcile(fixture: Fixture, calls: Calls): Promise<string[]> {
  const { db, gmail } = fixture;
  const [{ now: requestedAt, began_ms: beganMs }] = await db.rows(
    'select now() as now, extract(epoch from created_at)::float8 * 1000 as began_ms from mailboxes',
  );
  let isRequested = false;
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (performance.now() < giveUpAt) {
    const answer = await calls.call('pollNow', undefined, isRequested ? '' : '?reconcile=all');
    isRequested ||= answer?.status === 200;
    const [result] = await db.rows(
      `select gmail_count as gmail, stored_count as stored, pending_count as pending, failed_count as failed,
              ignored_count as ignored, gone_count as gone, missing_count as missing
       from reconciliations
       where evaluated_at is not null and started_at >= $1::timestamptz and is_full
       order by id desc
       limit 1`,
      [requestedAt],
    );
    if (result === undefined) {
      await delay(STEP_MS);
      continue;
    }
    const { messages } = await gmail.control<Listed>('messages');
    const shown = messages.filter(
      ({ labelIds }) => !labelIds.includes('SPAM') && !labelIds.includes('DRAFT'),
    );
    const since = (ms: number) => shown.filter(({ internalDateMs }) => internalDateMs >= ms).length;
    const { gmail: listed, missing, pending, failed, gone, stored, ignored } = result;
    const isRight =
      missing + pending + failed + gone === 0 &&
      listed === stored + ignored &&
      listed >= since(beganMs + EDGE_MS) &&
      listed <= since(beganMs - EDGE_MS);
    return isRight
      ? []
      : [`reconciliation ${JSON.stringify(result)}, Gmail holds ${since(beganMs)} since the first start`];
  }
  return ['The reconciliation that was requested was not evaluated'];
}
