/**
 * Synthetic purchase orders for an emulated mailbox: an initial set and a stream of new emails.
 *
 * The same number and time give the same bytes, so an email can be sent twice on purpose.
 */

import { seededRandom } from '../seeded-random.ts';
import type { Buyer } from './buyers.ts';
import { makeOrder } from './purchase-order.ts';
import { SAMPLE_KINDS, type SampleKind } from './sample-kinds.ts';

export interface SampleMail {
  /** RFC 5322 bytes with CRLF. */
  raw: Buffer;
  /** For display: `PO-2026-01042, order as a PDF, from Alder & Finch Ltd`. */
  title: string;
}

/** Interval between the initial emails, which seem to have arrived over the last hours. */
const SPACING_MS = 17 * 60_000;
/** Spreads consecutive seeds, whose first random numbers would otherwise be similar. */
const SEED_STEP = 0x9e3779b1;

async function sampleMail(n: number, kind: SampleKind, at: Date): Promise<SampleMail> {
  const random = seededRandom(Math.imul(n + 1, SEED_STEP));
  // Buyers take turns, so that ten emails cover all of them. Each round of kinds shifts the turn by one, so that a
  // kind does not always get the same buyer.
  const turn = n + Math.floor(n / SAMPLE_KINDS.length);
  const order = makeOrder(n, kind.buyers[turn % kind.buyers.length] as Buyer, random, at);
  const title = `${order.number}, ${kind.title}, from ${order.buyer.company}`;
  return { raw: await kind.build(order), title };
}

/** One email of every kind, oldest first; the newest is dated `now`. */
export function samplePurchaseOrders(now: Date = new Date()): Promise<SampleMail[]> {
  const last = SAMPLE_KINDS.length - 1;
  return Promise.all(
    SAMPLE_KINDS.map((kind, n) => sampleMail(n, kind, new Date(now.getTime() - (last - n) * SPACING_MS))),
  );
}

/**
 * The nth new email (0, 1, 2, ...). Its order number follows those of the initial emails. Buyers, products and
 * quantities vary, and the kinds take turns.
 */
export function nextPurchaseOrder(n: number, now: Date = new Date()): Promise<SampleMail> {
  const kind = SAMPLE_KINDS[n % SAMPLE_KINDS.length] as SampleKind;
  return sampleMail(SAMPLE_KINDS.length + n, kind, now);
}
