import PostalMime, { type Email } from 'postal-mime';
import { beforeAll, describe, expect, it } from 'vitest';
import { SAMPLE_KINDS } from '../../../emulators/samples/sample-kinds.ts';
import {
  nextPurchaseOrder,
  type SampleMail,
  samplePurchaseOrders,
} from '../../../emulators/samples/samples.ts';

const NOW = new Date('2026-11-23T09:00:00Z');

let mails: Map<string, { raw: string; parsed: Email }>;
beforeAll(async () => {
  const samples = await samplePurchaseOrders(NOW);
  const entries = samples.map(async ({ raw }, i) => {
    // By default, postal-mime parses an attached message instead of returning it as a file.
    const parsed = await PostalMime.parse(raw, { forceRfc822Attachments: true });
    return [SAMPLE_KINDS[i]?.title ?? '', { raw: raw.toString('latin1'), parsed }] as const;
  });
  mails = new Map(await Promise.all(entries));
});

function mail(title: string): { raw: string; parsed: Email } {
  const found = mails.get(title);
  if (!found) throw new Error(`no sample "${title}"`);
  return found;
}

/** Name, type and first bytes of each attachment. */
function files(title: string): [string | null, string, string][] {
  return mail(title).parsed.attachments.map(({ filename, mimeType, content }) => [
    filename,
    mimeType,
    Buffer.from(content as ArrayBuffer).toString('latin1', 0, 4),
  ]);
}

const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';

describe('initial emails', () => {
  it('includes one email of every kind in chronological order, the newest dated now', () => {
    const dates = [...mails.values()].map(({ parsed }) => Date.parse(parsed.date ?? ''));
    expect(mails.size).toBe(10);
    expect(dates).toEqual(dates.toSorted((a, b) => a - b));
    expect(dates.at(-1)).toBe(NOW.getTime());
  });

  it('uses only reserved domains and unique Message-IDs', () => {
    const all = [...mails.values()].map(({ parsed }) => parsed);
    for (const { from, to } of all) {
      expect(from?.address).toMatch(/@([\w-]+\.)?example\.(com|org)$/);
      expect(to?.[0]?.address).toBe('orders@example.com');
    }
    expect(new Set(all.map(({ messageId }) => messageId)).size).toBe(all.length);
  });

  it.each(SAMPLE_KINDS.map(({ title }) => title))(
    'writes the kind "%s" in ASCII lines that end with CRLF',
    (title) => {
      const { raw } = mail(title);
      expect(Math.max(...[...raw].map((character) => character.charCodeAt(0)))).toBeLessThan(128);
      expect(raw.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
      expect(Math.max(...raw.split('\r\n').map((line) => line.length))).toBeLessThan(998);
    },
  );

  it('attaches the files that the title of an email names', () => {
    expect(files('order as a PDF')).toEqual([['PO-2026-01000.pdf', 'application/pdf', '%PDF']]);
    expect(files('order as an Excel sheet')).toEqual([['PO-2026-01001.xlsx', XLSX, 'PK\u0003\u0004']]);
    expect(files('order as CSV')).toEqual([['PO-2026-01008.csv', 'text/csv', 'orde']]);
    expect(files('order in plain text')).toEqual([]);
    expect(files('order as a PDF and an Excel sheet').map(([name]) => name)).toEqual([
      'logo.png',
      'PO-2026-01009.pdf',
      'PO-2026-01009.xlsx',
    ]);
  });

  it('sends an inline PDF with its name in Content-Type only', () => {
    const { raw, parsed } = mail('order as an inline PDF');
    expect(raw).toMatch(/Content-Type: application\/pdf; name=\S+\r\n/);
    expect(raw).toMatch(/Content-Disposition: inline\r\n/);
    expect(parsed.attachments[0]?.disposition).toBe('inline');
  });

  it('references the logo of an HTML order by Content-ID', () => {
    const { parsed } = mail('order in the HTML body, with a logo');
    expect(parsed.html).toContain('src="cid:logo@example.com"');
    expect(parsed.attachments).toMatchObject([{ mimeType: 'image/png', contentId: '<logo@example.com>' }]);
  });

  it('attaches a forwarded email as a message/rfc822 file', () => {
    expect(files('forwarded order')).toEqual([
      ['Purchase order PO-2026-01006.eml', 'message/rfc822', 'From'],
    ]);
    expect(mail('forwarded order').raw).toContain('application/pdf');
  });

  it('encodes a Japanese order in ISO-2022-JP: body, subject, sender and file name', () => {
    const { raw, parsed } = mail('Japanese order');
    expect(raw).toContain('Content-Type: text/plain; charset=ISO-2022-JP');
    expect(raw).toContain("filename*0*=ISO-2022-JP''%1B%24%42");
    expect(parsed.from?.name).toBe('田中 花子');
    expect(parsed.subject).toBe('【注文書】PO-2026-01002 ご手配のお願い');
    expect(parsed.text).toContain('いつもお世話になっております。');
    expect(files('Japanese order')).toEqual([['注文書_PO-2026-01002.xlsx', XLSX, 'PK\u0003\u0004']]);
  });

  it('encodes a Western European order in Latin-1 and quoted-printable', () => {
    const { raw, parsed } = mail('Latin-1 order');
    expect(raw).toContain('charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable');
    expect(parsed.subject).toBe('Bon de commande PO-2026-01005 (Ateliers Lefèvre S.A.)');
    expect(parsed.text).toContain('Sincères salutations');
    expect(files('Latin-1 order')[0]?.[0]).toBe('Bon de commande Élodie Garçon PO-2026-01005.pdf');
  });
});

describe('new emails', () => {
  it('returns identical emails for the same number and time', async () => {
    const twice = await Promise.all([nextPurchaseOrder(7, NOW), nextPurchaseOrder(7, NOW)]);
    expect(twice[0]).toEqual(twice[1]);
    expect(await samplePurchaseOrders(NOW)).toEqual(await samplePurchaseOrders(NOW));
  });

  it('gives new emails unique order numbers and uses every buyer', async () => {
    const arrivals: SampleMail[] = [];
    for (let n = 0; n < 60; n += 1) arrivals.push(await nextPurchaseOrder(n, NOW));
    const numbers = arrivals.map(({ title }) => title.split(',')[0]);
    expect(numbers.slice(0, 2)).toEqual(['PO-2026-01010', 'PO-2026-01011']);
    expect(new Set(numbers).size).toBe(60);
    expect(new Set(arrivals.map(({ title }) => title.split(', from ')[1])).size).toBe(6);
  });
});
