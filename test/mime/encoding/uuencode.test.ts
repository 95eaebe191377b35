import { describe, expect, test } from 'vitest';
import { parse } from '../mail-builder.ts';

const UU = ['begin 644 order.pdf', '.)5!$1BTQ+C<@;W)D97(', '`', 'end'];

describe('uuencode', () => {
  test('extracts uuencoded files from a body and keeps the words around them', async () => {
    const email = await parse('', 'Before', ...UU, 'between', ...UU, 'after');
    expect(email.bodyText).toBe('Before\nbetween\nafter');
    expect(
      email.attachments.map(({ content, filename, partPath }) => [
        filename,
        partPath,
        Buffer.from(content).toString(),
      ]),
    ).toEqual([
      ['order.pdf', '1.uu.1', '%PDF-1.7 order'],
      ['order.pdf', '1.uu.2', '%PDF-1.7 order'],
    ]);
    expect(email.defects).toEqual([]);
  });

  test('keeps a truncated uuencoded file and records a defect', async () => {
    const email = await parse('', 'Before', ...UU.slice(0, 2));
    expect(email.attachments).toHaveLength(1);
    expect(email.defects).toEqual(['uuencode_damaged']);
  });

  test('keeps a body that only mentions a begin line as text', async () => {
    const words = ['They write', 'begin 644 order.pdf', 'in the first line, I think.'];
    expect(await parse('', ...words)).toMatchObject({ bodyText: words.join('\n'), attachments: [] });
  });
});
