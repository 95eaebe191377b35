/**
 * A purchase order, independent of its document format: PDF, spreadsheet, CSV, HTML or plain text.
 *
 * Amounts are whole minor units of the currency (cents, yen), so every format shows the same total.
 */

import { between, pick, type Random } from '../seeded-random.ts';
import type { Buyer } from './buyers.ts';
import { PRODUCTS } from './products.ts';

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
/** Order number of the first sample. */
const FIRST_NUMBER = 1_000;

/** Digits after the decimal point of a currency. */
export function decimals(buyer: Buyer): number {
  return buyer.currency === 'JPY' ? 0 : 2;
}

/** @param n determines the order number; the same arguments and random sequence give the same order */
export function makeOrder(n: number, buyer: Buyer, random: Random, now: Date): PurchaseOrder {
  const count = between(random, 3, 8);
  const products = new Set(Array.from({ length: count }, () => pick(random, PRODUCTS)));
  const lines = [...products].map(({ sku, name, priceEuroCents, isBulk }) => {
    const quantity = isBulk ? between(random, 2, 40) * 25 : between(random, 1, 24);
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
