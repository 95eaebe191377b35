import { describe, expect, test } from 'vitest';
import { between, filesOf, parse, pdfPart, textPart } from '../mail-builder.ts';

describe('Content-Type', () => {
  test.each([
    '; boundary="b"',
    'boundary="b"',
    'multipart/*; boundary="b"',
    'multipart; boundary="b"',
    'multipart/; boundary=b',
    '*/*; boundary=b',
    'mixed; boundary=b',
    'text/plain; boundary="b"',
  ])('reads the Content-Type %s as a multipart when the body contains its boundary', async (type) => {
    const parts = between(
      'b',
      textPart('Four pallets.'),
      pdfPart('Content-Type: application/pdf; name=a.pdf'),
    );
    const email = await parse(`Content-Type: ${type}`, '', ...parts);
    expect(email.bodyText).toBe('Four pallets.');
    expect(filesOf(email)).toEqual([['a.pdf', true]]);
  });

  test.each([
    'text / html; charset=utf-8',
    'text/html, text/plain',
    'text/html: charset=utf-8',
    'text/html/utf-8',
    '(a page) text/html',
    '=?utf-8?Q?text/html;_charset=3Dutf-8?=',
  ])('reads the Content-Type %s as HTML', async (type) => {
    expect((await parse(`Content-Type: ${type}`, '', '<p>Nine</p>')).bodyHtml).toBe('<p>Nine</p>');
  });

  test('reads an email without Content-Type as a multipart when the body begins with a boundary', async () => {
    const email = await parse(
      '',
      ...between('b', textPart('Four pallets.'), pdfPart('Content-Type: application/pdf; name=a.pdf')),
    );
    expect(email.bodyText).toBe('Four pallets.');
    expect(filesOf(email)).toEqual([['a.pdf', true]]);
  });

  test('keeps text that quotes a boundary as text', async () => {
    const quoted = ['You wrote:', ...between('b', textPart('Four pallets.'))].join('\r\n');
    expect(await parse('', quoted)).toMatchObject({ attachments: [], defects: [] });
  });

  test.each([
    [['Content-Type: text/plain; charset=us-ascii', 'Content-Type: multipart/mixed; boundary=b']],
    [['Content-Type: multipart/mixed; boundary=b', 'Content-Type: text/plain']],
    [['Content-Type: nonsense', 'Content-Type: multipart/mixed; boundary=b']],
  ])('uses the multipart header when an email has the Content-Type headers %j', async (types) => {
    const email = await parse(
      ...types,
      '',
      ...between('b', textPart('Four pallets.'), pdfPart('Content-Type: application/pdf; name=a.pdf')),
    );
    expect(email.bodyText).toBe('Four pallets.');
    expect(filesOf(email)).toEqual([['a.pdf', true]]);
    expect(email.defects).toContain('duplicate_header');
  });
});
