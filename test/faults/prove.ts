/** The system's own proof of completeness, asked for after a round, against what Gmail really holds. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Calls } from './calls.ts';
import type { World } from './world.ts';

const TRIES = 40;
const STEP_MS = 100;
/** Gmail's search knows seconds, and the first start is known to the database's clock: mail of that moment may count. */
const EDGE_MS = 2_000;

interface Listed {
  readonly messages: readonly { readonly internalDateMs: number; readonly labelIds: readonly string[] }[];
}

/** @returns the violations */
export async function prove(world: World, calls: Calls): Promise<string[]> {
  const { db, gmail } = world;
  const [{ now: askedAt, began_ms: beganMs }] = await db.rows(
    'select now() as now, extract(epoch from created_at)::float8 * 1000 as began_ms from mailboxes',
  );
  let isAsked = false;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const answer = await calls.call('pollNow', undefined, isAsked ? '' : '?prove=all');
    // Whoever holds the lease does not hear of it.
    isAsked ||= answer?.json?.outcome === 'completed';
    const [proof] = await db.rows(
      `select proved_gmail_count as gmail, proved_ledger_count as ledger, proved_missing_count as missing
       from mailboxes
       where proved_at >= $1::timestamptz`,
      [askedAt],
    );
    if (proof === undefined) {
      await delay(STEP_MS);
      continue;
    }
    const { messages } = await gmail.control<Listed>('messages');
    const shown = messages.filter(
      ({ labelIds }) => !labelIds.includes('SPAM') && !labelIds.includes('TRASH'),
    );
    const since = (ms: number) => shown.filter(({ internalDateMs }) => internalDateMs >= ms).length;
    const isRight =
      proof.missing === 0 &&
      proof.ledger === proof.gmail &&
      proof.gmail >= since(beganMs + EDGE_MS) &&
      proof.gmail <= since(beganMs - EDGE_MS);
    return isRight
      ? []
      : [`proof ${JSON.stringify(proof)}, Gmail holds ${since(beganMs)} since the first start`];
  }
  return ['The proof that was asked for did not come'];
}
