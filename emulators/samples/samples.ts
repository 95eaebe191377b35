/**
 * Synthetic purchase orders for the emulated mailbox: a first filling, and a stream of new arrivals.
 *
 * The same number and time give the same bytes, so that a mail can be sent twice on purpose.
 */
import type { Buyer } from './buyers.ts';
import { seededRandom } from './chance.ts';
import { makeOrder } from './purchase-order.ts';
import { SAMPLE_KINDS, type SampleKind } from './sample-kinds.ts';

export interface SampleMail {
  /** RFC 5322 bytes with CRLF. */
  raw: Buffer;
  /** For a person at the terminal: `PO-2026-01042, order as a PDF, from Alder & Finch Ltd`. */
  title: string;
}

/** The first filling looks as if it had come in over the last hours. */
const SPACING_MS = 17 * 60_000;
/** Spreads neighbouring seeds, whose first numbers would resemble each other. */
const SEED_STEP = 0x9e3779b1;

async function sampleMail(n: number, kind: SampleKind, at: Date): Promise<SampleMail> {
  const random = seededRandom(Math.imul(n + 1, SEED_STEP));
  // By turns and not by chance, so that ten mails show as many buyers as there are; shifted by one in each
  // round of the kinds, so that no buyer is tied to a kind.
  const turn = n + Math.floor(n / SAMPLE_KINDS.length);
  const order = makeOrder(n, kind.buyers[turn % kind.buyers.length] as Buyer, random, at);
  const title = `${order.number}, ${kind.title}, from ${order.buyer.company}`;
  return { raw: await kind.build(order), title };
}

/** One mail of every kind, oldest first, the newest at `now`. */
export function samplePurchaseOrders(now: Date = new Date()): Promise<SampleMail[]> {
  const last = SAMPLE_KINDS.length - 1;
  return Promise.all(
    SAMPLE_KINDS.map((kind, n) => sampleMail(n, kind, new Date(now.getTime() - (last - n) * SPACING_MS))),
  );
}

/**
 * The nth new arrival (0, 1, 2, ...); its order number follows those of the first filling. Buyers, items and
 * quantities vary, and the kinds take turns.
 */
export function nextPurchaseOrder(n: number, now: Date = new Date()): Promise<SampleMail> {
  const kind = SAMPLE_KINDS[n % SAMPLE_KINDS.length] as SampleKind;
  return sampleMail(SAMPLE_KINDS.length + n, kind, now);
}
