/** Another reading of a stored email: its parsed columns and its attachments, in one commit. */
import type { ParsedAttachment } from '../mime/parsed-email.ts';
import type { Database, Queryable } from './database.ts';
import { insertAttachments, parsedValues, type StorableEmail } from './emails.ts';

// $1 email id int, $2 parser version int, $3 to $13 the parsed values
// No row: the email is gone, or a newer reader has read it.
const COMPARE = `
select (sender, sender_address, recipients, subject, rfc822_message_id, sent_at, body_text, body_html,
        attachment_count, defects, attachment_names)
       is not distinct from
       ($3::text, $4::text, $5::jsonb, $6::text, $7::text, $8::timestamptz, $9::text, $10::text,
        $11::integer, $12::text[], $13::text) as is_same
from incoming_emails
where id = $1::integer
  and parser_version <= $2::integer
for update`;

export type Replaced =
  /** The reader gives what stood there. */
  | 'same'
  | 'changed'
  /** Gone, or read by a newer reader: nothing was done. */
  | 'skipped';

/**
 * Takes the parsed columns and the attachments from another reading of the same bytes. The identity, the raw bytes
 * and `processed` stay, and so does the row (and id) of each attachment whose part, name and bytes are unchanged:
 * later phases refer to it. May run twice.
 *
 * @throws {AppError} unstorable, database_unavailable
 */
export async function replaceParsed(
  db: Database,
  emailId: number,
  email: StorableEmail,
  parserVersion: number,
): Promise<Replaced> {
  return await db.transaction(async (tx) => {
    const values = [emailId, parserVersion, ...parsedValues(email)];
    const { rows } = await tx.query<{ is_same: boolean }>(COMPARE, values);
    if (rows[0] === undefined) return 'skipped';
    const hasSameFiles = await replaceAttachments(tx, emailId, email.attachments);
    const isSame = rows[0].is_same && hasSameFiles;
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
           updated_at = case when $14::boolean then updated_at else now() end
       where id = $1::integer`,
      [...values, isSame],
    );
    return isSame ? 'same' : 'changed';
  });
}

/** @returns true when nothing had to be changed */
async function replaceAttachments(
  tx: Queryable,
  emailId: number,
  attachments: readonly ParsedAttachment[],
): Promise<boolean> {
  const { rows } = await tx.query<{ id: number; part_path: string; filename: string; sha256: string }>(
    `select id, part_path, filename, sha256
     from email_attachments
     where email_id = $1::integer`,
    [emailId],
  );
  const idByFile = new Map(rows.map((row) => [fileKey(row.part_path, row.filename, row.sha256), row.id]));
  const idOf = (one: ParsedAttachment) => idByFile.get(fileKey(one.partPath, one.filename, one.sha256));
  const kept = attachments.flatMap((one) => idOf(one) ?? []);
  // First, because a part path stands once in an email.
  const { rowCount: goneCount } = await tx.query(
    `delete from email_attachments
     where email_id = $1::integer
       and not (id = any ($2::integer[]))`,
    [emailId, kept],
  );
  let toldAnewCount = 0;
  for (const one of attachments) {
    const id = idOf(one);
    if (id !== undefined && (await describeAnew(tx, id, one))) toldAnewCount += 1;
  }
  const added = attachments.filter((one) => idOf(one) === undefined);
  await insertAttachments(tx, emailId, added);
  return goneCount + toldAnewCount + added.length === 0;
}

function fileKey(partPath: string, filename: string, sha256: string): string {
  return JSON.stringify([partPath, filename, sha256]);
}

/** What is said about an unchanged file. @returns false when that is unchanged too */
async function describeAnew(tx: Queryable, id: number, one: ParsedAttachment): Promise<boolean> {
  const { rowCount } = await tx.query(
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
  return rowCount > 0;
}
