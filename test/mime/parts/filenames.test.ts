import { describe, expect, test } from 'vitest';
import { filesOf, multipart, parse, part, pdfPart, textPart } from '../mail-builder.ts';

const nameOf = async (...headers: (string | Buffer)[]): Promise<string | undefined> => {
  const type = headers.some((header) => /^content-type/i.test(header.toString()))
    ? []
    : ['Content-Type: application/pdf'];
  const email = await parse(...multipart('mixed', 'b', [...type, ...headers, '', '%PDF-1.7']));
  return email.attachments[0]?.filename;
};
const disposition = (parameters: string): string => `Content-Disposition: attachment; ${parameters}`;

describe('file names', () => {
  test.each([
    ['filename=order.pdf', 'order.pdf'],
    ['filename="order 7.pdf"', 'order 7.pdf'],
    ['filename=order (7).pdf', 'order (7).pdf'],
    ["filename=utf-8''Bestellung%20%C3%A4.pdf", 'Bestellung ä.pdf'],
    ['filename="UTF-8\'\'Bestellung%20%C3%A4.pdf"', 'Bestellung ä.pdf'],
    ['filename="Bob\'s 50%25.pdf"', "Bob's 50%25.pdf"],
    ['filename="rock\'n\'roll%20hits.mp3"', "rock'n'roll%20hits.mp3"],
    ["filename*=utf-8'Bestellung%20%C3%A4.pdf", 'Bestellung ä.pdf'],
    ["filename*=Bob's%20order.pdf", "Bob's order.pdf"],
    ['filename*=utf-8%27%27Bestellung%20%C3%A4.pdf', 'Bestellung ä.pdf'],
    ["filename*=utf-8''=?utf-8?Q?Bestellung_=C3=A4.pdf?=", 'Bestellung ä.pdf'],
    ['filename*="=?utf-8?B?w6QucGRm?="', 'ä.pdf'],
    ['filename="a.pdf"; filename*=utf-8\'\'', 'a.pdf'],
    ['filename==?utf-8?Q?a;_=C3=A4.pdf?=; size=5', 'a; ä.pdf'],
    ['filename="=?utf-8?Q?"a"_=C3=A4.pdf?="', '"a" ä.pdf'],
    ['=?utf-8?B?IGZpbGVuYW1lPSLDpC5wZGYi?=', 'ä.pdf'],
    ['filename="=?utf-8?Q?=C3=A4?=; =?utf-8?Q?b.pdf?="', 'ä; b.pdf'],
    ['filename=a.pdf"', 'a.pdf'],
    ['filename=""a.pdf""', 'a.pdf'],
    ['filename="\\"a\\, b\\".pdf"', '"a, b".pdf'],
    ["filename='a b.pdf'", 'a b.pdf'],
    ['filename=\\"a.pdf\\"', 'a.pdf'],
    ['size=5 filename="a.pdf"', 'a.pdf'],
    ["filename*=utf-8''Bestellung%20%C3%A4.pdf", 'Bestellung ä.pdf'],
    ["filename*=iso-8859-1'de'Bestellung%20%E4.pdf", 'Bestellung ä.pdf'],
    ['filename*0*=utf-8\'\'Best%C3; filename*1*=%A4nde; filename*2="%20.pdf"', 'Bestände%20.pdf'],
    ['filename*1=b.pdf; filename*0=a', 'ab.pdf'],
    ['filename="fallback.pdf"; filename*=utf-8\'\'%E2%82%AC.pdf', '€.pdf'],
    ['filename="=?utf-8?Q?Bestellung_=C3=A4.pdf?="', 'Bestellung ä.pdf'],
    ['filename==?utf-8?B?w6QucGRm?=', 'ä.pdf'],
    ['filename="Größe.pdf"', 'Größe.pdf'],
    ['filename="a \\"b\\".pdf"', 'a "b".pdf'],
    ['filename="C:\\orders\\7.pdf"', '7.pdf'],
    ['filename="../../etc/passwd"', 'passwd'],
    ['filename="a\tb\u0001\u202ec.pdf"', 'a bc.pdf'],
    ['filename="unclosed.pdf', 'unclosed.pdf'],
    ['filename=PO; 4711.pdf', 'PO; 4711.pdf'],
    ['filename=PO; 4711; A.pdf; size=3', 'PO; 4711; A.pdf'],
    ['filename=order.pdf; attachment', 'order.pdf'],
    ['filename="PO "A" 4711.pdf"', 'PO "A" 4711.pdf'],
    ['filename="PO "A" 4711.pdf"; size=3', 'PO "A" 4711.pdf'],
    ['filename="order.pdf" size=3', 'order.pdf'],
    ['filename="order.pdf" (copy); x="y"', 'order.pdf'],
    ['FILENAME=upper.pdf', 'upper.pdf'],
    ['size=3; filename=later.pdf', 'later.pdf'],
  ])('decodes the file name in the parameters %s as %s', async (parameters, name) => {
    expect(await nameOf(disposition(parameters))).toBe(name);
  });

  test('takes the file name from Content-Disposition, or from Content-Type when the disposition has none', async () => {
    expect(await nameOf('Content-Type: application/pdf; name="=?utf-8?Q?=C3=A4.pdf?="')).toBe('ä.pdf');
    expect(
      await nameOf('Content-Type: application/pdf; name=type.pdf', disposition('filename=own.pdf')),
    ).toBe('own.pdf');
  });

  test('decodes raw bytes of another charset in a file name', async () => {
    expect(await nameOf(Buffer.from('Content-Disposition: attachment; filename="\xe4.pdf"', 'latin1'))).toBe(
      'ä.pdf',
    );
  });

  test.each(['filename=""', 'filename="/"', 'filename=".."', 'filename="\u0001"', 'x=y'])(
    'makes a file name from the detected type when the parameter %j contains no usable name',
    async (parameters) => {
      expect(await nameOf('Content-Type: application/octet-stream', disposition(parameters))).toBe(
        'attachment-1.pdf',
      );
    },
  );

  test('makes a file name from the declared type when the bytes have no known signature', async () => {
    const email = await parse(
      ...multipart('mixed', 'b', part(['Content-Type: text/csv'], 'a;b'), part(['Content-Type: x/y'], 'z')),
    );
    expect(email.attachments.map(({ filename }) => filename)).toEqual([
      'attachment-1.csv',
      'attachment-2.bin',
    ]);
  });

  test('cuts a file name to 255 characters before its extension', async () => {
    const name = await nameOf(disposition(`filename="${'a'.repeat(400)}.pdf"`));
    expect(name).toBe(`${'a'.repeat(251)}.pdf`);
  });

  test.each([
    [['Content-Disposition: filename="a.pdf"'], 'a.pdf'],
    [['Content-Disposition: ; filename="a.pdf"'], 'a.pdf'],
    [['Content-Disposition: attachment filename="a.pdf"'], 'a.pdf'],
    [['Content-Type: application/pdf; filename="a.pdf"'], 'a.pdf'],
    [['Content-Disposition: attachment; name="a.pdf"'], 'a.pdf'],
    [['Content-Description: a.pdf', 'Content-Disposition: attachment'], 'a.pdf'],
    [['Content-Description: =?utf-8?Q?Auftrag_=C3=A4.pdf?='], 'Auftrag ä.pdf'],
    [['Content-Description: Order of May'], 'Order of May.pdf'],
    [['Content-Disposition: attachment; filename="Offer 88/2027.pdf"'], 'Offer 88-2027.pdf'],
    [['Content-Disposition: attachment; filename="Offer 1/2 \\\\ 3.pdf"'], 'Offer 1-2-3.pdf'],
    [['Content-Disposition: attachment; filename="/home/ann/a.pdf"'], 'a.pdf'],
    [['Content-Disposition: attachment; filename="\\\\\\\\server\\\\share\\\\a.pdf"'], 'a.pdf'],
    [
      ['Content-Disposition: attachment; filename="=?UTF-8?B?T2ZmZXIgMTIgZm9yCkhhbGwgMy5wZGY=?="'],
      'Offer 12 for Hall 3.pdf',
    ],
    [["Content-Disposition: attachment; filename*=utf-8''a%0D%0A%20b.pdf"], 'a b.pdf'],
    [['Content-Disposition: attachment; filename="=??B?QXVmdHJhZyA4OC5wZGY=?="'], 'Auftrag 88.pdf'],
    [['Content-Disposition: attachment; filename="=?cp850?Q?K=94ln.pdf?="'], 'Köln.pdf'],
  ])('reads the file name from the part headers %j', async (headers, name) => {
    const file = pdfPart('Content-Type: application/pdf', ...headers);
    expect(filesOf(await parse(...multipart('mixed', 'b', textPart('Order'), file)))).toEqual([[name, true]]);
  });
});
