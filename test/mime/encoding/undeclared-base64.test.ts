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

test('keeps a named file of base64 that is declared as 7bit: it may be a key or a license', async () => {
  const json = base64Lines(Buffer.from('{"customer": "Example Town", "valid until": "2030-01-01"}\n'));
  const seven = 'Content-Transfer-Encoding: 7bit';
  const named = (type: string, content: string) =>
    parse(...multipart('mixed', 'b', textPart('Order'), part([`Content-Type: ${type}`, seven], content)));
  for (const type of ['text/plain; name=license.txt', 'application/octet-stream; name=license.key'])
    expect((await named(type, json)).attachments[0]?.content.toString()).toBe(json.trimEnd());
  const [scan] = (await named('text/plain; name=scan.b64', base64Lines(PDF))).attachments;
  expect(scan?.detectedType).toBeNull();
  expect(filesOf(await named('application/octet-stream; name=a.pdf', base64Lines(PDF)))).toEqual([
    ['a.pdf', true],
  ]);
});
