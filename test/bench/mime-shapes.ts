/** Hostile and ordinary emails of a given size, each made to take as much of the reader's time or memory as it can. */

import { randomBytes } from 'node:crypto';
import { mail, multipart, part } from '../mime/mail-builder.ts';

export interface Shape {
  readonly name: string;
  /** About so many bytes. */
  readonly make: (bytes: number) => Buffer;
}

const HEAD = 'From: a@example.com\r\nSubject: s\r\n';

const filled = (bytes: number, unit: string | Buffer): Buffer => Buffer.alloc(bytes, unit);
/** Headers, an empty line, and a body of one unit over and over. */
const body = (name: string, headers: string, unit: string | Buffer): Shape => ({
  name,
  make: (bytes) => Buffer.concat([Buffer.from(`${HEAD}${headers}\r\n\r\n`), filled(bytes, unit)]),
});
/** A header block of one unit over and over. */
const head = (name: string, unit: string, before = ''): Shape => ({
  name,
  make: (bytes) =>
    Buffer.concat([Buffer.from(HEAD + before), filled(bytes, unit), Buffer.from('\r\n\r\nBody')]),
});
/** Parts of one kind in a multipart. */
const parts = (name: string, unit: string, subtype = 'mixed'): Shape => ({
  name,
  make: (bytes) =>
    Buffer.concat([
      Buffer.from(`${HEAD}Content-Type: multipart/${subtype}; boundary=b\r\n\r\n`),
      filled(bytes, unit),
      Buffer.from('\r\n--b--\r\n'),
    ]),
});
const html = (name: string, unit: string): Shape =>
  body(name, 'Content-Type: text/html; charset=utf-8', unit);
const text = (name: string, charset: string, unit: string | Buffer): Shape =>
  body(name, `Content-Type: text/plain; charset=${charset}`, unit);

/** Multiparts within each other, each sent quoted-printable. */
function encodedMultiparts(bytes: number): Buffer {
  const depths = Array.from({ length: 49 }, (_, depth) => depth);
  // The boundary's hyphens are escaped, so that the part can be opened only by decoding it.
  const leads = depths.map(
    (depth) =>
      `Content-Type: multipart/mixed; boundary=b${depth}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=2D-b${depth}\r\n`,
  );
  const ends = depths.toReversed().map((depth) => `\r\n=2D-b${depth}--\r\n`);
  return Buffer.concat([
    Buffer.from(`${HEAD}${leads.join('')}Content-Type: text/plain\r\n\r\n`),
    filled(bytes, 'x y z\r\n'),
    Buffer.from(ends.join('')),
  ]);
}

/** Messages within messages, as they are or in base64. */
function nestedMessages(bytes: number, encode: boolean): Buffer {
  let inner: Buffer = Buffer.concat([
    Buffer.from(HEAD),
    Buffer.from('\r\n'),
    filled(encode ? bytes / 8 : bytes, 'line of text\r\n'),
  ]);
  for (let depth = 0; depth < (encode ? 6 : 40); depth += 1) {
    const encoding = encode ? 'Content-Transfer-Encoding: base64\r\n' : '';
    const content = encode ? Buffer.from(inner.toString('base64').replace(/.{76}/g, '$&\r\n')) : inner;
    inner = Buffer.concat([Buffer.from(`${HEAD}Content-Type: message/rfc822\r\n${encoding}\r\n`), content]);
  }
  return inner;
}

const base64Of = (bytes: Buffer): Buffer => Buffer.from(bytes.toString('base64').replace(/.{76}/g, '$&\r\n'));
const attached = (type: string, encoding: string, content: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(`${HEAD}Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`),
    content,
  ]);

