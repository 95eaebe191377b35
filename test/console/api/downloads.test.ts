/** Downloads of attachments and original emails: the bytes and the file name. */
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { order } from '../../helpers/test-emails.ts';
import { type Answered, createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

async function download(attachmentId: number): Promise<Answered> {
  return await system.call('console', { path: `/api/console/attachments/${attachmentId}`, method: 'GET' });
}

/** Stores an email whose attachment has this name. The name is written into the row, because the parser would clean it. */
async function attachmentNamed(filename: string): Promise<number> {
  const { id: gmailId } = system.gmail.deliver(order('named'));
  expect((await system.ingest()).outcome).toBe('completed');
  const [row] = await system.rows<{ id: number }>(
    `update email_attachments a set filename = $2::text
     from incoming_emails e
     where e.id = a.email_id and e.gmail_message_id = $1::text
     returning a.id`,
    [gmailId, filename],
  );
  return row?.id ?? 0;
}

describe('GET attachments/ID', () => {
  it('streams every byte of a 25 MB attachment in slices', async () => {
    const bytes = Buffer.alloc(25 * 1_048_576 + 17);
    for (let n = 0; n < bytes.length; n += 4)
      bytes.writeUInt32LE((n * 2_654_435_761) >>> 0, Math.min(n, bytes.length - 4));
    const id = await attachmentNamed('large.bin');
    await system.rows(
      'update email_attachments set file_data = $2::bytea, file_size_bytes = $3::integer where id = $1::integer',
      [id, bytes, bytes.length],
    );
    const answered = await download(id);
    const slices: Buffer[] = [];
    for await (const slice of answered.body as Readable) slices.push(slice);
    expect(Math.max(...slices.map((slice) => slice.length))).toBeLessThanOrEqual(1_048_576);
    expect(Buffer.concat(slices).equals(bytes)).toBe(true);
  });

  it('fails when the attachment is deleted during the download', async () => {
    const id = await attachmentNamed('gone.bin');
    const bytes = Buffer.alloc(3 * 1_048_576, 1);
    await system.rows(
      'update email_attachments set file_data = $2::bytea, file_size_bytes = $3::integer where id = $1::integer',
      [id, bytes, bytes.length],
    );
    const answered = await download(id);
    await system.rows('delete from email_attachments where id = $1::integer', [id]);
    await expect(buffer(answered.body as Readable)).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each([
    ['plain.pdf', 'attachment; filename="plain.pdf"; filename*=UTF-8\'\'plain.pdf'],
    ['a"b\\c.pdf', 'attachment; filename="a_b_c.pdf"; filename*=UTF-8\'\'a_b_c.pdf'],
    [
      'a\r\nSet-Cookie: x=1.pdf',
      'attachment; filename="aSet-Cookie_ x=1.pdf"; filename*=UTF-8\'\'aSet-Cookie_%20x%3D1.pdf',
    ],
    ['\u202efdp.exe', 'attachment; filename="fdp.exe"; filename*=UTF-8\'\'fdp.exe'],
    ['../../etc/passwd', 'attachment; filename="_.._etc_passwd"; filename*=UTF-8\'\'_.._etc_passwd'],
    ["it's (1)*.pdf", "attachment; filename=\"it's (1)_.pdf\"; filename*=UTF-8''it%27s%20%281%29_.pdf"],
    [
      'Bestellung Müller 100%.pdf',
      'attachment; filename="Bestellung M_ller 100_.pdf"; filename*=UTF-8\'\'Bestellung%20M%C3%BCller%20100%25.pdf',
    ],
    ['注文書.pdf', 'attachment; filename="___.pdf"; filename*=UTF-8\'\'%E6%B3%A8%E6%96%87%E6%9B%B8.pdf'],
  ])('sends the attachment %j with a safe file name', async (filename, header) => {
    const { headers } = await download(await attachmentNamed(filename));
    expect(headers['content-disposition']).toBe(header);
    expect(headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-security-policy': 'sandbox',
      'x-content-type-options': 'nosniff',
    });
  });

  it.each(['\u202e', '...', ' \u200b '])('sends the attachment %j with a fallback name', async (filename) => {
    const id = await attachmentNamed(filename);
    const { headers } = await download(id);
    expect(headers['content-disposition']).toContain(`filename="attachment-${id}.bin"`);
  });

  it('shortens a name of 300 characters to 200 bytes and keeps its extension', async () => {
    const { headers } = await download(await attachmentNamed(`${'ü'.repeat(296)}.pdf`));
    const name = decodeURIComponent(headers['content-disposition']?.split("UTF-8''")[1] ?? '');
    expect(name).toMatch(/^ü+\.pdf$/);
    expect(Buffer.byteLength(name)).toBe(200);
  });
});

it('GET emails/ID/raw fails when the email is deleted during the download', async () => {
  await attachmentNamed('raw.bin');
  const [row] = await system.rows<{ email_id: number }>('select max(email_id) as email_id from email_raw');
  const emailId = row?.email_id ?? 0;
  const data = gzipSync(randomBytes(5 * 1_048_576));
  await system.rows('update email_raw set data = $2::bytea where email_id = $1::integer', [emailId, data]);
  const path = `/api/console/emails/${emailId}/raw`;
  const { body } = await system.call('console', { path, method: 'GET' });
  await system.rows('delete from email_raw where email_id = $1::integer', [emailId]);
  await expect(buffer(body as Readable)).rejects.toMatchObject({ code: 'not_found' });
});
