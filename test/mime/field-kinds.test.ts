import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { base64Lines, between, HEAD, mail, multipart, parse, part } from './mail-builder.ts';

const PDF = Buffer.from('%PDF-1.7\n% pallets\n%%EOF\n');
const text = (words: string, ...headers: string[]): (string | Buffer)[] =>
  part(['Content-Type: text/plain; charset=utf-8', ...headers], words);
const html = (words: string, ...headers: string[]): (string | Buffer)[] =>
  part(['Content-Type: text/html; charset=utf-8', ...headers], words);
const pdf = (...headers: string[]): (string | Buffer)[] =>
  part(['Content-Transfer-Encoding: base64', ...headers], base64Lines(PDF));
const files = (email: Awaited<ReturnType<typeof parseEmail>>) =>
  email.attachments.map(({ content, filename }) => [filename, Buffer.from(content).equals(PDF)]);
const subjectOf = async (value: string | Buffer) =>
  (await parseEmail(mail(Buffer.concat([Buffer.from('Subject: '), Buffer.from(value)]), '', 'Body'))).subject;

describe('an encoded word', () => {
  test.each([
    ['=?UTF-8?Q?Is pallet 88 ready for pickup? [today]?=', 'Is pallet 88 ready for pickup? [today]'],
    ['=?utf-8?Q?When=3F_Today?_Yes?=', 'When? Today? Yes'],
    ['=?utf-8?Q?Ready?=20now?=', 'Ready? now'],
    ['=?utf-8?Q?Ready?=20 pcs', 'Ready20 pcs'],
    ['=?utf-8?Q?one?==?utf-8?Q?two?=', 'onetwo'],
    ['=??B?QXVmdHJhZyA4OA==?= / =??Q?Auftrag_88?=', 'Auftrag 88 / Auftrag 88'],
    ['=??Q?K=C3=B6ln?=', 'Köln'],
    ['=?utf-8?B?w6?= =?utf-8?B?TDtg==?=', 'äö'],
    ['=?utf-8?B?6LO86A==?= =?utf-8?B?srfpg6g=?=', '購買部'],
    ['=?gb2312?B?trk=?= =?gb2312?B?tbE=?=', Buffer.from('豆当').toString()],
    ['=?utf-8?B?w6Q', '=?utf-8?B?w6Q'],
    ['=?cp850?Q?K=94ln?=', 'Köln'],
  ])('decodes the encoded word %s as %s', async (value, expected) => {
    expect(await subjectOf(value)).toBe(expected);
  });

  test.each([
    ['iso-8859-1', '=?iso-8859-1?Q?f\xfcr K=F6ln?=', 'für Köln'],
    ['windows-1251', '=?windows-1251?Q?\xe7\xe0=EA=E0\xe7?=', 'заказ'],
    ['gb2312', '=?gb2312?Q?=B6\xa9\xb5=A5?=', '订单'],
  ])('decodes an encoded word with raw bytes in its own charset %s', async (_, value, expected) => {
    expect(await subjectOf(Buffer.from(value, 'latin1'))).toBe(expected);
  });
});

describe('a header folded without indentation', () => {
  test.each([
    [['Content-Disposition: attachment;', 'filename="Offer 88 for hall 7.pdf"'], 'Offer 88 for hall 7.pdf'],
    [['Content-Disposition: attachment; filename="Offer 88', 'for hall 7.pdf"'], 'Offer 88 for hall 7.pdf'],
    [['Content-Disposition: attachment', '; filename="a.pdf"'], 'a.pdf'],
    [['Content-Disposition: attachment;', 'filename="Order: 7.pdf"'], 'Order: 7.pdf'],
    [['Content-Disposition: attachment;', "filename*0*=utf-8''a;", 'filename*1*=b.pdf'], 'ab.pdf'],
    [
      ['Content-Disposition: attachment; filename=a.pdf', 'Content-Description: Order', 'for the new plant'],
      'a.pdf',
    ],
  ])(
    'keeps every byte and the name of a file whose last header is folded without indentation: %j',
    async (headers, name) => {
      const file = pdf('Content-Type: application/pdf', ...headers);
      expect(files(await parse(...multipart('mixed', 'b', text('Order'), file)))).toEqual([[name, true]]);
    },
  );

  test('keeps the boundary when the last header of the email is folded without indentation', async () => {
    const parts = between('b', text('Order'), pdf('Content-Type: application/pdf; name=a.pdf'));
    const email = await parse('Content-Type: multipart/mixed;', 'boundary="b"', '', ...parts);
    expect(files(email)).toEqual([['a.pdf', true]]);
  });

  test('does not take a line of the text as a fold when the empty line is missing', async () => {
    const email = await parseEmail(mail('Subject: Order', 'Three pieces of A-1,', 'please', '', 'Ann'));
    expect(email.bodyText).toBe('Three pieces of A-1,\nplease\n\nAnn');
  });
});

