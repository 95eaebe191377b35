import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { base64Lines, HEAD, mail, multipart, parse, part } from './mail-builder.ts';
import { attachment, attribute, binary, ID, properties, tnef, unicode } from './tnef-builder.ts';

const PDF = Buffer.from('%PDF-1.7 seven crates');
const INNER = mail(
  'From: Client <client@example.org>',
  'To: orders@example.net',
  'Subject: Crates',
  ...multipart(
    'mixed',
    'inner',
    part(['Content-Type: text/plain'], 'Seven crates, please.'),
    part(
      ['Content-Type: application/pdf; name=crates.pdf', 'Content-Transfer-Encoding: base64'],
      base64Lines(PDF),
    ),
    part(['Content-Type: text/plain; name=notes.txt', 'Content-Disposition: attachment'], 'notes'),
  ),
);
const COVER = part(['Content-Type: text/plain'], 'See below.');

describe('an attached message', () => {
  test.each([
    ['as it is', part(['Content-Type: message/rfc822'], INNER)],
    [
      'in base64',
      part(['Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64'], base64Lines(INNER)),
    ],
    ['as a file named .eml', part(['Content-Type: application/octet-stream; name=Crates.eml'], INNER)],
  ])(
    'keeps an attached message (%s), and its files are attachments that name it as their parent',
    async (_, message) => {
      const email = await parse(...multipart('mixed', 'b', COVER, message));
      expect(
        email.attachments.map(({ filename, parentPath, partPath }) => [filename, partPath, parentPath]),
      ).toEqual([
        ['Crates.eml', '2', null],
        ['crates.pdf', '2.2', '2'],
        ['notes.txt', '2.3', '2'],
      ]);
      expect(Buffer.from(email.attachments[0]?.content ?? [])).toEqual(INNER);
      expect(Buffer.from(email.attachments[1]?.content ?? [])).toEqual(PDF);
      expect(email).toMatchObject({ bodyText: 'See below.', subject: 'Order 4711', defects: [] });
      expect(email.plainText).toBe(
        'See below.\n\nFrom: Client <client@example.org>\nTo: orders@example.net\nSubject: Crates\n\nSeven crates, please.',
      );
    },
  );

  test('opens a message within an attached message', async () => {
    const outer = mail(
      'From: b@example.org',
      'Subject: Fwd',
      ...multipart('mixed', 'o', COVER, part(['Content-Type: message/rfc822'], INNER)),
    );
    const email = await parse(
      ...multipart('mixed', 'b', COVER, part(['Content-Type: message/rfc822'], outer)),
    );
    expect(
      email.attachments.map(({ filename, parentPath, partPath }) => [filename, partPath, parentPath]),
    ).toEqual([
      ['Fwd.eml', '2', null],
      ['Crates.eml', '2.2', '2'],
      ['crates.pdf', '2.2.2', '2.2'],
      ['notes.txt', '2.2.3', '2.2'],
    ]);
    expect(email.plainText).toContain('Seven crates, please.');
  });

  test.each([
    ['a byte order mark', Buffer.from([0xef, 0xbb, 0xbf])],
    ['an empty line', Buffer.from('\r\n')],
    ['an mbox separator', Buffer.from('From client@example.org Tue Nov  3 10:15:30 2026\r\n')],
  ])('opens an attached message that begins with %s', async (_, start) => {
    const attached = Buffer.concat([start, Buffer.from(INNER)]);
    const header = ['Content-Type: message/rfc822; name=order.eml', 'Content-Transfer-Encoding: base64'];
    const email = await parse(...multipart('mixed', 'b', COVER, part(header, base64Lines(attached))));
    expect(email.attachments.map(({ filename }) => filename)).toEqual([
      'order.eml',
      'crates.pdf',
      'notes.txt',
    ]);
    expect(email.attachments[0]?.content).toEqual(attached);
    expect(email.plainText).toContain('Seven crates, please.');
    expect(email.plainText).not.toContain('Content-Type');
  });

  test('reads the first header after a byte order mark', async () => {
    const email = await parseEmail(
      mail('\ufeffFrom: Client <client@example.org>', 'Subject: Crates', '', 'Seven crates.'),
    );
    expect(email).toMatchObject({ from: { address: 'client@example.org' }, subject: 'Crates' });
  });

  test('takes the text of an attached message that is the whole email', async () => {
    const email = await parse('Content-Type: message/rfc822', '', INNER);
    expect(email.plainText).toContain('Seven crates, please.');
    expect(email.attachments.map(({ partPath }) => partPath)).toEqual(['1', '1.2', '1.3']);
  });

  test('records a defect for a message part that only refers to its content', async () => {
    const body = part(
      ['Content-Type: message/external-body; access-type=URL'],
      'Content-Type: application/pdf',
    );
    expect((await parse(...multipart('mixed', 'b', COVER, body))).defects).toContain('content_elsewhere');
  });
});

