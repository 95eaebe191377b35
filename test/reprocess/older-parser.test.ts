import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EmailToStore, storeEmail } from '../../shared/db/emails.ts';
import { EMPTY_EMAIL, PARSER_VERSION } from '../../shared/mime/parsed-email.ts';
import { ALL_EMAILS } from '../../shared/reprocess/raw-emails.ts';
import { reprocess } from '../../shared/reprocess/reprocess-emails.ts';
import { isFoundBy, mailboxWithPending } from '../helpers/storable-email.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';
import { mail, multipart, part } from '../mime/mail-builder.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const INNER = mail(
  'From: Client <client@example.org>',
  'Subject: Crates',
  ...multipart(
    'mixed',
    'inner',
    part(['Content-Type: text/plain'], 'Seven crates, please.'),
    part(['Content-Type: application/pdf; name=crates.pdf'], '%PDF-1.7 crates'),
  ),
);
const RAW = mail(
  'Delivered-To: orders@example.net',
  'From: Beispiel, Petra <petra.beispiel@example.com>',
  'To: orders@example.net',
  'Subject: Fwd',
  ...multipart(
    'mixed',
    'b',
    part(['Content-Type: text/plain'], 'See below.'),
    part(['Content-Type: message/rfc822'], INNER),
  ),
);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The result of parser version 1: half of the name, no address, and the attached message as one file. */
function parsedByVersion1(): EmailToStore {
  return {
    gmailMessageId: 'a',
    gmailThreadId: null,
    labelIds: [],
    receivedAt: new Date(1_700_000_000_000),
    parserVersion: 1,
    email: {
      ...EMPTY_EMAIL,
      subject: 'Fwd',
      from: { name: 'Beispiel', address: null },
      bodyText: 'See below.',
      attachments: [
        {
          partPath: '2',
          parentPath: null,
          filename: 'Crates.eml',
          contentType: 'message/rfc822',
          detectedType: null,
          contentId: null,
          isInline: false,
          content: INNER,
          sizeBytes: INNER.length,
          sha256: sha256(INNER),
        },
      ],
      defects: ['address_unreadable'],
    },
    raw: { encoding: 'gzip', data: gzipSync(RAW), sizeBytes: RAW.length, sha256: sha256(RAW) },
  };
}

test('updates the columns and files of an email that an older parser parsed, and keeps the row of its first file', async () => {
  const mailbox = await mailboxWithPending(db);
  await storeEmail(db, mailbox, parsedByVersion1());
  const before = await db.query<{ id: number }>('select id from email_attachments');
  for (const applies of [false, true, true]) {
    const mode = applies ? ({ applies, resetsProcessed: false } as const) : ({ applies } as const);
    for await (const { result } of reprocess(
      { db, largeBytes: null },
      { ...ALL_EMAILS, belowVersion: PARSER_VERSION },
      mode,
    ))
      expect(result.kind).toBe('changed');
  }
  const emails = await db.query(
    `select sender_address, sender, plain_text, delivered_to, parser_version, attachment_count, defects
     from incoming_emails`,
  );
  expect(emails.rows).toEqual([
    {
      sender_address: 'petra.beispiel@example.com',
      sender: 'Beispiel, Petra <petra.beispiel@example.com>',
      plain_text: expect.stringContaining('Seven crates, please.'),
      delivered_to: ['orders@example.net'],
      parser_version: PARSER_VERSION,
      attachment_count: 2,
      defects: ['date_missing'],
    },
  ]);
  const files = await db.query(
    `select f.id, f.part_path, f.filename, holder.filename as holder
     from email_attachments f
     left join email_attachments holder on holder.email_id = f.email_id and holder.part_path = f.parent_part_path
     order by f.part_path`,
  );
  expect(files.rows).toEqual([
    { id: before.rows[0]?.id, part_path: '2', filename: 'Crates.eml', holder: null },
    { id: expect.any(Number), part_path: '2.2', filename: 'crates.pdf', holder: 'Crates.eml' },
  ]);
  for (const words of ['seven crates', 'petra beispiel', 'orders example net'])
    expect([words, await isFoundBy(db, mailbox, words)]).toEqual([words, true]);
});
