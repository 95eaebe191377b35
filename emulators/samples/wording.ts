/** The words of an order in each language, and the buyers' number and date formats. */
import type { Buyer, Language } from './buyers.ts';
import { decimals, type PurchaseOrder } from './purchase-order.ts';

export interface Words {
  order: string;
  number: string;
  date: string;
  deliverBy: string;
  supplier: string;
  shipTo: string;
  item: string;
  description: string;
  quantity: string;
  unitPrice: string;
  amount: string;
  net: string;
  vat: string;
  total: string;
  terms: string;
  greeting: string;
  request: string;
  regards: string;
}

export const WORDS: Readonly<Record<Language, Words>> = {
  en: {
    order: 'Purchase order',
    number: 'Order no.',
    date: 'Date',
    deliverBy: 'Deliver by',
    supplier: 'Supplier',
    shipTo: 'Deliver to',
    item: 'Item',
    description: 'Description',
    quantity: 'Qty',
    unitPrice: 'Unit price',
    amount: 'Amount',
    net: 'Subtotal',
    vat: 'VAT',
    total: 'Total',
    terms: 'Payment 30 days net. Please quote our order number on delivery note and invoice.',
    greeting: 'Dear team,',
    request: 'please find our order below and confirm the delivery date.',
    regards: 'Kind regards',
  },
  de: {
    order: 'Bestellung',
    number: 'Bestell-Nr.',
    date: 'Datum',
    deliverBy: 'Liefertermin',
    supplier: 'Lieferant',
    shipTo: 'Lieferanschrift',
    item: 'Artikel',
    description: 'Bezeichnung',
    quantity: 'Menge',
    unitPrice: 'Einzelpreis',
    amount: 'Betrag',
    net: 'Zwischensumme',
    vat: 'MwSt.',
    total: 'Gesamtbetrag',
    terms: 'Zahlbar 30 Tage netto. Bitte Bestellnummer auf Lieferschein und Rechnung angeben.',
    greeting: 'Guten Tag,',
    request:
      'hiermit bestellen wir wie folgt und bitten um Bestätigung des Liefertermins. Für Rückfragen genügt ein Anruf.',
    regards: 'Mit freundlichen Grüßen',
  },
  fr: {
    order: 'Bon de commande',
    number: 'Commande nº',
    date: 'Date',
    deliverBy: 'Livraison avant le',
    supplier: 'Fournisseur',
    shipTo: 'Adresse de livraison',
    item: 'Article',
    description: 'Désignation',
    quantity: 'Qté',
    unitPrice: 'Prix unitaire',
    amount: 'Montant',
    net: 'Total HT',
    vat: 'TVA',
    total: 'Total TTC',
    terms: 'Paiement à 30 jours. Merci de rappeler notre numéro de commande sur le bon de livraison.',
    greeting: 'Bonjour,',
    request: 'veuillez trouver ci-après notre commande. Merci de nous confirmer la date de livraison prévue.',
    regards: 'Sincères salutations',
  },
  ja: {
    order: '注文書',
    number: '注文番号',
    date: '注文日',
    deliverBy: '納期',
    supplier: '発注先',
    shipTo: '納入先',
    item: '品番',
    description: '品名',
    quantity: '数量',
    unitPrice: '単価',
    amount: '金額',
    net: '小計',
    vat: '消費税',
    total: '合計',
    terms: '支払条件は月末締め翌月末払いです。',
    greeting: 'いつもお世話になっております。',
    request: '下記のとおり注文いたします。納期をご確認のうえ、ご返信をお願いいたします。',
    regards: '以上、よろしくお願いいたします。',
  },
};

/** An amount in the buyer's format. U+202F becomes U+00A0, because some fonts and charsets lack U+202F. */
export function money(buyer: Buyer, minor: number): string {
  const format = new Intl.NumberFormat(buyer.locale, { style: 'currency', currency: buyer.currency });
  return format.format(minor / 10 ** decimals(buyer)).replaceAll('\u202f', '\u00a0');
}

export function day(buyer: Buyer, date: Date): string {
  return new Intl.DateTimeFormat(buyer.locale, { dateStyle: 'long', timeZone: 'UTC' }).format(date);
}

export function quantity(buyer: Buyer, value: number): string {
  return new Intl.NumberFormat(buyer.locale).format(value).replaceAll('\u202f', '\u00a0');
}

/** The label `VAT 20%`; German and French put a space before the percent sign. */
export function vatLabel({ buyer }: PurchaseOrder): string {
  const percent = new Intl.NumberFormat(buyer.locale, { style: 'percent' }).format(buyer.vatPercent / 100);
  return `${WORDS[buyer.language].vat} ${percent.replaceAll('\u202f', '\u00a0')}`;
}
