import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { EMPTY_EMAIL } from '../../shared/mime/parsed-email.ts';
import { mail } from './mail-builder.ts';

describe('parseEmail', () => {
  test.each([
    ['no bytes', ''],
    ['one line end', '\r\n'],
    ['NUL bytes', '\0\0\0'],
    ['one colon', ':'],
    ['a header without an end', 'Subject'],
    ['a lone boundary', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b'],
    ['only a closing boundary', 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--'],
    ['headers of colons', ':::\r\n:::\r\n\r\n'],
  ])('parses an email that consists of %s, and records defects', async (_, text) => {
    const email = await parseEmail(Buffer.from(text));
    expect(email.defects).toContain('date_missing');
    expect(email.defects).not.toContain('reader_failed');
  });

  test('records a defect for an empty email', async () => {
    expect(await parseEmail(new Uint8Array())).toEqual({
      ...EMPTY_EMAIL,
      defects: ['body_missing', 'date_missing', 'empty_message', 'from_missing'],
    });
  });

  test('reads a view into a larger buffer only within its bounds', async () => {
    const bytes = Buffer.from('XXXXSubject: Order\n\nBodyYYYY');
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset + 4, bytes.length - 8);
    expect(await parseEmail(view)).toMatchObject({ subject: 'Order', bodyText: 'Body' });
  });

  test('parses an email without changing its input bytes', async () => {
    const raw = mail('Content-Transfer-Encoding: quoted-printable', '', 'a=3D\0\r\n');
    const before = Buffer.from(raw);
    await parseEmail(raw);
    expect(raw).toEqual(before);
  });
});
