import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import type { DefectCode } from '../../shared/mime/parsed-email.ts';
import { base64Lines, HEAD, mail, multipart, PDF, parse, part } from './mail-builder.ts';

const COVER = part(['Content-Type: text/plain'], 'See below.');
const MESSAGE = mail('From: Client <client@example.org>', 'Subject: Crates', '', 'Seven crates.');
const BASE64 = 'Content-Transfer-Encoding: base64';
const withCover = (...parts: (string | Buffer)[][]): Buffer =>
  mail(...HEAD, ...multipart('mixed', 'b', COVER, ...parts));
const root = (...lines: (string | Buffer)[]): Buffer => mail(...HEAD, ...lines);
const file = (type: string, content: string | Buffer, ...headers: string[]): Buffer =>
  withCover(part([`Content-Type: ${type}`, ...headers], content));
/** A message that attaches a message, and so on. */
const nested = (depth: number): Buffer =>
  Array.from({ length: depth }).reduce<Buffer>(
    (inner, _, level) =>
      mail(
        'From: a@example.org',
        ...multipart('mixed', `n${level}`, COVER, part(['Content-Type: message/rfc822'], inner)),
      ),
    MESSAGE,
  );
const der = (hex: string): string => base64Lines(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const SIGNED = 'application/pkcs7-mime; smime-type=signed-data; name=smime.p7m';
const TNEF = 'application/ms-tnef; name=winmail.dat';

const CASES: readonly (readonly [what: string, defect: DefectCode, email: Buffer])[] = [
  [
    'a message attached at too great a depth',
    'nesting_too_deep',
    withCover(part(['Content-Type: message/rfc822'], nested(12))),
  ],
  [
    'more attached messages than are opened',
    'parts_too_many',
    withCover(...Array.from({ length: 151 }, () => part(['Content-Type: message/rfc822'], MESSAGE))),
  ],
  ['an empty attached message', 'message_unreadable', file('message/rfc822', '')],
  [
    'an attached message of other bytes',
    'message_unreadable',
    file('message/rfc822', Buffer.from([1, 2, 200, 255])),
  ],
  [
    'an attached message in base64 of other bytes',
    'message_unreadable',
    file('message/rfc822', der('010203c8ff'), BASE64),
  ],
  [
    'an .eml file of other bytes',
    'message_unreadable',
    file('application/octet-stream; name=a.eml', der('010203c8ff'), BASE64),
  ],
  ['an email that is an empty message', 'message_unreadable', root('Content-Type: message/rfc822', '')],
  [
    'base64 that stops within a group',
    'base64_truncated',
    file('application/pdf; name=a.pdf', 'JVBERi0xL', BASE64),
  ],
  [
    'base64 that stops below its declared size',
    'file_truncated',
    withCover(
      part(
        ['Content-Type: application/pdf; name=a.pdf', 'Content-Disposition: attachment; size=4000', BASE64],
        base64Lines(PDF),
      ),
    ),
  ],
  [
    'a named file without bytes',
    'file_empty',
    withCover(
      part(
        [
          'Content-Type: application/pdf',
          'Content-Disposition: attachment; filename=a.pdf; size=4000',
          BASE64,
        ],
        '',
      ),
    ),
  ],
  ['an unnamed file without bytes', 'file_empty', file('application/pdf', '', BASE64)],
  ['an image without bytes', 'file_empty', file('image/png', '', 'Content-ID: <logo>', BASE64)],
  [
    'a multipart that is cut within its headers',
    'closing_boundary_missing',
    root('Content-Type: multipart/mixed; boundary=b', '', '--b', ...COVER, '--b', 'Content-Type: appl'),
  ],
  [
    'a multipart that is cut within a part',
    'closing_boundary_missing',
    root('Content-Type: multipart/mixed; boundary=b', '', '--b', ...COVER),
  ],
  [
    'an attached message that is cut',
    'closing_boundary_missing',
    file(
      'message/rfc822',
      mail('From: a@example.org', 'Content-Type: multipart/mixed; boundary=i', '', '--i', ...COVER),
    ),
  ],
  ['a multipart without content', 'boundary_missing', root('Content-Type: multipart/mixed; boundary=b', '')],
  [
    'a multipart of its closing boundary',
    'body_missing',
    root('Content-Type: multipart/mixed; boundary=b', '', '--b--', ''),
  ],
  [
    'a multipart without parts within another',
    'boundary_missing',
    file('multipart/alternative; boundary=c', ''),
  ],
  [
    'a part of a longer message',
    'content_elsewhere',
    root('Content-Type: message/partial; id=x; number=1; total=2', '', MESSAGE),
  ],
  [
    'a reference to content elsewhere',
    'content_elsewhere',
    file('message/external-body; access-type=URL; URL=x', 'Content-Type: application/pdf'),
  ],
  [
    'alternatives of unsupported types',
    'body_missing',
    root(
      ...multipart(
        'alternative',
        'b',
        part(['Content-Type: application/x-a'], 'x'),
        part(['Content-Type: video/mp4'], 'y'),
      ),
    ),
  ],
  [
    'alternatives without text',
    'body_missing',
    root(
      ...multipart(
        'alternative',
        'b',
        part(['Content-Type: text/plain'], ''),
        part(['Content-Type: text/html'], ''),
      ),
    ),
  ],
  [
    'a PGP-encrypted email',
    'encrypted',
    root(
      ...multipart(
        'encrypted',
        'b',
        part(['Content-Type: application/pgp-encrypted'], 'Version: 1'),
        part(['Content-Type: application/octet-stream'], '-----BEGIN PGP MESSAGE-----'),
      ),
    ),
  ],
  ['a PGP message as text', 'encrypted', root('', '-----BEGIN PGP MESSAGE-----', '', 'abc')],
  [
    'a PGP message as HTML',
    'encrypted',
    root('Content-Type: text/html', '', '<pre>-----BEGIN PGP MESSAGE-----', 'abc</pre>'),
  ],
  [
    'a PGP-encrypted file',
    'encrypted',
    file('application/octet-stream; name=order.pdf.asc', '-----BEGIN PGP MESSAGE-----\r\n\r\nabc'),
  ],
  [
    'encrypted S/MIME',
    'encrypted',
    file(SIGNED.replace('signed', 'enveloped'), der('300d 0609 2a864886f70d010703 a000'), BASE64),
  ],
  ['a uuencoded file without an end', 'uuencode_damaged', root('', 'text', 'begin 644 a.pdf', '#0V%T')],
  [
    'a file declared as uuencoded without a block',
    'uuencode_damaged',
    file('application/pdf; name=a.pdf', 'junk', 'Content-Transfer-Encoding: x-uuencode'),
  ],
  ['a winmail.dat of other bytes', 'tnef_damaged', file(TNEF, der('01020304050607'), BASE64)],
  ['a winmail.dat of a signature', 'tnef_damaged', file(TNEF, der('789f3e22 0100'), BASE64)],
  [
    'a winmail.dat that is cut',
    'tnef_damaged',
    file(TNEF, der('789f3e22 0100 01 06900800 04000000 0000'), BASE64),
  ],
  ['signed data of other bytes', 'cms_unreadable', file(SIGNED, der('01020304'), BASE64)],
  [
    'signed data without content',
    'cms_unreadable',
    file(SIGNED, der('301c 0609 2a864886f70d010702 a00f 300d 020101 3100 3006 0604 2a030405'), BASE64),
  ],
  ['compressed S/MIME', 'cms_unreadable', file(SIGNED, der('300f 060b 2a864886f70d0109100109 a000'), BASE64)],
  [
    'a transfer encoding that is not known',
    'transfer_encoding_unknown',
    file('application/pdf; name=a.pdf', 'x', 'Content-Transfer-Encoding: x-foo'),
  ],
  ['an email of headers only', 'body_missing', root('')],
];

describe('a body or a file that the email declares but does not contain', () => {
  test.each(CASES)('leaves a defect for %s: %s', async (_, defect, email) => {
    expect((await parseEmail(email)).defects).toContain(defect);
  });

  test.each([0, 200])('does not hide text after a closing boundary and %i empty lines', async (count) => {
    const lines = ['--b--', ...Array<string>(count).fill(''), 'Seven crates.'];
    const { bodyText, defects } = await parseEmail(
      root('Content-Type: multipart/mixed; boundary=b', '', ...lines),
    );
    expect(bodyText).toContain('Seven crates.');
    expect(defects).toContain('boundary_missing');
  });

  test('leaves no defect for content that is complete', async () => {
    const complete = [
      part(
        [
          'Content-Type: application/pdf; name=a.pdf',
          `Content-Disposition: attachment; size=${PDF.length}`,
          BASE64,
        ],
        base64Lines(PDF),
      ),
      // Some senders declare the size of the encoded file.
      part(
        [
          'Content-Type: application/pdf; name=b.pdf',
          `Content-Disposition: attachment; size=${base64Lines(PDF).length}`,
          BASE64,
        ],
        base64Lines(PDF),
      ),
      part(['Content-Type: message/rfc822', BASE64], base64Lines(MESSAGE)),
      part(
        ['Content-Type: application/pkcs7-mime; smime-type=certs-only; name=smime.p7c', BASE64],
        der('301c 0609 2a864886f70d010702 a00f 300d 020101 3100 3006 0604 2a030405'),
      ),
    ];
    expect((await parse(...multipart('mixed', 'b', COVER, ...complete))).defects).toEqual([]);
  });
});