describe('a Content-Type', () => {
  test.each([
    '; boundary="b"',
    'boundary="b"',
    'multipart/*; boundary="b"',
    'multipart; boundary="b"',
    'multipart/; boundary=b',
    '*/*; boundary=b',
    'mixed; boundary=b',
    'text/plain; boundary="b"',
  ])('reads Content-Type %s as a multipart when its boundary is present', async (type) => {
    const parts = between('b', text('Four pallets.'), pdf('Content-Type: application/pdf; name=a.pdf'));
    const email = await parse(`Content-Type: ${type}`, '', ...parts);
    expect(email.bodyText).toBe('Four pallets.');
    expect(files(email)).toEqual([['a.pdf', true]]);
  });

  test('reads an email without Content-Type as a multipart when the body begins with a boundary', async () => {
    const email = await parse(
      '',
      ...between('b', text('Four pallets.'), pdf('Content-Type: application/pdf; name=a.pdf')),
    );
    expect(email.bodyText).toBe('Four pallets.');
    expect(files(email)).toEqual([['a.pdf', true]]);
  });

  test('keeps text that quotes a boundary as text', async () => {
    const quoted = ['You wrote:', ...between('b', text('Four pallets.'))].join('\r\n');
    expect(await parse('', quoted)).toMatchObject({ attachments: [], defects: [] });
  });

  test.each([
    [['Content-Type: text/plain; charset=us-ascii', 'Content-Type: multipart/mixed; boundary=b']],
    [['Content-Type: multipart/mixed; boundary=b', 'Content-Type: text/plain']],
    [['Content-Type: nonsense', 'Content-Type: multipart/mixed; boundary=b']],
  ])('uses the multipart one of two Content-Type headers: %j', async (types) => {
    const email = await parse(
      ...types,
      '',
      ...between('b', text('Four pallets.'), pdf('Content-Type: application/pdf; name=a.pdf')),
    );
    expect(email.bodyText).toBe('Four pallets.');
    expect(files(email)).toEqual([['a.pdf', true]]);
    expect(email.defects).toContain('duplicate_header');
  });
});

describe('the name of a file', () => {
  test.each([
    [['Content-Disposition: filename="a.pdf"'], 'a.pdf'],
    [['Content-Disposition: ; filename="a.pdf"'], 'a.pdf'],
    [['Content-Disposition: attachment filename="a.pdf"'], 'a.pdf'],
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
  ])('reads the file name from %j', async (headers, name) => {
    const file = pdf('Content-Type: application/pdf', ...headers);
    expect(files(await parse(...multipart('mixed', 'b', text('Order'), file)))).toEqual([[name, true]]);
  });

  test('does not mark a PDF as inline when the HTML refers to it, but marks a picture', async () => {
    const page = html('<object data="cid:a@example.com"></object><img src="cid:b@example.com">');
    const shown = pdf('Content-Type: application/pdf; name=a.pdf', 'Content-ID: <a@example.com>');
    const hidden = pdf('Content-Type: image/png; name=c.png', 'Content-ID: <a@example.com>');
    const picture = part(['Content-Type: image/png; name=b.png', 'Content-ID: <b@example.com>'], 'PNG');
    const email = await parse(...multipart('related', 'b', page, shown, hidden, picture));
    expect(email.attachments.map(({ filename, isInline }) => [filename, isInline])).toEqual([
      ['a.pdf', false],
      ['c.png', false],
      ['b.png', true],
    ]);
  });
});

