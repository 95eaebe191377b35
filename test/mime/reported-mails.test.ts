/**
 * The kinds of emails that users of other systems reported as read wrongly, one example each: what an email program shows is
 * what the parser must deliver.
 */
import { expect, test } from 'vitest';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { base64Lines, between, filesOf, mail, PDF, part, pdfPart, textPart } from './mail-builder.ts';
import { signedData } from './smime/cms-builder.ts';
import { attribute, binary, ID, properties, tnef } from './tnef/tnef-builder.ts';

type Lines = readonly (string | Buffer)[];

/** An email in which the given headers replace those of the same name. */
const email = (headers: Lines, ...body: Lines): Buffer => {
  const nameOf = (line: string | Buffer) => /^[\w-]+:/.exec(line.toString('latin1'))?.[0].toLowerCase();
  const given = headers.map(nameOf);
  const usual = [
    'From: Purchasing <buyer@example.com>',
    'To: orders@example.net',
    'Subject: An order',
    'Date: Mon, 2 Nov 2026 08:00:00 +0000',
  ].filter((line) => !given.includes(nameOf(line)));
  return mail(...usual, ...headers, '', ...body);
};
const mixed = (...parts: (string | Buffer)[][]): Buffer =>
  email(['Content-Type: multipart/mixed; boundary=m'], ...between('m', ...parts));
const named = (name: string): string[] => [
  `Content-Type: application/pdf; name="${name}"`,
  `Content-Disposition: attachment; filename="${name}"`,
];
const note = textPart('The order is in the file.');

/** `begin` and `end` with the lines of a file between them. */
function uuencoded(name: string, bytes: Buffer): string[] {
  const character = (value: number) => String.fromCharCode(value === 0 ? 96 : value + 32);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 45) {
    const line = bytes.subarray(at, at + 45);
    const padded = Buffer.concat([line, Buffer.alloc((3 - (line.length % 3)) % 3)]);
    let text = character(line.length);
    for (let n = 0; n < padded.length; n += 3) {
      const bits = padded.readUIntBE(n, 3);
      for (const shift of [18, 12, 6, 0]) text += character((bits >> shift) & 63);
    }
    lines.push(text);
  }
  return [`begin 644 ${name}`, ...lines, '`', 'end'];
}

const RTF = Buffer.from('{\\rtf1\\ansi\\ansicpg1252 Fifteen valves for the boiler house.\\par}');
/** An uncompressed RTF body, [MS-OXRTFCP] 2.1.3.1. */
function uncompressedRtf(): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(RTF.length + 12, 0);
  head.writeUInt32LE(RTF.length, 4);
  head.write('MELA', 8, 'latin1');
  return Buffer.concat([head, RTF]);
}

