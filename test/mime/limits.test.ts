import { describe, expect, it } from 'vitest';
import { parseEmail } from '../../shared/mime/parse-email.ts';
import { HEAD, mail, multipart, part } from './mail-builder.ts';

/** An email of `depth` nested multiparts around one file. */
function nested(depth: number): Buffer {
  const opening = Array.from({ length: depth }, (_, level) => [
    `Content-Type: multipart/mixed; boundary=b${level}`,
    '',
    `--b${level}`,
  ]).flat();
  const closing = Array.from({ length: depth }, (_, level) => `--b${depth - 1 - level}--`);
  const file = ['Content-Type: application/x; name=a.x', '', 'FILE'];
  return Buffer.from([...HEAD, ...opening, ...file, ...closing].join('\r\n'));
}

describe('parser limits', () => {
  it('keeps parts that are nested too deeply as one file with its bytes and headers', async () => {
    for (const depth of [1000, 100_000]) {
      const email = await parseEmail(nested(depth));
      expect(email).toMatchObject({ subject: 'Order 4711', from: { address: 'ann@example.com' } });
      expect(email.attachments).toHaveLength(1);
      expect(email.attachments[0]).toMatchObject({
        contentType: 'multipart/mixed',
        filename: 'attachment-1.eml',
      });
      expect(Buffer.from(email.attachments[0]?.content ?? []).includes('FILE')).toBe(true);
      expect(email.defects).toContain('nesting_too_deep');
    }
  });

  it('opens the file of deeply nested parts when it is parsed as an email', async () => {
    const outer = await parseEmail(nested(60));
    const inner = await parseEmail(outer.attachments[0]?.content ?? new Uint8Array());
    expect(Buffer.from(inner.attachments[0]?.content ?? []).toString()).toBe('FILE');
  });

  it('keeps the rest of an email with too many parts as one file', async () => {
    const parts = Array.from({ length: 3000 }, (_, index) => part(['Content-Type: a/b'], `part ${index}`));
    const email = await parseEmail(mail(...HEAD, ...multipart('mixed', 'b', ...parts)));
    expect(email.attachments).toHaveLength(1000);
    expect(Buffer.from(email.attachments.at(-1)?.content ?? []).toString()).toContain('part 2999\r\n--b--');
    expect(email.defects).toContain('parts_too_many');
  });

  it('finds the relevant headers among ten thousand others', async () => {
    const headers = Array.from({ length: 10_000 }, (_, index) => `X-${index}: y`);
    const email = await parseEmail(mail(...headers, ...HEAD, '', 'Body'));
    expect(email).toMatchObject({ subject: 'Order 4711', bodyText: 'Body', defects: [] });
  });

  it('finds the subject below eighty thousand addresses', async () => {
    const to = `To: ${'a@example.com, '.repeat(40_000)}`;
    const email = await parseEmail(mail(to, to.replace('To', 'Cc'), ...HEAD, '', 'Body'));
    expect(email).toMatchObject({
      subject: 'Order 4711',
      from: { address: 'ann@example.com' },
      bodyText: 'Body',
    });
    expect(email.to.length).toBeGreaterThan(10_000);
    expect(email.defects).toEqual(['header_too_long']);
  });

  it('truncates a header of one megabyte', async () => {
    const email = await parseEmail(mail(`Subject: ${'=?utf-8?B?w6Q=?= '.repeat(60_000)}`, '', 'Body'));
    expect(email.subject).toMatch(/^ä+/);
    expect(email.defects).toContain('header_too_long');
  });

  // Each of these inputs took quadratic time in some parser.
  it.each([
    ['open comments', `Content-Type: text/plain; x=${'('.repeat(200_000)}`],
    ['spaces', `Content-Type: text/plain; x=${' '.repeat(200_000)}y`],
    ['semicolons', `Content-Disposition: ${';'.repeat(200_000)}`],
    ['escaped quotes', `Content-Disposition: attachment; filename="${'\\"'.repeat(100_000)}`],
    ['opened encoded words', `Subject: ${'=?a?Q?'.repeat(50_000)}`],
    ['angle brackets', `To: ${'<'.repeat(200_000)}`],
    ['groups', `To: ${'a:'.repeat(100_000)}`],
    ['encoded names', `From: ${'=?utf-8?B?w6TDtsO8?= '.repeat(10_000)}`],
    [
      'file name sections',
      `Content-Disposition: attachment; ${Array.from({ length: 9999 }, (_, n) => `filename*${n}*=%41`).join(';')}`,
    ],
  ])('parses a header of many %s within five seconds', { timeout: 5000 }, async (_, header) => {
    const email = await parseEmail(mail(header, '', 'Body'));
    expect(email.defects).not.toContain('reader_failed');
  });

  it.each([
    ['pairs of hyphens', `Content-Type: multipart/mixed; boundary=b\n\n--b\n\n${'--c\n'.repeat(200_000)}`],
    [
      'closing boundaries',
      `Content-Type: multipart/mixed; boundary=b\n\n--b\n\n${'--b--\n'.repeat(200_000)}`,
    ],
    [
      'closing boundaries, each above a misspelled one',
      `Content-Type: multipart/mixed; boundary=b\n\n--b\n\n${'--b--\n--c\nContent-Type: a/b\n\n'.repeat(200_000)}`,
    ],
    ['CR in UTF-16', `Content-Type: text/plain; charset=utf-16le\n\n${'\r\0'.repeat(2_000_000)}`],
    ['lines that are no headers', 'a\nb:c\n'.repeat(100_000)],
    ['empty lines', '\n'.repeat(500_000)],
    [
      'padded groups',
      `Content-Type: a/b\nContent-Transfer-Encoding: base64\n\n${'YQ==YQ==\n'.repeat(100_000)}`,
    ],
    ['inline references', `Content-Type: text/html\n\n${'src=cid:'.repeat(200_000)}`],
    ['equals signs', `Content-Transfer-Encoding: quoted-printable\n\n${'= '.repeat(200_000)}`],
  ])('parses a body of many %s within five seconds', { timeout: 5000 }, async (_, text) => {
    const email = await parseEmail(Buffer.from(text));
    expect(email.defects).not.toContain('reader_failed');
  });
});