describe('a code page', () => {
  test.each([
    ['cp850', '8194e1', 'üöß'],
    ['cp-850', '8194e1', 'üöß'],
    ['IBM850', '8194e1', 'üöß'],
    ['ibm-850', '8194e1', 'üöß'],
    ['dos-850', '8194e1', 'üöß'],
    ['cp852', 'a5', 'ą'],
    ['cp437', '8194e1', 'üöß'],
    ['IBM437', '9b', '¢'],
    ['cp857', '8d', 'ı'],
    ['cp860', '84', 'ã'],
    ['cp861', '8d', 'Þ'],
    ['cp863', '82', 'é'],
    ['cp865', '9b', 'ø'],
    ['cp866', '8f', 'П'],
    ['cp737', '80', 'Α'],
    ['cp775', '80', 'Ć'],
    ['macroman', '8a9a', 'äö'],
    ['x-mac-roman', '8a9a', 'äö'],
    ['macintosh', '8a9a', 'äö'],
    ['x-mac-ce', '8a', 'ä'],
    ['utf-32le', 'e4000000', 'ä'],
    ['koi8-r', 'c1', 'а'],
  ])('decodes the code page named %s', async (charset, hex, expected) => {
    const email = await parse(`Content-Type: text/plain; charset=${charset}`, '', Buffer.from(hex, 'hex'));
    expect(email).toMatchObject({ bodyText: expected, defects: [] });
  });
});

describe('flowed text', () => {
  const flowed = async (parameters: string, ...lines: string[]) =>
    (await parse(`Content-Type: text/plain; charset=utf-8; format=flowed${parameters}`, '', ...lines))
      .bodyText;

  test('joins flowed text without the space when delsp is yes', async () => {
    expect(await flowed('; delsp=yes', '部品番号は ', 'B-7-XY ', '-09です。', '', '終わり')).toBe(
      '部品番号はB-7-XY-09です。\n\n終わり',
    );
  });

  test('joins flowed text with the space otherwise, and removes stuffed spaces', async () => {
    expect(await flowed('', 'Four pallets ', 'of B-7', ' From hall 2', ' > no quote')).toBe(
      'Four pallets of B-7\nFrom hall 2\n> no quote',
    );
  });

  test('keeps signatures and quotes of flowed text separate', async () => {
    expect(await flowed('', '> quoted ', '> more', 'own ', '-- ', 'Ann')).toBe(
      '> quoted more\nown \n-- \nAnn',
    );
  });
});

