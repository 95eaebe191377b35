import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../../shared/mime/parse-email.ts';
import type { ParsedEmail } from '../../../shared/mime/parsed-email.ts';
import { base64Lines, between, mail, multipart, parse, part, textPart } from '../mail-builder.ts';

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

const textsOf = (email: ParsedEmail): string[] =>
  email.attachments.map(({ content }) => Buffer.from(content).toString());

describe('attached messages', () => {
  test.each([
    ['without a transfer encoding', part(['Content-Type: message/rfc822'], INNER)],
    [
      'in base64',
      part(['Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64'], base64Lines(INNER)),
    ],
    ['in a file named .eml', part(['Content-Type: application/octet-stream; name=Crates.eml'], INNER)],
  ])('keeps an attached message %s, and stores its files as attachments below it', async (_, message) => {
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
  });

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

  test('names an attached message after its subject when an empty line precedes its headers', async () => {
    const email = await parse(
      ...multipart('mixed', 'b', COVER, part(['Content-Type: message/rfc822', ''], INNER)),
    );
    expect(email.attachments[0]?.filename).toBe('Crates.eml');
  });

  test('parses the first header of an email after a byte order mark', async () => {
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

  test.each([
    ['text', 'Seven crates, please.'],
    ['nothing', ''],
  ])(
    'keeps a part that is declared as a message but contains %s as a file, with a defect',
    async (_, content) => {
      const email = await parse(
        ...multipart('mixed', 'b', COVER, part(['Content-Type: message/rfc822'], content)),
      );
      expect(textsOf(email)).toEqual([content]);
      expect(email.defects).toEqual(['message_unreadable']);
    },
  );

  test('keeps the exact bytes of an attached message that is wrongly declared as quoted-printable', async () => {
    const inner = mail(
      'From: Client <client@example.org>',
      'Content-Type: text/plain; charset="utf-8"',
      '',
      'PO=4711, 12 pcs',
    );
    const headers = ['Content-Type: message/rfc822', 'Content-Transfer-Encoding: quoted-printable'];
    const email = await parse(...multipart('mixed', 'b', COVER, part(headers, inner)));
    expect(email.attachments[0]?.content).toEqual(inner);
    expect(email.plainText).toContain('PO=4711, 12 pcs');
    expect(email.defects).toEqual(['transfer_encoding_wrong']);
  });

  test('decodes an attached message in quoted-printable', async () => {
    const headers = ['Content-Type: message/rfc822', 'Content-Transfer-Encoding: quoted-printable'];
    const encoded = INNER.toString().replaceAll('=', '=3D').replace('Seven crates', 'Seven =\r\ncrates');
    const email = await parse(...multipart('mixed', 'b', COVER, part(headers, encoded)));
    expect(email.attachments[0]?.content).toEqual(INNER);
    expect(email.defects).toEqual([]);
  });

  test('records a defect for a message part that only refers to its content', async () => {
    const body = part(
      ['Content-Type: message/external-body; access-type=URL'],
      'Content-Type: application/pdf',
    );
    expect((await parse(...multipart('mixed', 'b', COVER, body))).defects).toContain('content_elsewhere');
  });
});
describe('bytes of attached messages', () => {
  const INNER = [
    'From: Bob <bob@example.com>',
    'Subject: Inner / order',
    'X-Odd:  kept',
    '',
    'Inner body',
    '',
  ].join('\r\n');

  test('keeps the exact bytes of an attached message as a file, and the headers and body of the outer one', async () => {
    const email = await parse(
      ...multipart('mixed', 'b', part(['Content-Type: message/rfc822'], INNER), textPart('Outer')),
    );
    expect(email).toMatchObject({
      subject: 'Order 4711',
      bodyText: 'Outer',
      from: { address: 'ann@example.com' },
    });
    expect(textsOf(email)).toEqual([INNER]);
    expect(email.attachments[0]?.filename).toBe('Inner - order.eml');
  });

  test('accepts an attached message that is a multipart with the boundary of the outer one', async () => {
    const inner = ['Content-Type: multipart/mixed; boundary=i', '', ...between('i', textPart('Deep'))].join(
      '\r\n',
    );
    const email = await parse(
      ...multipart('mixed', 'b', textPart('Outer'), part(['Content-Type: message/rfc822'], inner)),
    );
    expect(textsOf(email)).toEqual([inner]);
  });

  test('treats an untyped part of a multipart/digest as an attached message', async () => {
    const email = await parse(...multipart('digest', 'b', part([], INNER)));
    expect(email.attachments[0]).toMatchObject({
      contentType: 'message/rfc822',
      filename: 'Inner - order.eml',
    });
  });
});