describe('the plain text', () => {
  test('converts HTML to plain text, with separate cells and without invisible content', async () => {
    const page =
      '<html><head><title>t</title><style>p{}</style></head><body><h1>Order</h1><table><tr><td>A-100</td><td>40</td></tr>' +
      '<tr><td>B-200</td><td>5&nbsp;pcs</td></tr></table><p>To <a href="https://example.com/x">gate&nbsp;2</a></p></body></html>';
    const email = await parse('Content-Type: text/html; charset=utf-8', '', page);
    expect(email.bodyText).toBeNull();
    expect(email.plainText?.replace(/\n+/g, '\n')).toBe('Order\nA-100\t40\nB-200\t5 pcs\nTo gate 2');
  });

  test('takes the plain text from the HTML when the text alternative is only a stub', async () => {
    const stub = part(['Content-Type: text/plain'], 'Your mail program cannot show this message.');
    const page = part(['Content-Type: text/html'], '<p>Forty pieces of A-100 to gate 2, by Friday.</p>');
    const email = await parse(...multipart('alternative', 'a', stub, page));
    expect(email.plainText).toContain('Forty pieces of A-100 to gate 2, by Friday.');
    expect(email.bodyText).toBe('Your mail program cannot show this message.');
  });

  test('strips the tags of very large HTML and records a defect', async () => {
    const rows = Array.from({ length: 9_000 }, (_, n) => `<tr><td>A-${n}</td><td>${n} &euro;</td></tr>`).join(
      '\n',
    );
    const email = await parse(
      'Content-Type: text/html; charset=utf-8',
      '',
      `<style>x</style><table>${rows}</table>`,
    );
    expect(email.defects).toEqual(['html_simplified']);
    expect(email.plainText).toContain('A-7\t7 €\nA-8\t8 €\n');
  });

  test('keeps the words of deeply nested HTML', async () => {
    const email = await parse('Content-Type: text/html', '', `${'<div><b>'.repeat(2_000)}Forty pieces`);
    expect(email.plainText).toBe('Forty pieces');
  });

  test('includes the body of a winmail.dat in the plain text, from text, HTML or RTF', async () => {
    const rtf =
      "{\\rtf1\\ansi\\ansicpg1252\\fromhtml1{\\fonttbl{\\f0 Arial;}}{\\*\\htmltag64 <p>}Nine drums of solvent f\\'fcr K\\u246?ln\\par to gate\\tab 2{\\pict 00ff}}";
    const header = Buffer.alloc(16);
    header.writeUInt32LE(rtf.length + 12, 0);
    header.writeUInt32LE(rtf.length, 4);
    header.writeUInt32LE(0x414c454d, 8);
    const compressed = Buffer.concat([header, Buffer.from(rtf, 'latin1')]);
    const winmail = (list: Buffer) =>
      part(
        ['Content-Type: application/ms-tnef; name=winmail.dat', 'Content-Transfer-Encoding: base64'],
        base64Lines(tnef(attribute(1, ID.messageProperties, list), attachment('A.PDF', PDF))),
      );
    const byRtf = await parse(...multipart('mixed', 'b', winmail(properties(binary(0x1009, compressed)))));
    expect(byRtf).toMatchObject({
      plainText: 'Nine drums of solvent für Köln\nto gate\t2',
      bodyText: null,
      defects: [],
    });
    expect(byRtf.attachments.map(({ filename, parentPath }) => [filename, parentPath])).toEqual([
      ['winmail.dat', null],
      ['A.PDF', '1'],
      ['message-body.rtf', '1'],
    ]);
    const byHtml = await parse(...winmail(properties(binary(0x1013, Buffer.from('<p>Nine drums</p>')))));
    expect(byHtml.plainText).toBe('Nine drums');
    const byText = await parse(
      ...multipart('mixed', 'b', COVER, winmail(properties(unicode(0x1000, 'Nine drums')))),
    );
    expect(byText.plainText).toBe('See below.\n\nNine drums');
  });
});

describe('a file', () => {
  test.each([
    'https://drive.google.com/file/d/1a/view',
    'https://docs.google.com/spreadsheets/d/1a',
    'https://1drv.ms/b/s!A',
    'https://example.sharepoint.com/:b:/g/order.pdf',
    'https://www.dropbox.com/scl/fi/a/order.pdf?dl=0',
  ])('records a defect for a file that is only linked: %s', async (url) => {
    expect((await parse('', `The order: ${url}`)).defects).toEqual(['linked_files']);
    const page = await parse('Content-Type: text/html', '', `<a href="${url}">order.pdf</a>`);
    expect(page.defects).toEqual(['linked_files']);
  });

  test('records no defect for a link to another site', async () => {
    expect(
      (await parse('', 'https://example.com/drive.google.com/file/d/1 https://google.com')).defects,
    ).toEqual([]);
  });

  test('records a defect for a declared file without bytes', async () => {
    const file = part(['Content-Type: application/pdf; name=order.pdf'], '');
    expect(
      (await parse(...multipart('mixed', 'b', part([...HEAD.slice(0, 0)], 'Order'), file))).defects,
    ).toEqual(['file_empty']);
  });
});