export const SHAPES: readonly Shape[] = [
  {
    name: 'a PDF in base64',
    make: (bytes) =>
      mail(
        'From: a@example.com',
        ...multipart(
          'mixed',
          'b',
          part([], 'Order'),
          part(
            ['Content-Type: application/pdf; name=a.pdf', 'Content-Transfer-Encoding: base64'],
            base64Of(randomBytes(bytes * 0.73)),
          ),
        ),
      ),
  },
  {
    name: 'a file as it is',
    make: (bytes) => attached('application/x; name=a', 'binary', randomBytes(bytes)),
  },
  {
    name: 'a file in quoted-printable',
    make: (bytes) => attached('application/x; name=a', 'quoted-printable', filled(bytes, '=E4=F6')),
  },
  {
    name: 'a uuencoded file',
    make: (bytes) =>
      attached(
        'application/x; name=a',
        'x-uuencode',
        Buffer.concat([
          Buffer.from('begin 644 a\n'),
          filled(bytes, `M${'A'.repeat(60)}\n`),
          Buffer.from('`\nend\n'),
        ]),
      ),
  },

  // Headers.
  head('headers of a colon', ':\r\n'),
  head('headers of a colon, with LF', ':\n'),
  head('headers of colons', ':::::::\r\n'),
  head('headers without a name in front of headers', ':\r\na:b\r\n'),
  head('headers', 'a:b\r\n'),
  head('long headers', `X-Long: ${'y'.repeat(900)}\r\n`),
  head('malformed lines with a colon', 'a b: c\r\n'),
  head('malformed lines and headers in turn', 'junk\r\nX:\r\n'),
  head('folds of white space', ' \r\n', 'X: y\r\n'),
  head('folds', ' fold\r\n', 'X: y\r\n'),
  head('parameters without indentation', 'a=b;\r\n', 'Content-Type: text/plain;\r\n'),
  head('open quotes without indentation', '"\r\n', 'Content-Type: text/plain; name="\r\n'),
  head('one header without an end', 'x', 'Subject: '),
  head('hyphens at the beginning of lines', '--b\r\n'),
  head('subjects', 'Subject: y\r\n'),
  head('content types', 'Content-Type: text/plain; name="a"\r\n'),
  head('recipients', 'To: Ann Buyer <ann@example.com>, Bob <bob@example.com>\r\n'),
  head('one list of recipients', 'ann@example.com, ', 'To: '),
  head('open brackets in a list', '<', 'To: '),
  head('open comments in a list', '(', 'To: '),
  head('quotes in a list', ' "', 'To: '),
  head('colons in a list', 'a:', 'To: '),
  head('at signs in a list', '@ ', 'To: '),
  head('commas in a list', ',a', 'To: '),
  head('encoded words', '=?utf-8?B?w6TDtsO8?= ', 'Subject: '),
  head('encoded words without an end', '=?a?Q?', 'Subject: '),
  head('encoded words in a name', '=?utf-8?Q?a?= ', 'From: '),
  head('escaped quotes in a name', '\\"', 'Content-Disposition: attachment; filename="'),
  head('quotes in a name', 'a"', 'Content-Disposition: attachment; filename="'),
  head('semicolons in a name', 'a;', 'Content-Disposition: attachment; filename='),
  head('sections of a name', 'filename*1*=%41;', 'Content-Disposition: attachment; '),
  head('semicolons', ';', 'Content-Disposition: attachment'),
  head('slashes in a name', '/a', 'Content-Disposition: attachment; filename="'),
  head('raw bytes', '\u00e4', 'Subject: '),

  // Structure.
  parts('small parts', '\r\n--b\r\n\r\nx'),
  parts('empty parts', '\r\n--b\r\n'),
  parts('named parts', '\r\n--b\r\nContent-Type: application/x; name=a\r\n\r\nx'),
  parts('HTML parts', '\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>x'),
  parts('closing boundaries', '\r\n--b--'),
  parts('near boundaries', '\r\n--c'),
  parts('empty lines', '\r\n'),
  parts('parts with many headers', `\r\n--b\r\n${':\r\n'.repeat(200)}`),
  parts('messages', '\r\n--b\r\n\r\nFrom: a@example.com\r\n\r\nx', 'digest'),
  parts(
    'messages with a file',
    '\r\n--b\r\n\r\nFrom: a@example.com\r\nContent-Type: a/b; name=c\r\n\r\nx',
    'digest',
  ),
  parts(
    'winmail.dat',
    '\r\n--b\r\nContent-Type: application/ms-tnef\r\nContent-Transfer-Encoding: base64\r\n\r\neJ8+IgEA',
  ),
  parts(
    'signed data',
    '\r\n--b\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB',
  ),
  {
    name: 'multiparts within each other',
    make: (bytes) =>
      Buffer.concat([
        Buffer.from(HEAD),
        filled(bytes, 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n'),
      ]),
  },
  { name: 'multiparts within each other, each encoded', make: encodedMultiparts },
  { name: 'messages within each other', make: (bytes) => nestedMessages(bytes, false) },
  { name: 'messages within each other, each in base64', make: (bytes) => nestedMessages(bytes, true) },
  {
    name: 'an attached message of colons',
    make: (bytes) =>
      Buffer.concat([
        Buffer.from(`${HEAD}Content-Type: message/rfc822\r\n\r\nA: b\r\n`),
        filled(bytes, ':\r\n'),
      ]),
  },
  {
    name: 'a long boundary',
    make: (bytes) =>
      Buffer.concat([
        Buffer.from(`${HEAD}Content-Type: multipart/mixed; boundary="${'b'.repeat(60_000)}"\r\n\r\n`),
        filled(bytes, `--${'b'.repeat(59_990)}\r\n`),
      ]),
  },

  // Text.
  text('text', 'utf-8', 'Four pallets of B-7 to gate 2.\r\n'),
  text('text without line ends', 'utf-8', 'x'),
  text('text of line ends', 'utf-8', '\r\n'),
  text('text of NUL', 'utf-8', Buffer.alloc(1)),
  text('text of broken UTF-8', 'utf-8', Buffer.from('c3', 'hex')),
  text('Chinese text', 'utf-8', '订单'),
  text('text in HZ', 'hz-gb-2312', '~{'),
  text('text in HZ with characters', 'hz-gb-2312', '~{6)5%~}'),
  text('text in ISO-2022-KR', 'iso-2022-kr', Buffer.from('0e2121', 'hex')),
  text('shifts of ISO-2022-KR', 'iso-2022-kr', Buffer.from('0e0f', 'hex')),
  text('shifts of ISO-2022-JP', 'iso-2022-jp', Buffer.from('1b2842', 'hex')),
  text('text in ISO-2022-JP', 'iso-2022-jp', Buffer.from('1b2442436d1b2842', 'hex')),
  text('text in UTF-7', 'utf-7', '+AOQ-'),
  text('pluses in UTF-7', 'utf-7', '+-'),
  text('text in UTF-16', 'utf-16le', Buffer.from('ä\r\n', 'utf16le')),
  text('text in Shift_JIS', 'shift_jis', Buffer.from('928d95b6', 'hex')),
  text('text in cp850', 'cp850', Buffer.from('818494e1', 'hex')),
  text('text in an unknown charset', 'x-none', Buffer.from('e4f6fc', 'hex')),
  text('flowed text', 'utf-8; format=flowed; delsp=yes', 'word \r\n'),
  text('flowed quotes', 'utf-8; format=flowed', '> > > \r\n'),
  body('commands of enriched text', 'Content-Type: text/enriched', '<param>'),
  body('angle brackets of enriched text', 'Content-Type: text/enriched', '<<'),
  text('begin lines', 'utf-8', 'begin 644 a\r\n'),
  text('begin lines of base64', 'utf-8', 'begin-base64 644 a\r\nQUJD\r\n'),
  text('small uuencoded files', 'utf-8', 'begin 644 a\r\n#86)C\r\n`\r\nend\r\n'),
  text('links', 'utf-8', 'https://example.com/ '),
  body(
    'base64 that is not declared',
    'MIME-Version: 1.0',
    'QUJDRCBBQkNEIEFCQ0QgQUJDRCBBQkNEIEFCQ0QgQUJD\r\n',
  ),
  body('padded base64', 'Content-Type: a/b\r\nContent-Transfer-Encoding: base64', 'YQ==\r\n'),
  body(
    'junk in base64',
    'Content-Type: a/b\r\nContent-Transfer-Encoding: base64',
    'QUJDQUJDQUJDQUJDQUJDQUJD*',
  ),
  body('equals signs', 'Content-Transfer-Encoding: quoted-printable', '= '),

  // HTML.
  html('paragraphs', '<p>Four pallets</p>'),
  html('open paragraphs', '<p>'),
  html('open bold', '<b>'),
  html('open lists', '<ul><li>'),
  html('open tables', '<table><tr><td>'),
  html('table rows', '<tr><td>1</td><td>2</td></tr>'),
  html('open quotes', '<blockquote>'),
  html('brackets', '<'),
  html('tags without an end', '<a '),
  html('comments without an end', '<!--'),
  html('styles without an end', '<style>'),
  html('attributes', ' a="b"'),
  html('named characters', '&auml;'),
  html('ampersands', '&'),
  html('references', '<img src="cid:a@example.com">'),
  html('spaces', ' '),
  html('quotation marks in tags', '<a href="'),
  html('closing tags', '</b>'),
  html('open and closing tags', '<i></b>'),
  {
    name: 'small HTML pages in alternatives',
    make: (bytes) =>
      parts('', '\r\n--b\r\nContent-Type: text/html\r\n\r\n<table><tr><td>x</td></tr></table>').make(bytes),
  },
  {
    name: 'text and HTML that differ',
    make: (bytes) =>
      mail(
        'From: a@example.com',
        ...multipart(
          'alternative',
          'b',
          part(['Content-Type: text/plain'], filled(bytes / 2, 'word one two ')),
          part(['Content-Type: text/html'], filled(bytes / 2, '<p>other <b>text</b> here</p>')),
        ),
      ),
  },

  // Files.
  {
    name: 'a ZIP of nothing',
    make: (bytes) =>
      attached(
        'application/zip; name=a.zip',
        'binary',
        filled(bytes, Buffer.from('504b030414000000000000000000', 'hex')),
      ),
  },
  {
    name: 'a winmail.dat of attachments',
    make: (bytes) =>
      attached(
        'application/ms-tnef',
        'binary',
        Buffer.concat([
          Buffer.from('789f3e220100', 'hex'),
          filled(bytes, Buffer.from('020290060002000000000000000' + '0', 'hex')),
        ]),
      ),
  },
  {
    name: 'signed data of small chunks',
    make: (bytes) =>
      attached(
        'application/pkcs7-mime; smime-type=signed-data',
        'binary',
        Buffer.concat([
          Buffer.from(
            '308006092a864886f70d010702a0803080020101310030800609' + '2a864886f70d010701a0802480',
            'hex',
          ),
          filled(bytes, Buffer.from('040141', 'hex')),
        ]),
      ),
  },
  {
    name: 'signed data within itself',
    make: (bytes) => attached('application/pkcs7-mime', 'binary', filled(bytes, Buffer.from('3080', 'hex'))),
  },
];
