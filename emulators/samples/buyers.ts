/**
 * The companies that place orders. All are invented and use example.com or example.org.
 */
import type { Mark } from './logo.ts';

export type Language = 'en' | 'de' | 'fr' | 'ja';

export interface Buyer {
  company: string;
  /** The line below the company name in the letterhead. */
  trade: string;
  person: string;
  role: string;
  email: string;
  phone: string;
  address: readonly string[];
  language: Language;
  /** BCP 47 tag, for numbers and dates. */
  locale: string;
  /** ISO 4217 */
  currency: 'EUR' | 'GBP' | 'USD' | 'JPY';
  /** Rough exchange rate: a price in euros times this is the price in the buyer's currency. */
  perEuro: number;
  vatPercent: number;
  /** Brand colour, `#rrggbb`; dark enough for white text. */
  colour: string;
  mark: Mark;
}

export const ENGLISH: readonly Buyer[] = [
  {
    company: 'Alder & Finch Ltd',
    trade: 'Workshop machinery since 1974',
    person: 'Harriet Finch',
    role: 'Head of Purchasing',
    email: 'purchasing@alder-finch.example.com',
    phone: '+44 20 7946 0417',
    address: ['14 Tannery Lane', 'Sheffield S3 8GG', 'United Kingdom'],
    language: 'en',
    locale: 'en-GB',
    currency: 'GBP',
    perEuro: 0.86,
    vatPercent: 20,
    colour: '#1f4e4a',
    mark: 'leaf',
  },
  {
    company: 'Copperline Robotics Inc.',
    trade: 'Motion systems for small factories',
    person: 'Marcus Bell',
    role: 'Supply Chain Manager',
    email: 'orders@copperline.example.com',
    phone: '+1 202 555 0143',
    address: ['2280 Foundry Street', 'Dayton, OH 45402', 'USA'],
    language: 'en',
    locale: 'en-US',
    currency: 'USD',
    perEuro: 1.12,
    vatPercent: 0,
    colour: '#9a4a1c',
    mark: 'chevron',
  },
  {
    company: 'Skerry Marine Supplies',
    trade: 'Chandlery and deck equipment',
    person: 'Isla Mackinnon',
    role: 'Buyer',
    email: 'buying@skerry-marine.example.org',
    phone: '+44 131 496 0228',
    address: ['Unit 6, Harbour Works', 'Leith, Edinburgh EH6 7DX', 'United Kingdom'],
    language: 'en',
    locale: 'en-GB',
    currency: 'GBP',
    perEuro: 0.86,
    vatPercent: 20,
    colour: '#17406d',
    mark: 'ring',
  },
];

export const LATIN: readonly Buyer[] = [
  {
    company: 'Müller & Söhne Präzisionsgeräte GmbH',
    trade: 'Prüf- und Meßtechnik',
    person: 'Jürgen Müller',
    role: 'Einkauf',
    email: 'einkauf@mueller-soehne.example.com',
    phone: '+49 30 23125 417',
    address: ['Königstraße 28', '70173 Stuttgart', 'Deutschland'],
    language: 'de',
    locale: 'de-DE',
    currency: 'EUR',
    perEuro: 1,
    vatPercent: 19,
    colour: '#7a1f2b',
    mark: 'bars',
  },
  {
    company: 'Ateliers Lefèvre S.A.',
    trade: 'Mécanique de précision à Besançon',
    person: 'Élodie Garçon',
    role: 'Responsable des achats',
    email: 'achats@ateliers-lefevre.example.org',
    phone: '+33 1 99 00 42 17',
    address: ['12, rue du Pré-Vaillant', '25000 Besançon', 'France'],
    language: 'fr',
    locale: 'fr-FR',
    currency: 'EUR',
    perEuro: 1,
    vatPercent: 20,
    colour: '#3d3a6b',
    mark: 'diamond',
  },
];

export const JAPANESE: readonly Buyer[] = [
  {
    company: '株式会社サンプル精工',
    trade: '精密部品の製造',
    person: '田中 花子',
    role: '購買部',
    email: 'koubai@sample-seiko.example.com',
    phone: '+81 3 0000 0417',
    address: ['〒100-0000', '東京都千代田区見本町一丁目2番3号'],
    language: 'ja',
    locale: 'ja-JP',
    currency: 'JPY',
    perEuro: 165,
    vatPercent: 10,
    colour: '#8c1c2f',
    mark: 'ring',
  },
];

/** The recipient of the orders; its address is that of the emulated mailbox. */
export const SELLER = {
  company: 'Example Components Ltd',
  email: 'orders@example.com',
  address: ['1 Example Way', 'Bristol BS1 4ST', 'United Kingdom'],
} as const;
