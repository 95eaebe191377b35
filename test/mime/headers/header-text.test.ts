import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../../shared/mime/parse-email.ts';
import { mail } from '../mail-builder.ts';

const read = (...lines: (string | Buffer)[]) => parseEmail(mail(...lines, '', 'Body'));
const subject = async (...lines: (string | Buffer)[]): Promise<string | null> =>
  (await read(...lines)).subject;

describe('subject', () => {
  test('unfolds a subject, decodes its encoded words and joins split characters', async () => {
    expect(await subject('Subject: =?utf-8?Q?Bestellung_=C3?= =?utf-8?Q?=A4?= 7')).toBe('Bestellung ä 7');
    expect(await subject('Subject: one', '  two', '\tthree')).toBe('one  two\tthree');
    expect(await subject('Subject: =?utf-8?B?w6Q=?=', ' =?iso-8859-1?Q?=F6?= end')).toBe('äö end');
    expect(await subject('Subject: =?ISO-2022-JP?B?GyRCQ20bKEI=?= =?ISO-2022-JP?B?GyRCSjgbKEI=?=')).toBe(
      '注文',
    );
    expect(await subject('Subject: =?utf-8*en?q?a=3Fb?= =?broken')).toBe('a?b =?broken');
  });

  test('decodes raw bytes in a subject: UTF-8, the charset of the email, or windows-1252', async () => {
    expect(await subject('Subject: Größe')).toBe('Größe');
    expect(await subject(Buffer.from('Subject: Gr\xf6\xdfe', 'latin1'))).toBe('Größe');
    const gbk = Buffer.concat([Buffer.from('Subject: '), Buffer.from('b6a9b5a5', 'hex')]);
    expect(await subject(gbk, 'Content-Type: text/plain; charset=gbk')).toBe('订单');
  });

  test('removes NUL and lone surrogates from a subject', async () => {
    expect(await subject('Subject: a\0b')).toBe('ab');
    expect(await subject('Subject: =?utf-16le?B?ADg=?=x')).not.toMatch(/[\ud800-\udfff]/);
    expect(await subject('Subject: =?utf-7?Q?+2AA-?=')).toBe('\ufffd');
  });

  test('uses the first of two subjects, and null when there is none', async () => {
    expect(await read('Subject: one', 'Subject: two')).toMatchObject({ subject: 'one' });
    expect((await read('Subject: one', 'Subject: two')).defects).toContain('duplicate_header');
    expect(await subject('X: y')).toBeNull();
  });
});
