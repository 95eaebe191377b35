import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Buyer, ENGLISH, JAPANESE, LATIN } from '../../../emulators/samples/buyers.ts';
import { LATIN_1 } from '../../../emulators/samples/handmade-mail.ts';
import { encodeIso2022Jp } from '../../../emulators/samples/iso-2022-jp.ts';
import { logoPng } from '../../../emulators/samples/logo.ts';
import { orderPdf } from '../../../emulators/samples/order-pdf.ts';
import { orderCsv, orderText } from '../../../emulators/samples/order-table.ts';
import { PRODUCTS } from '../../../emulators/samples/products.ts';
import { makeOrder } from '../../../emulators/samples/purchase-order.ts';
import { withZipTimes } from '../../../emulators/samples/zip-times.ts';
import { seededRandom } from '../../../emulators/seeded-random.ts';

const NOW = new Date('2026-11-23T09:00:00Z');
const ALL: readonly Buyer[] = [...ENGLISH, ...LATIN, ...JAPANESE];

describe('purchase order', () => {
  it.each(ALL.map((buyer) => [buyer.company, buyer] as const))(
    'makes an order of %s whose total matches its lines',
    (_, buyer) => {
      const order = makeOrder(1, buyer, seededRandom(1), NOW);
      const net = order.lines.reduce((sum, line) => sum + line.quantity * line.unitPriceMinor, 0);
      expect(order.netMinor).toBe(net);
      expect(order.totalMinor).toBe(order.netMinor + order.vatMinor);
      expect(order.lines.length).toBeGreaterThan(0);
      expect(order.deliverBy.getTime()).toBeGreaterThan(NOW.getTime());
    },
  );

  it('writes one CSV row per order line', () => {
    const order = makeOrder(1, ENGLISH[0] as Buyer, seededRandom(1), NOW);
    const [head, ...rows] = orderCsv(order).trimEnd().split('\r\n');
    expect(head?.split(',')).toHaveLength(8);
    expect(rows.map((row) => row.split(',')[2])).toEqual(order.lines.map(({ sku }) => sku));
  });

  it('fits an order on one PDF page', async () => {
    for (const seed of [1, 2, 3, 4]) {
      const pdf = await orderPdf(makeOrder(seed, LATIN[0] as Buyer, seededRandom(seed), NOW));
      expect(pdf.toString('latin1').match(/\/Type \/Page\b/g)).toHaveLength(1);
    }
  });
});

describe('older charsets', () => {
  it('encodes ISO-2022-JP that Node decodes, with every line ending in ASCII', () => {
    const names = PRODUCTS.map(({ name }) => name.ja).join('\r\n');
    const text = `${names}\r\n${orderText(makeOrder(1, JAPANESE[0] as Buyer, seededRandom(1), NOW))}`;
    const bytes = encodeIso2022Jp(text);
    expect(new TextDecoder('iso-2022-jp').decode(bytes)).toBe(text);
    expect(Math.max(...bytes)).toBeLessThan(128);
    // RFC 1468 lets a decoder reset at each line; the result must be the same.
    const lines = bytes.toString('latin1').split('\r\n');
    const decoded = lines.map((line) => new TextDecoder('iso-2022-jp').decode(Buffer.from(line, 'latin1')));
    expect(decoded.join('\r\n')).toBe(text);
  });

  it('rejects characters that a charset lacks, and writes the euro sign as EUR in Latin-1', () => {
    expect(() => encodeIso2022Jp('naïve')).toThrow(RangeError);
    expect(() => LATIN_1.encode('注文書')).toThrow(RangeError);
    expect(LATIN_1.encode('5 €').toString('latin1')).toBe('5 EUR');
  });
});

it('draws the logo as a PNG in the brand colour', () => {
  const png = logoPng('diamond', '#102030', 32);
  expect(png.toString('latin1', 1, 4)).toBe('PNG');
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([32, 32]);
  const length = png.readUInt32BE(33);
  const pixels = inflateSync(png.subarray(41, 41 + length));
  // Row 8, column 2: inside the tile, outside the mark.
  expect([...pixels.subarray(8 * 97 + 1 + 2 * 3).subarray(0, 3)]).toEqual([0x10, 0x20, 0x30]);
});

it('rejects a ZIP archive without a valid end record', () => {
  expect(() => withZipTimes(Buffer.from('PK and then some text'), NOW)).toThrow(TypeError);
});