describe('a body', () => {
  const UU = ['begin 644 order.pdf', '.)5!$1BTQ+C<@;W)D97(', '`', 'end'];

  test('extracts uuencoded files from a body and keeps the words around them', async () => {
    const email = await parse('', 'Before', ...UU, 'between', ...UU, 'after');
    expect(email.bodyText).toBe('Before\nbetween\nafter');
    expect(
      email.attachments.map(({ content, filename, partPath }) => [
        filename,
        partPath,
        Buffer.from(content).toString(),
      ]),
    ).toEqual([
      ['order.pdf', '1.uu.1', '%PDF-1.7 order'],
      ['order.pdf', '1.uu.2', '%PDF-1.7 order'],
    ]);
    expect(email.defects).toEqual([]);
  });

  test('keeps a truncated uuencoded file and records a defect', async () => {
    const email = await parse('', 'Before', ...UU.slice(0, 2));
    expect(email.attachments).toHaveLength(1);
    expect(email.defects).toEqual(['uuencode_damaged']);
  });

  test('keeps a body that only mentions a begin line as text', async () => {
    const words = ['They write', 'begin 644 order.pdf', 'in the first line, I think.'];
    expect(await parse('', ...words)).toMatchObject({ bodyText: words.join('\n'), attachments: [] });
  });

  test.each([
    ['Content-Type: text/plain; name="body.txt"', 'Content-Disposition: inline'],
    ['Content-Type: text/plain; name="body.txt"', 'X-None: 1'],
    ['Content-Type: text/plain', 'Content-Disposition: inline; filename="body.txt"'],
  ])('uses a named text part as the body when it is the only one: %s', async (...headers) => {
    expect(await parse(...headers, '', 'Four pallets.')).toMatchObject({
      bodyText: 'Four pallets.',
      attachments: [],
    });
  });

  test('a named HTML part next to a PDF is the body', async () => {
    const page = html('<p>Four pallets.</p>', 'Content-Disposition: inline; filename="body.html"');
    const email = await parse(
      ...multipart('mixed', 'b', page, pdf('Content-Type: application/pdf; name=a.pdf')),
    );
    expect(email).toMatchObject({ bodyHtml: '<p>Four pallets.</p>', plainText: 'Four pallets.' });
    expect(files(email)).toEqual([['a.pdf', true]]);
  });

  test('does not use a part declared as attachment as the body', async () => {
    const email = await parse(
      'Content-Type: text/plain',
      'Content-Disposition: attachment; filename=order.txt',
      '',
      'A-1;4',
    );
    expect(email).toMatchObject({ bodyText: null, defects: ['body_missing'] });
    expect(email.attachments).toHaveLength(1);
  });

  test.each([
    [text('Four pallets.'), pdf('Content-Type: application/pdf; name=a.pdf'), text('To gate 2.')],
    [text('Four pallets.'), text('To gate 2.'), pdf('Content-Type: application/pdf; name=a.pdf')],
  ])('joins a body that is split around files, in order', async (...parts) => {
    const email = await parse(...multipart('mixed', 'b', ...parts));
    expect(email).toMatchObject({
      bodyText: 'Four pallets.\nTo gate 2.',
      plainText: 'Four pallets.\nTo gate 2.'.replace('\n', '\n\n'),
    });
  });

  test('joins HTML that is split around files within an alternative, in order', async () => {
    const pages = multipart(
      'mixed',
      'm',
      html('<p>Four pallets.</p>'),
      pdf('Content-Type: application/pdf; name=a.pdf'),
      html('<p>To gate 2.</p>'),
    );
    const email = await parse(...multipart('alternative', 'a', text('Four pallets. To gate 2.'), pages));
    expect(email.bodyHtml).toBe('<p>Four pallets.</p>\n<p>To gate 2.</p>');
    expect(email.plainText).toBe('Four pallets. To gate 2.');
    expect(files(email)).toEqual([['a.pdf', true]]);
  });

  test('joins a text body to the banner before it, and leaves body_text empty when the message is HTML', async () => {
    const banner = text('CAUTION: from outside.');
    const alternative = multipart('alternative', 'a', text('Four pallets.'), html('<p>Four pallets.</p>'));
    const joined = await parse(...multipart('mixed', 'b', banner, alternative));
    expect(joined).toMatchObject({
      bodyText: 'CAUTION: from outside.\nFour pallets.',
      bodyHtml: '<p>Four pallets.</p>',
    });
    const alone = await parse(
      ...multipart('mixed', 'b', banner, html('<p>Four pallets of B-7 to gate 2.</p>')),
    );
    expect(alone).toMatchObject({ bodyText: null, bodyHtml: '<p>Four pallets of B-7 to gate 2.</p>' });
    expect(alone.plainText).toBe('CAUTION: from outside.\n\nFour pallets of B-7 to gate 2.');
  });

  test('decodes an undeclared base64 body when it is text, HTML or a file', async () => {
    const words = '<p>Please send sixty pieces of H-8 to the hall in Example Town.</p>\n';
    const page = await parse('', base64Lines(Buffer.from(words)));
    expect(page).toMatchObject({ bodyHtml: words, defects: ['transfer_encoding_missing'] });
    const file = part(['Content-Type: application/pdf; name=a.pdf'], base64Lines(PDF));
    expect(files(await parse(...multipart('mixed', 'b', text('Order'), file)))).toEqual([['a.pdf', true]]);
    const digits = '0123456789abcdef'.repeat(8);
    expect(await parse('', digits)).toMatchObject({ bodyText: digits, defects: [] });
  });
});

describe('the head of an email', () => {
  test.each([
    [['Auto-Submitted: auto-replied (vacation)'], 'auto-replied'],
    [['Auto-Submitted: no'], null],
    [['Return-Path: <>'], 'empty-return-path'],
    [['Return-Path: <ann@example.com>'], null],
    [['Content-Type: multipart/report; boundary=b'], 'report'],
  ])('detects from %j whether a program sent the email', async (headers, expected) => {
    expect((await parseEmail(mail(...HEAD, ...headers, '', 'Body'))).autoSubmitted).toBe(expected);
  });

  test('extracts delivered_to, list_id and in_reply_to', async () => {
    const email = await parseEmail(
      mail(
        'Delivered-To: orders@example.net',
        'X-Original-To: sales@example.com',
        'Delivered-To: orders@example.net',
        'List-Id: =?utf-8?Q?K=C3=A4ufer?= <buyers.example.com>',
        'In-Reply-To: <1@example.com>',
        '',
        'Body',
      ),
    );
    expect(email).toMatchObject({
      deliveredTo: ['orders@example.net', 'sales@example.com'],
      listId: 'Käufer <buyers.example.com>',
      inReplyTo: '<1@example.com>',
    });
  });
});
