import { describe, expect, it } from 'vitest';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { EMPTY_EMAIL, type ParsedEmail } from '../../shared/mime/parsed-email.ts';
import { mail, multipart, parse, part } from './mail-builder.ts';

const TEXT = part(['Content-Type: text/plain'], 'Order');
const FILE = part(['Content-Type: application/x; name=a.x'], 'FILE');
const contents = (email: ParsedEmail): string[] =>
  email.attachments.map(({ content }) => Buffer.from(content).toString());

describe('a damaged multipart', () => {
  it('without its closing boundary keeps all parts', async () => {
    const lines = multipart('mixed', 'b', TEXT, FILE).slice(0, -2);
    expect(await parse(...lines)).toMatchObject({ bodyText: 'Order', defects: ['closing_boundary_missing'] });
    expect(contents(await parse(...lines))).toEqual(['FILE']);
  });

  it('whose inner boundary never closes ends at the outer one', async () => {
    const inner = multipart('alternative', 'i', TEXT).slice(0, -2);
    const email = await parse(...multipart('mixed', 'o', inner, FILE));
    expect(email).toMatchObject({ bodyText: 'Order', defects: ['closing_boundary_missing'] });
    expect(contents(email)).toEqual(['FILE']);
  });

  it('with a part behind its closing boundary keeps that part', async () => {
    const email = await parse(...multipart('mixed', 'b', TEXT), '--b', ...FILE, '--b--');
    expect(contents(email)).toEqual(['FILE']);
    expect(email.defects).toEqual(['part_after_end']);
  });

  it('may use one boundary twice, within itself', async () => {
    const email = await parse(...multipart('mixed', 'b', multipart('mixed', 'b', TEXT, FILE), FILE));
    expect(email.bodyText).toBe('Order');
    expect(contents(email)).toEqual(['FILE', 'FILE']);
  });

  it('records a defect for text after the end of a part', async () => {
    const email = await parse(...multipart('mixed', 'b', TEXT), 'Scanned by example.com');
    expect(email).toMatchObject({ bodyText: 'Order', defects: ['text_after_end'] });
  });

  it('without a boundary parameter, or with a wrong one, is read by the boundary its lines show', async () => {
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

  it('in which no boundary shows is read as text', async () => {
    const email = await parse('Content-Type: multipart/mixed; boundary=b', '', 'Order');
    expect(email).toMatchObject({ bodyText: 'Order', attachments: [], defects: ['boundary_missing'] });
  });

  it('that was itself sent as base64 is opened', async () => {
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

  it('takes a boundary in the middle of headers for the end of the part', async () => {
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

  it('does not take longer lines and quoted ones for boundaries', async () => {
    const lines = ['--bb', '--b-', '> --b', ' --b', '--B'].join('\r\n');
    const email = await parse(...multipart('mixed', 'b', part([], lines)));
    expect(email).toMatchObject({ bodyText: lines.replaceAll('\r', ''), defects: [] });
  });

  it('takes a boundary with spaces behind it, and one in quotes with spaces in it', async () => {
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
  ])('%s is answered with defects', async (_, text) => {
    const email = await parseEmail(Buffer.from(text));
    expect(email.defects).toContain('date_missing');
    expect(email.defects).not.toContain('reader_failed');
  });

  it('an empty mail is called so', async () => {
    expect(await parseEmail(new Uint8Array())).toEqual({
      ...EMPTY_EMAIL,
      defects: ['body_missing', 'date_missing', 'empty_message', 'from_missing'],
    });
  });

  it('a view into a larger buffer is read within its bounds', async () => {
    const bytes = Buffer.from('XXXXSubject: Order\n\nBodyYYYY');
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset + 4, bytes.length - 8);
    expect(await parseEmail(view)).toMatchObject({ subject: 'Order', bodyText: 'Body' });
  });
});