const CASES: [situation: string, bytes: Buffer, expected: object][] = [
  [
    'an unquoted comma in the display name',
    email(['From: Muster, Hanna <hanna.muster@example.com>'], 'Forty valves, please.'),
    { from: { address: 'hanna.muster@example.com', name: 'Muster, Hanna' } },
  ],
  [
    'an unquoted semicolon in From',
    email(['From: Example GmbH; Einkauf <po@example.com>'], 'ok'),
    { from: { address: 'po@example.com', name: 'Example GmbH; Einkauf' } },
  ],
  [
    'an unbalanced quote in From',
    email(['From: Pipes 3" <po@example.com>'], 'ok'),
    { from: { address: 'po@example.com', name: 'Pipes 3"' } },
  ],
  [
    'Sender and Reply-To without From',
    mail('Sender: Buying <po@example.com>', 'Reply-To: desk@example.com', 'To: orders@example.net', '', 'ok'),
    { from: { address: 'po@example.com' } },
  ],
  [
    'parentheses inside an encoded word in From',
    email(['From: =?utf-8?Q?J=C3=A4ger_(Shanghai)_Ltd.?= <po@example.com>'], 'ok'),
    { from: { address: 'po@example.com', name: 'Jäger (Shanghai) Ltd.' } },
  ],
  [
    'a character that two encoded words of From share',
    email(['From: =?utf-8?B?6LO86A==?=', ' =?utf-8?B?srfpg6g=?= <desk@example.com>'], 'ok'),
    { from: { address: 'desk@example.com', name: '購買部' } },
  ],
  [
    'a literal question mark inside an encoded word',
    email(['Subject: =?UTF-8?Q?Can you deliver order 4714 this week? [urgent]?='], 'ok'),
    { subject: 'Can you deliver order 4714 this week? [urgent]' },
  ],
  [
    'a raw 8-bit byte inside an encoded word',
    email([Buffer.from('Subject: =?iso-8859-1?Q?Bestellung_f\xfcr_K=F6ln?=', 'latin1')], 'ok'),
    { subject: 'Bestellung für Köln' },
  ],
  [
    'encoded words without a charset, in a subject',
    email(['Subject: =??Q?Bestellung_4720?='], 'ok'),
    { subject: 'Bestellung 4720' },
  ],
  [
    'encoded words without a charset, in a file name',
    mixed(note, pdfPart(...named('=??B?QmVzdGVsbHVuZyA0NzIwLnBkZg==?='))),
    { files: [['Bestellung 4720.pdf', true]] },
  ],
  [
    'an S/MIME message that is signed as a whole',
    email(
      [
        'Content-Type: application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"',
        'Content-Transfer-Encoding: base64',
        'Content-Disposition: attachment; filename="smime.p7m"',
      ],
      base64Lines(
        signedData(
          mail(
            'Content-Type: multipart/mixed; boundary=s',
            '',
            ...between(
              's',
              textPart('Please deliver 25 pcs of item B-200'),
              pdfPart(...named('PO-4711.pdf')),
            ),
          ),
        ),
      ),
    ),
    {
      bodyText: expect.stringContaining('Please deliver 25 pcs of item B-200'),
      files: [
        ['smime.p7m', false],
        ['PO-4711.pdf', true],
      ],
    },
  ],
  [
    'text before and after a file in one multipart/mixed',
    mixed(
      textPart('Ten pumps, see the drawing:'),
      pdfPart(...named('a.pdf')),
      textPart('Deliver to gate 4.'),
    ),
    { bodyText: 'Ten pumps, see the drawing:\nDeliver to gate 4.', files: [['a.pdf', true]] },
  ],
  [
    'a uuencoded file inside a plain body',
    email([], 'Our order follows.', '', ...uuencoded('PO-4711.pdf', PDF), '', 'Regards'),
    { bodyText: expect.stringMatching(/Our order follows\.[\s\S]*Regards/), files: [['PO-4711.pdf', true]] },
  ],
  [
    'a file name on the only text part',
    email(
      ['Content-Type: text/plain; charset=utf-8; name="mail.txt"', 'Content-Disposition: inline'],
      'Please deliver 12 pcs of item D-400.',
    ),
    { bodyText: 'Please deliver 12 pcs of item D-400.', files: [] },
  ],
  [
    'a file name on an inline HTML body next to a PDF',
    mixed(
      part(
        ['Content-Type: text/html; name="mail.html"', 'Content-Disposition: inline; filename="mail.html"'],
        '<p>Twelve ladders</p>',
      ),
      pdfPart(...named('PO-4711.pdf')),
    ),
    { bodyHtml: expect.stringContaining('Twelve ladders'), files: [['PO-4711.pdf', true]] },
  ],
  [
    'format=flowed with delsp=yes',
    email(
      [
        'Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes',
        'Content-Transfer-Encoding: 8bit',
      ],
      'ご注文番号は ',
      'PO-4715-ABC ',
      '-001です。',
    ),
    { bodyText: expect.stringContaining('ご注文番号はPO-4715-ABC-001です。') },
  ],
  [
    'a last part header that is folded without indentation',
    mixed(
      note,
      part(
        [
          'Content-Type: application/pdf',
          'Content-Transfer-Encoding: base64',
          'Content-Disposition: attachment;',
          'filename="Purchase order 4716 for the new plant.pdf"',
        ],
        base64Lines(PDF),
      ),
    ),
    { files: [['Purchase order 4716 for the new plant.pdf', true]] },
  ],
  [
    'an order that is forwarded as an attached message',
    mixed(
      textPart('Please see the message.'),
      part(
        ['Content-Type: message/rfc822'],
        'From: Client <client@example.org>',
        'Subject: Seven chairs',
        'Content-Type: multipart/mixed; boundary=i',
        '',
        ...between('i', textPart('Seven chairs.'), pdfPart(...named('PO-4711.pdf'))),
      ),
    ),
    {
      files: [
        ['Seven chairs.eml', false],
        ['PO-4711.pdf', true],
      ],
    },
  ],
  [
    'the charset cp850 under an unusual name',
    email(
      ['Content-Type: text/plain; charset=cp-850', 'Content-Transfer-Encoding: 8bit'],
      Buffer.from('30 St\x81ck Gr\x94\xe1e 12, Geh\x84use f\x81r K\x94ln, Stra\xe1e 5', 'latin1'),
    ),
    { bodyText: '30 Stück Größe 12, Gehäuse für Köln, Straße 5' },
  ],
  ...(
    [
      ['a Content-Type with a boundary but no type', ['Content-Type: ; boundary=m']],
      ['a Content-Type of multipart/*', ['Content-Type: multipart/*; boundary=m']],
      [
        'two Content-Type headers, of which the second is the multipart',
        ['Content-Type: text/plain; charset=us-ascii', 'Content-Type: multipart/mixed; boundary=m'],
      ],
    ] as const
  ).map(([situation, headers]): [string, Buffer, object] => [
    situation,
    email(headers, ...between('m', textPart('Order attached.'), pdfPart(...named('PO-4711.pdf')))),
    { bodyText: 'Order attached.', files: [['PO-4711.pdf', true]] },
  ]),
  [
    'the banner of a gateway before the message',
    mixed(
      part(['Content-Type: text/plain', 'Content-Disposition: inline'], 'External sender.'),
      part(
        ['Content-Type: multipart/alternative; boundary=a'],
        ...between(
          'a',
          textPart('Please deliver 9 pcs of F-600.'),
          part(['Content-Type: text/html'], '<p>Please deliver 9 pcs of F-600.</p>'),
        ),
      ),
    ),
    {
      bodyText: expect.stringContaining('Please deliver 9 pcs of F-600.'),
      bodyHtml: expect.stringContaining('Please deliver 9 pcs of F-600.'),
    },
  ],
  [
    'a winmail.dat whose body is RTF',
    mixed(
      part(
        ['Content-Type: application/ms-tnef; name="winmail.dat"', 'Content-Transfer-Encoding: base64'],
        base64Lines(tnef(attribute(1, ID.messageProperties, properties(binary(0x1009, uncompressedRtf()))))),
      ),
    ),
    { plainText: 'Fifteen valves for the boiler house.' },
  ],
  [
    'a base64 body that no header declares',
    mail(
      'From: Purchasing <buyer@example.com>',
      '',
      base64Lines(Buffer.from('<p>Sixty hinges for the workshop in Example Town by week 50.</p>\n')),
    ),
    { plainText: 'Sixty hinges for the workshop in Example Town by week 50.' },
  ],
  [
    'a slash in a file name that is no path',
    mixed(note, pdfPart(...named('PO 4711/2026.pdf'))),
    { files: [[expect.stringContaining('4711'), true]] },
  ],
  [
    'a Content-Disposition without a type',
    mixed(note, pdfPart('Content-Type: application/pdf', 'Content-Disposition: filename="PO-4751.pdf"')),
    { files: [['PO-4751.pdf', true]] },
  ],
  [
    'a file name in Content-Description only',
    mixed(
      note,
      pdfPart(
        'Content-Type: application/pdf',
        'Content-Description: PO-4752.pdf',
        'Content-Disposition: attachment',
      ),
    ),
    { files: [['PO-4752.pdf', true]] },
  ],
  [
    'a line break inside an encoded file name',
    email(
      [
        'Content-Type: application/pdf',
        'Content-Transfer-Encoding: base64',
        'Content-Disposition: attachment; filename="=?UTF-8?B?T3JkZXIgNDc2MSBmb3IKUGxhbnQgMi5wZGY=?="',
      ],
      base64Lines(PDF),
    ),
    { files: [['Order 4761 for Plant 2.pdf', true]] },
  ],
];

test.each(CASES)('reads %s', async (_situation, bytes, expected) => {
  const parsed = await parseEmail(bytes);
  expect({ ...parsed, files: filesOf(parsed) }).toMatchObject(expected);
});

test('never marks a PDF as inline, even when the HTML refers to it by cid', async () => {
  const { attachments } = await parseEmail(
    email(
      ['Content-Type: multipart/related; boundary=m'],
      ...between(
        'm',
        part(['Content-Type: text/html'], '<object data="cid:4728@example.com"></object>'),
        pdfPart(
          'Content-Type: application/pdf; name="PO-4728.pdf"',
          'Content-Disposition: inline; filename="PO-4728.pdf"',
          'Content-ID: <4728@example.com>',
        ),
      ),
    ),
  );
  expect(attachments.map(({ filename, isInline }) => [filename, isInline])).toEqual([['PO-4728.pdf', false]]);
});
