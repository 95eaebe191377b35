import { describe, expect, test } from 'vitest';
import type { ParsedEmail } from '../../../shared/mime/parsed-email.ts';
import { mail, multipart, parse, part } from '../mail-builder.ts';

const TEXT = part(['Content-Type: text/plain'], 'Order');
const FILE = part(['Content-Type: application/x; name=a.x'], 'FILE');
const contents = (email: ParsedEmail): string[] =>
  email.attachments.map(({ content }) => Buffer.from(content).toString());

describe('damaged multipart', () => {
  test('reads the parts below a misspelled boundary after an inner multipart', async () => {
    const inner = multipart('alternative', 'i', TEXT, part(['Content-Type: text/html'], '<p>Order</p>'));
    const email = await parse(
      'Content-Type: multipart/mixed; boundary="b1"',
      '',
      ...['--b1', ...inner],
      ...['--b2', ...FILE, '--b2', 'Content-Type: application/y; name=b.y', '', 'SECOND', '--b2--', ''],
    );
    expect(email).toMatchObject({ bodyText: 'Order', bodyHtml: '<p>Order</p>' });
    expect(contents(email)).toEqual(['FILE', 'SECOND']);
    expect(email.attachments.map(({ partPath }) => partPath)).toEqual(['2.1', '2.2']);
    expect(email.defects).toEqual(['boundary_guessed', 'closing_boundary_missing', 'part_after_end']);
  });

  test('reads the headers of a part that are below an empty line', async () => {
    const email = await parse(...multipart('mixed', 'b', ['', ...TEXT], ['', ...FILE]));
    expect(email).toMatchObject({ bodyText: 'Order', defects: ['leading_lines'] });
    expect(contents(email)).toEqual(['FILE']);
    expect((await parse(...multipart('mixed', 'b', ['', 'Contents: 5']))).bodyText).toBe('Contents: 5');
  });

  test('keeps all parts of a multipart without closing boundary', async () => {
    const lines = multipart('mixed', 'b', TEXT, FILE).slice(0, -2);
    expect(await parse(...lines)).toMatchObject({ bodyText: 'Order', defects: ['closing_boundary_missing'] });
    expect(contents(await parse(...lines))).toEqual(['FILE']);
  });

  test('ends an inner multipart that never closes at the outer boundary', async () => {
    const inner = multipart('alternative', 'i', TEXT).slice(0, -2);
    const email = await parse(...multipart('mixed', 'o', inner, FILE));
    expect(email).toMatchObject({ bodyText: 'Order', defects: ['closing_boundary_missing'] });
    expect(contents(email)).toEqual(['FILE']);
  });

  test('keeps a part after the closing boundary', async () => {
    const email = await parse(...multipart('mixed', 'b', TEXT), '--b', ...FILE, '--b--');
    expect(contents(email)).toEqual(['FILE']);
    expect(email.defects).toEqual(['part_after_end']);
  });

  test('accepts a nested multipart with the same boundary', async () => {
    const email = await parse(...multipart('mixed', 'b', multipart('mixed', 'b', TEXT, FILE), FILE));
    expect(email.bodyText).toBe('Order');
    expect(contents(email)).toEqual(['FILE', 'FILE']);
  });

  test('records a defect for text after the end of a part', async () => {
    const email = await parse(...multipart('mixed', 'b', TEXT), 'Scanned by example.com');
    expect(email).toMatchObject({ bodyText: 'Order', defects: ['text_after_end'] });
  });

  test('detects the boundary from the lines when the parameter is missing or wrong', async () => {
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

  test('reads a multipart without any boundary line as text', async () => {
    const email = await parse('Content-Type: multipart/mixed; boundary=b', '', 'Order');
    expect(email).toMatchObject({ bodyText: 'Order', attachments: [], defects: ['boundary_missing'] });
  });

  test('opens a multipart that is encoded as base64', async () => {
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

  test('ends a part at a boundary in the middle of its headers', async () => {
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

  test.each([
    ['without an empty line after them', ['Order: 5 pcs', 'Item: X-200']],
    ['with an empty line and nothing else after them', ['Order: 5 pcs', 'Item: X-200', '', '']],
  ])('reads the lines of a part as text, %s, when none is a Content header', async (_, lines) => {
    const email = await parse(...multipart('mixed', 'b', lines, FILE));
    expect(email.bodyText?.trimEnd()).toBe('Order: 5 pcs\nItem: X-200');
    expect(email).toMatchObject({ defects: ['header_separator_missing'] });
    expect(contents(email)).toEqual(['FILE']);
  });

  test('accepts a part of headers without a body when one is a Content header', async () => {
    const lines = ['Content-Language: en', 'X-Order: 7'];
    const email = await parse(...multipart('mixed', 'b', TEXT, lines));
    expect(email).toMatchObject({ bodyText: 'Order', defects: [] });
  });

  test('does not accept longer lines or quoted lines as boundaries', async () => {
    const lines = ['--bb', '--b-', '> --b', ' --b', '--B'].join('\r\n');
    const email = await parse(...multipart('mixed', 'b', part([], lines)));
    expect(email).toMatchObject({ bodyText: lines.replaceAll('\r', ''), defects: [] });
  });

  test('accepts a boundary followed by spaces, and a quoted one that contains spaces', async () => {
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
