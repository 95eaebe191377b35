/** Replaces the parsed columns, the attachments and the search words of a stored email, in one commit. */

import { releaseReservations } from '../bucket/bucket-objects.ts';
import { type KeptObjects, type LargeBytes, NOTHING_KEPT } from '../bucket/large-bytes.ts';
import { largeObjectsOf } from '../bucket/large-objects.ts';
import type { Database, Queryable } from '../db/database.ts';
import { attachmentNames, insertAttachments, parsedValues, type StorableEmail } from '../db/emails.ts';
import { statement } from '../db/statement.ts';
import { Deadline } from '../deadline.ts';
import type { ParsedAttachment } from '../mime/parsed-email.ts';
import { lockUnclaimed, requeueExpired } from './claimed-emails.ts';
import { type Comparison, compareParsed, isSame, readFiles, type StoredFile } from './parsed-difference.ts';

// $1 email id int, $2 parser version int, $3 to $17 as `parsedValues`, $18 has changed bool, $19 resets
// processed bool
const UPDATE_EMAIL = statement(`
update incoming_emails
set parser_version = $2::integer,
    sender = $3::text,
    sender_address = $4::text,
    recipients = $5::jsonb,
    subject = $6::text,
    rfc822_message_id = $7::text,
    sent_at = $8::timestamptz,
    body_text = $9::text,
    body_html = $10::text,
    attachment_count = $11::integer,
    defects = $12::text[],
    plain_text = $13::text,
    delivered_to = $14::text[],
    in_reply_to = $15::text,
    list_id = $16::text,
    auto_submitted = $17::text,
    processed = processed and not ($18::boolean and $19::boolean),
    updated_at = case when $18::boolean then now() else updated_at end
where id = $1::integer`);

// From the row that was just updated. Also when no column changed: the words may have been made by another version of
// email_search_words.
// $1 email id int, $2 attachment names text
const UPDATE_SEARCH = statement(`
insert into email_search as s (email_id, received_at, mailbox_id, search_words)
select e.id, e.received_at, e.mailbox_id,
       email_search_words(
         e.sender, e.sender_address, e.subject, $2::text, e.recipients, e.plain_text,
         array_to_string(e.delivered_to, ' '))
from incoming_emails e
where e.id = $1::integer
on conflict (email_id) do update
set search_words = excluded.search_words
where s.search_words is distinct from excluded.search_words`);

// $1 email id int, $2 ids int[]
const DELETE_OTHER_ATTACHMENTS = statement(`
delete from email_attachments
where email_id = $1::integer
  and not (id = any ($2::integer[]))`);

// $1 id int, $2 content type text, $3 detected type text, $4 content id text, $5 is inline bool, $6 parent path text
const UPDATE_ATTACHMENT = statement(`
update email_attachments
set content_type = $2::text,
    detected_content_type = $3::text,
    content_id = $4::text,
    is_inline = $5::boolean,
    parent_part_path = $6::text
where id = $1::integer
  and (content_type, detected_content_type, content_id, is_inline, parent_part_path)
      is distinct from ($2::text, $3::text, $4::text, $5::boolean, $6::text)`);

/** For all new files of an email. */
const KEEP_MS = 5 * 60_000;

/**
 * Replaces what the parser returned for the same bytes. The identity and the raw bytes stay. An attachment whose part, name
 * and bytes are unchanged keeps its row and id, because later phases refer to it. Large files that are new, or whose object is
 * missing, go to the bucket. May run twice.
 *
 * @param options.resetsProcessed true: an email that differs becomes unprocessed, so that it is processed again
 * @returns the comparison with what was stored before. `in_use` when a worker has claimed the email; null when the email is
 *   gone, or a newer parser wrote it: then nothing was changed
 * @throws {AppError} unstorable, database_unavailable, bucket_unavailable, bucket_denied
 */
export async function replaceParsed(
  { db, largeBytes }: { readonly db: Database; readonly largeBytes: LargeBytes | null },
  emailId: number,
  email: StorableEmail,
  options: { readonly parserVersion: number; readonly resetsProcessed: boolean },
): Promise<Comparison | 'in_use' | null> {
  const { parserVersion, resetsProcessed } = options;
  const objects = await keepNewFiles(db, largeBytes, emailId, email.attachments);
  return await db.transaction(async (tx) => {
    const compared = await compareParsed(tx, emailId, email, { parserVersion, locks: true });
    if (compared === null) return null;
    if (!(await lockUnclaimed(tx, emailId))) return 'in_use';
    const hasChanged = !isSame(compared.difference);
    if (hasChanged) {
      await replaceAttachments(tx, emailId, {
        stored: compared.storedFiles,
        now: email.attachments,
        objects,
      });
      await releaseReservations(tx, objects.reservationIds);
      await requeueExpired(tx, emailId);
    }
    await tx.query(UPDATE_EMAIL, [
      emailId,
      parserVersion,
      ...parsedValues(email),
      hasChanged,
      resetsProcessed,
    ]);
    await tx.query(UPDATE_SEARCH, [emailId, attachmentNames(email)]);
    return compared;
  });
}

/**
 * Before the transaction, because no transaction stays open across a call to the bucket. A file that turns out to be new only in the
 * transaction is stored in the database.
 */
async function keepNewFiles(
  db: Database,
  largeBytes: LargeBytes | null,
  emailId: number,
  attachments: readonly ParsedAttachment[],
): Promise<KeptObjects> {
  if (largeBytes === null || !attachments.some(({ sizeBytes }) => largeBytes.isLarge(sizeBytes)))
    return NOTHING_KEPT;
  const objectByFile = new Map((await readFiles(db, emailId)).map((one) => [fileKey(one), one.bucketObject]));
  const absent: ParsedAttachment[] = [];
  for (const one of attachments) {
    // Undefined: the file is new. Null: its bytes are in the database.
    const object = objectByFile.get(fileKey(one));
    if (object === undefined || (object !== null && (await largeBytes.bucket.stat(object)) === null))
      absent.push(one);
  }
  return await largeBytes.keep(db, largeObjectsOf(largeBytes, absent, null), Deadline.after(KEEP_MS));
}

async function replaceAttachments(
  tx: Queryable,
  emailId: number,
  {
    now: attachments,
    objects,
    stored,
  }: {
    readonly stored: readonly StoredFile[];
    readonly now: readonly ParsedAttachment[];
    readonly objects: KeptObjects;
  },
): Promise<void> {
  const idByFile = new Map(stored.map((one) => [fileKey(one), one.id]));
  const idOf = (one: ParsedAttachment) => idByFile.get(fileKey(one));
  const kept = attachments.flatMap((one) => idOf(one) ?? []);
  // First, because a part path is unique in an email.
  await tx.query(DELETE_OTHER_ATTACHMENTS, [emailId, kept]);
  for (const one of attachments) {
    const id = idOf(one);
    if (id === undefined) continue;
    const { contentType, detectedType, contentId, isInline, parentPath } = one;
    await tx.query(UPDATE_ATTACHMENT, [id, contentType, detectedType, contentId, isInline, parentPath]);
  }
  await insertAttachments(
    tx,
    emailId,
    attachments.filter((one) => idOf(one) === undefined),
    objects,
  );
}

function fileKey({
  partPath,
  filename,
  sha256,
}: Pick<StoredFile, 'partPath' | 'filename' | 'sha256'>): string {
  return JSON.stringify([partPath, filename, sha256]);
}
