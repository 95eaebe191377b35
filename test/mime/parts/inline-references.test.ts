import { describe, expect, test } from 'vitest';
import { htmlPart, multipart, parse, part, pdfPart } from '../mail-builder.ts';

describe('inline references', () => {
  test('marks a picture as inline by its Content-Location, and an unreferenced one as not inline', async () => {
    const shown = part(['Content-Type: image/png', 'Content-Location: http://example.com/a.png'], 'A');
    const other = part(['Content-Type: image/png', 'Content-ID: <b@example.com>'], 'B');
    const page = htmlPart('<img src="http://example.com/a.png">');
    const email = await parse(...multipart('related', 'b', page, shown, other));
    expect(email.attachments.map(({ isInline }) => isInline)).toEqual([true, false]);
  });

  test('does not mark a PDF as inline when the HTML refers to it, but marks a picture', async () => {
    const page = htmlPart('<object data="cid:a@example.com"></object><img src="cid:b@example.com">');
    const shown = pdfPart('Content-Type: application/pdf; name=a.pdf', 'Content-ID: <a@example.com>');
    const hidden = pdfPart('Content-Type: image/png; name=c.png', 'Content-ID: <a@example.com>');
    const picture = part(['Content-Type: image/png; name=b.png', 'Content-ID: <b@example.com>'], 'PNG');
    const email = await parse(...multipart('related', 'b', page, shown, hidden, picture));
    expect(email.attachments.map(({ filename, isInline }) => [filename, isInline])).toEqual([
      ['a.pdf', false],
      ['c.png', false],
      ['b.png', true],
    ]);
  });
});
