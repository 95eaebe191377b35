import { expect, test } from 'vitest';
import { base64Lines, filesOf, multipart, PDF, parse, part, textPart } from '../mail-builder.ts';

test('decodes an undeclared base64 body, or one declared as 7bit, when it is text, HTML or a file', async () => {
  const words = '<p>Please send sixty pieces of H-8 to the hall in Example Town.</p>\n';
  const page = await parse('', base64Lines(Buffer.from(words)));
  expect(page).toMatchObject({ bodyHtml: words, defects: ['transfer_encoding_missing'] });
  const file = part(['Content-Type: application/pdf; name=a.pdf'], base64Lines(PDF));
  expect(filesOf(await parse(...multipart('mixed', 'b', textPart('Order'), file)))).toEqual([
    ['a.pdf', true],
  ]);
  const seven = 'Content-Transfer-Encoding: 7bit';
  expect(await parse(seven, '', base64Lines(Buffer.from(words)))).toMatchObject({ bodyHtml: words });
  const digits = '0123456789abcdef'.repeat(8);
  expect(await parse('', digits)).toMatchObject({ bodyText: digits, defects: [] });
});
