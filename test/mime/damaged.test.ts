import { describe, expect, it } from 'vitest';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { EMPTY_EMAIL, type ParsedEmail } from '../../shared/mime/parsed-email.ts';
import { mail, multipart, parse, part } from './mail-builder.ts';

const TEXT = part(['Content-Type: text/plain'], 'Order');
const FILE = part(['Content-Type: application/x; name=a.x'], 'FILE');
const contents = (email: ParsedEmail): string[] =>
  email.attachments.map(({ content }) => Buffer.from(content).toString());

describe('a damaged multipart', () => {
  it('keeps all parts of a multipart without closing boundary', async () => {
    const lines = multipart('mixed', 'b', TEXT, FILE).slice(0, -2);
    expect(await parse(...lines)).toMatchObject({ bodyText: 'Order', defects: ['closing_boundary_missing'] });
    expect(contents(await parse(...lines))).toEqual(['FILE']);
  });

  it('ends an inner multipart that never closes at the outer boundary', async () => {
    const inner = multipart('alternative', 'i', TEXT).slice(0, -2);
    const email = await parse(...multipart('mixed', 'o', inner, FILE));
    expect(email).toMatchObject({ bodyText: 'Order', defects: ['closing_boundary_missing'] });
    expect(contents(email)).toEqual(['FILE']);
  });

  it('keeps a part after the closing boundary', async () => {
    const email = await parse(...multipart('mixed', 'b', TEXT), '--b', ...FILE, '--b--');
    expect(contents(email)).toEqual(['FILE']);
    expect(email.defects).toEqual(['part_after_end']);
  });

  it('accepts a nested multipart with the same boundary', async () => {
    const email = await parse(...multipart('mixed', 'b', multipart('mixed', 'b', TEXT, FILE), FILE));
    expect(email.bodyText).toBe('Order');
    expect(contents(email)).toEqual(['FILE', 'FILE']);
  });

  it('records a defect for text after the end of a part', async () => {
    const email = await parse(...multipart('mixed', 'b', TEXT), 'Scanned by example.com');
    expect(email).toMatchObject({ bodyText: 'Order', defects: ['text_after_end'] });
  });

  it('detects the boundary from the lines when the parameter is missing or wrong', async () => {
    const [, ...lines] = multipart('mixed', '----=_x', TEXT, FILE);
    for (const type of [
      'multipart/mixed',
      'multipart/mixed; boundary="wrong"',
      'multipart/mixed; boundary=',
    ]) {
      const email = await parse(`Content-Type: ${type}`, ...lines);
      expect(email).toMatchObject({ bodyText: 'Order', defects: ['boundary_guessed'] });
      expect(contents(email)).toEqual(['FILE']);
    }
  });

  it('reads a multipart without any boundary line as text', async () => {
    const email = await parse('Content-Type: multipart/mixed; boundary=b', '', 'Order');
    expect(email).toMatchObject({ bodyText: 'Order', attachments: [], defects: ['boundary_missing'] });
  });

  it('opens a multipart that is encoded as base64', async () => {
    const encoded = mail(...multipart('mixed', 'b', TEXT, FILE).slice(2)).toString('base64');
    const email = await parse(
      'Content-Type: multipart/mixed; boundary=b',
      'Content-Transfer-Encoding: base64',
      '',
      encoded,
    );
    expect(email).toMatchObject({ bodyText: 'Order', defects: ['multipart_encoded'] });
    expect(contents(email)).toEqual(['FILE']);
  });

  it('ends a part at a boundary in the middle of its headers', async () => {
    const email = await parse(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: text/plain',
      '--b',
      ...FILE,
      '--b--',
    );
    expect(contents(email)).toEqual(['FILE']);
  });

  it('does not accept longer lines or quoted lines as boundaries', async () => {
    const lines = ['--bb', '--b-', '> --b', ' --b', '--B'].join('\r\n');
    const email = await parse(...multipart('mixed', 'b', part([], lines)));
    expect(email).toMatchObject({ bodyText: lines.replaceAll('\r', ''), defects: [] });
  });

  it('accepts a boundary followed by spaces, and a quoted one that contains spaces', async () => {
    const email = await parse(
      'Content-Type: multipart/mixed; boundary="a b"',
      '',
      '--a b \t',
      ...TEXT,
      '--a b--  ',
    );
    expect(email).toMatchObject({ bodyText: 'Order', defects: [] });
  });
});

describe('whatever the bytes', () => {
  it.each([
    ['nothing', ''],
    ['a line end', '\r\n'],
    ['NULs', '\0\0\0'],
    ['one colon', ':'],
    ['a header without an end', 'Subject'],
    ['a lone boundary', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b'],
    ['a closing boundary alone', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--'],
    ['headers of colons', ':::\r\n:::\r\n\r\n'],
  ])('parses %s with defects', async (_, text) => {
    const email = await parseEmail(Buffer.from(text));
    expect(email.defects).toContain('date_missing');
    expect(email.defects).not.toContain('reader_failed');
  });

  it('records a defect for an empty email', async () => {
    expect(await parseEmail(new Uint8Array())).toEqual({
      ...EMPTY_EMAIL,
      defects: ['body_missing', 'date_missing', 'empty_message', 'from_missing'],
    });
  });

  it('reads a view into a larger buffer only within its bounds', async () => {
    const bytes = Buffer.from('XXXXSubject: Order\n\nBodyYYYY');
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset + 4, bytes.length - 8);
    expect(await parseEmail(view)).toMatchObject({ subject: 'Order', bodyText: 'Body' });
  });
});
