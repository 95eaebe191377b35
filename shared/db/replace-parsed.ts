/** Another reading of a stored email: its parsed columns and its attachments, in one commit. */
import type { ParsedAttachment } from '../mime/parsed-email.ts';
import type { Database, Queryable } from './database.ts';
import { insertAttachments, parsedValues, type StorableEmail } from './emails.ts';
import { type Comparison, compareParsed, isSame, type StoredFile } from './parsed-difference.ts';

/**
 * Takes the parsed columns and the attachments from another reading of the same bytes. The identity and the raw bytes
 * stay, and so does the row (and id) of each attachment whose part, name and bytes are unchanged: later phases refer to
 * it. May run twice.
 *
 * @param options.resetsProcessed true: an email that differs counts as not processed, so that it is processed again
 * @returns what stood there before, compared; null when the email is gone, or read by a newer reader: nothing was done
 * @throws {AppError} unstorable, database_unavailable
 */
export async function replaceParsed(
  db: Database,
  emailId: number,
  email: StorableEmail,
  options: { readonly parserVersion: number; readonly resetsProcessed: boolean },
): Promise<Comparison | null> {
  const { parserVersion, resetsProcessed } = options;
  return await db.transaction(async (tx) => {
    const compared = await compareParsed(tx, emailId, email, { parserVersion, locks: true });
    if (compared === null) return null;
    const hasChanged = !isSame(compared.difference);
    if (hasChanged) await replaceAttachments(tx, emailId, compared.storedFiles, email.attachments);
    await tx.query(
      `update incoming_emails
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
           attachment_names = $13::text,
           processed = processed and not ($14::boolean and $15::boolean),
           updated_at = case when $14::boolean then now() else updated_at end
       where id = $1::integer`,
      [emailId, parserVersion, ...parsedValues(email), hasChanged, resetsProcessed],
    );
    return compared;
  });
}

async function replaceAttachments(
  tx: Queryable,
  emailId: number,
  stored: readonly StoredFile[],
  attachments: readonly ParsedAttachment[],
): Promise<void> {
  const idByFile = new Map(stored.map((one) => [fileKey(one), one.id]));
  const idOf = (one: ParsedAttachment) => idByFile.get(fileKey(one));
  const kept = attachments.flatMap((one) => idOf(one) ?? []);
  // First, because a part path stands once in an email.
  await tx.query(
    `delete from email_attachments
     where email_id = $1::integer
       and not (id = any ($2::integer[]))`,
    [emailId, kept],
  );
  for (const one of attachments) {
    const id = idOf(one);
    if (id !== undefined) await describeAnew(tx, id, one);
  }
  await insertAttachments(
    tx,
    emailId,
    attachments.filter((one) => idOf(one) === undefined),
  );
}

function fileKey({
  partPath,
  filename,
  sha256,
}: Pick<StoredFile, 'partPath' | 'filename' | 'sha256'>): string {
  return JSON.stringify([partPath, filename, sha256]);
}

/** What is said about an unchanged file. */
async function describeAnew(tx: Queryable, id: number, one: ParsedAttachment): Promise<void> {
  await tx.query(
    `update email_attachments
     set content_type = $2::text,
         detected_content_type = $3::text,
         content_id = $4::text,
         is_inline = $5::boolean
     where id = $1::integer
       and (content_type, detected_content_type, content_id, is_inline)
           is distinct from ($2::text, $3::text, $4::text, $5::boolean)`,
    [id, one.contentType, one.detectedType, one.contentId, one.isInline],
  );
}
