/**
 * One purchase order, the same in every form that it is sent in: PDF, sheet, CSV, HTML or plain text.
 *
 * Amounts are whole minor units of the currency (cents; yen), so that every form shows the same total.
 */
import type { Buyer } from './buyers.ts';
import { CATALOGUE } from './catalogue.ts';
import { between, pick, type Random } from './chance.ts';

export interface OrderLine {
  sku: string;
  name: string;
  quantity: number;
  unitPriceMinor: number;
  amountMinor: number;
}

export interface PurchaseOrder {
  /** `PO-2026-01042` */
  number: string;
  buyer: Buyer;
  orderedAt: Date;
  deliverBy: Date;
  lines: readonly OrderLine[];
  netMinor: number;
  vatMinor: number;
  totalMinor: number;
}

const DAY_MS = 86_400_000;
/** Orders of a year before the first sample: a company does not begin with number one. */
const FIRST_NUMBER = 1_000;

/** Digits after the decimal point of a currency. */
export function decimals(buyer: Buyer): number {
  return buyer.currency === 'JPY' ? 0 : 2;
}

/** @param n makes the number of the order; two orders with the same n are the same order */
export function makeOrder(n: number, buyer: Buyer, random: Random, now: Date): PurchaseOrder {
  const count = between(random, 3, 8);
  const items = new Set(Array.from({ length: count }, () => pick(random, CATALOGUE)));
  const lines = [...items].map(({ sku, name, priceEuroCents, bulk }) => {
    const quantity = bulk ? between(random, 2, 40) * 25 : between(random, 1, 24);
    const unitPriceMinor = Math.round((priceEuroCents / 100) * buyer.perEuro * 10 ** decimals(buyer));
    return {
      sku,
      name: name[buyer.language],
      quantity,
      unitPriceMinor,
      amountMinor: quantity * unitPriceMinor,
    };
  });
  const netMinor = lines.reduce((sum, { amountMinor }) => sum + amountMinor, 0);
  const vatMinor = Math.round((netMinor * buyer.vatPercent) / 100);
  return {
    number: `PO-${now.getUTCFullYear()}-${String(FIRST_NUMBER + n).padStart(5, '0')}`,
    buyer,
    orderedAt: now,
    deliverBy: new Date(now.getTime() + between(random, 7, 35) * DAY_MS),
    lines,
    netMinor,
    vatMinor,
    totalMinor: netMinor + vatMinor,
  };
}
