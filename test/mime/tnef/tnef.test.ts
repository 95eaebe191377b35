import { describe, expect, test } from 'vitest';
import type { ParsedEmail } from '../../../shared/mime/parsed-email.ts';
import { base64Lines, multipart, parse, part } from '../mail-builder.ts';
import {
  attachment,
  attribute,
  binary,
  ID,
  long,
  named,
  object,
  properties,
  tnef,
  unicode,
} from './tnef-builder.ts';

const TEXT = part(['Content-Type: text/plain'], 'Order');
const winmail = (file: Buffer): (string | Buffer)[] =>
  part(
    ['Content-Type: application/ms-tnef; name=winmail.dat', 'Content-Transfer-Encoding: base64'],
    base64Lines(file),
  );
const withText = (file: Buffer): Promise<ParsedEmail> =>
  parse(...multipart('mixed', 'b', TEXT, winmail(file)));
const names = (email: ParsedEmail): string[] => email.attachments.map(({ filename }) => filename);
const texts = (email: ParsedEmail): string[] =>
  email.attachments.slice(1).map(({ content }) => Buffer.from(content).toString());

const PDF = Buffer.from('%PDF-1.7 order');
/** The first example of [MS-OXRTFCP]. */
const RTF = Buffer.from(
  '2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0',
  'hex',
);

describe('winmail.dat', () => {
  test('keeps winmail.dat and extracts its files with long names, types and bytes', async () => {
    const file = tnef(
      attribute(1, ID.messageProperties, properties(named('x-custom', 7), long(0x3fde, 1252))),
      attachment(
        'ORDER~1.PDF',
        PDF,
        named('a', 1),
        unicode(0x3707, 'Bestellung ä.pdf'),
        unicode(0x370e, 'application/pdf'),
      ),
      attachment('B.TXT', null, binary(0x3701, Buffer.from('second')), unicode(0x3712, 'b@example.com')),
    );
    const email = await withText(file);
    expect(names(email)).toEqual(['winmail.dat', 'Bestellung ä.pdf', 'B.TXT']);
    expect(email.attachments[0]?.content).toEqual(file);
    expect(email.attachments[1]).toMatchObject({
      partPath: '2.tnef.1',
      contentType: 'application/pdf',
      detectedType: 'application/pdf',
    });
    expect(email.attachments[2]).toMatchObject({ partPath: '2.tnef.2', contentId: 'b@example.com' });
    expect(texts(email)).toEqual([PDF.toString(), 'second']);
    expect(email).toMatchObject({ bodyText: 'Order', defects: [] });
  });

  test('takes the body from winmail.dat when the email has none', async () => {
    const html = binary(0x1013, Buffer.from('<p>Gr\xf6\xdfe</p>', 'latin1'));
    const list = attribute(
      1,
      ID.messageProperties,
      properties(unicode(0x1000, 'Größe\r\n7'), html, long(0x3fde, 28591)),
    );
    const email = await parse(...winmail(tnef(list)));
    expect(email).toMatchObject({ bodyText: 'Größe\n7', bodyHtml: '<p>Größe</p>', defects: [] });
    expect(names(email)).toEqual(['winmail.dat']);
  });

  test('keeps the text and RTF bodies of winmail.dat as files when the email has its own body', async () => {
    const list = properties(unicode(0x1000, 'Outlook text'), binary(0x1009, RTF));
    const email = await withText(tnef(attribute(1, ID.messageProperties, list)));
    expect(email.bodyText).toBe('Order');
    expect(names(email)).toEqual(['winmail.dat', 'message-body.txt', 'message-body.rtf']);
    expect(texts(email)[1]).toBe('{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n');
  });

  test('reads eight-bit strings of winmail.dat in its code page', async () => {
    const codepage = attribute(1, ID.codepage, Buffer.from('e304000000000000', 'hex'));
    const email = await withText(tnef(codepage, attachment('\xe7\xe0\xea\xe0\xe7.txt', PDF)));
    expect(names(email)[1]).toBe('заказ.txt');
  });

  test('opens a message within winmail.dat with its body and files', async () => {
    const inner = tnef(
      attribute(1, ID.messageProperties, properties(unicode(0x37, 'Inner/1'), unicode(0x1000, 'Inner text'))),
      attachment('A.PDF', PDF),
    );
    const email = await withText(tnef(attachment('message', null, object(0x3701, inner))));
    expect(names(email)).toEqual(['winmail.dat', 'A.PDF', 'Inner-1.txt']);
    expect(texts(email)).toEqual([PDF.toString(), 'Inner text']);
  });

  test('keeps messages nested too deeply in winmail.dat as files', async () => {
    let file = tnef(attachment('A.PDF', PDF));
    for (let depth = 0; depth < 50; depth += 1)
      file = tnef(attachment(`m${depth}`, null, object(0x3701, file)));
    const email = await withText(file);
    expect(names(email)).toEqual(['winmail.dat', 'm45']);
    expect(email.attachments[1]?.contentType).toBe('application/ms-tnef');
    expect(Buffer.from(email.attachments[1]?.content ?? []).includes(PDF)).toBe(true);
  });

  test('recognizes winmail.dat by its first bytes when the declared type is different', async () => {
    const email = await parse(
      ...multipart(
        'mixed',
        'b',
        TEXT,
        part(
          ['Content-Type: application/octet-stream', 'Content-Transfer-Encoding: base64'],
          base64Lines(tnef(attachment('A.PDF', PDF))),
        ),
      ),
    );
    expect(names(email)).toEqual(['attachment-1.dat', 'A.PDF']);
  });

  test('extracts the files before the end of a winmail.dat that is truncated at any byte', async () => {
    const file = tnef(attachment('A.PDF', PDF), attachment('B.PDF', null, binary(0x3701, PDF)));
    for (let length = 0; length < file.length; length += 1) {
      const email = await withText(file.subarray(0, length));
      expect(email.defects).not.toContain('reader_failed');
      expect(email.attachments[0]?.sizeBytes).toBe(length);
      if (length > 200) expect(names(email)[1]).toBe('A.PDF');
    }
  });

  test('keeps a winmail.dat that is not TNEF as a file', async () => {
    const email = await withText(Buffer.from('no TNEF at all'));
    expect(names(email)).toEqual(['winmail.dat']);
    expect(email.defects).toEqual(['tnef_damaged']);
  });
});
