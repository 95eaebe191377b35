/**
 * What another reading of a stored email would change: which columns, and which attachments by name, size and SHA-256.
 * Called by `replaceParsed`, and by who only wants to know.
 * What must stay true: a difference holds no value of a column, so it may be shown anywhere; file names are the sender's.
 */
import type { ParsedAttachment } from '../mime/parsed-email.ts';
import type { Queryable } from './database.ts';
import { parsedValues, type StorableEmail } from './emails.ts';

export interface FileMark {
  readonly partPath: string;
  readonly filename: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Of one part of the email. */
export type FileChange =
  | { readonly kind: 'added'; readonly now: FileMark }
  | { readonly kind: 'removed'; readonly before: FileMark }
  | {
      readonly kind: 'changed';
      readonly before: FileMark;
      readonly now: FileMark;
      /** `file_data` stands for the bytes. */
      readonly columns: readonly string[];
    };

export interface Difference {
  /** Of incoming_emails. */
  readonly columns: readonly string[];
  readonly files: readonly FileChange[];
}

export interface StoredFile extends FileMark {
  readonly id: number;
  readonly contentType: string;
  readonly detectedType: string | null;
  readonly contentId: string | null;
  readonly isInline: boolean;
}

export interface Comparison {
  readonly difference: Difference;
  readonly storedFiles: readonly StoredFile[];
  readonly isProcessed: boolean;
}

// $1 email id int, $2 parser version int, $3 to $13 the parsed values
// No row: the email is gone, or a newer reader has read it.
const COMPARE = `
select processed as is_processed,
       jsonb_build_object(
         'sender', sender is distinct from $3::text,
         'sender_address', sender_address is distinct from $4::text,
         'recipients', recipients is distinct from $5::jsonb,
         'subject', subject is distinct from $6::text,
         'rfc822_message_id', rfc822_message_id is distinct from $7::text,
         'sent_at', sent_at is distinct from $8::timestamptz,
         'body_text', body_text is distinct from $9::text,
         'body_html', body_html is distinct from $10::text,
         'attachment_count', attachment_count is distinct from $11::integer,
         'defects', defects is distinct from $12::text[],
         'attachment_names', attachment_names is distinct from $13::text
       ) as is_other
from incoming_emails
where id = $1::integer
  and parser_version <= $2::integer`;

/**
 * @param options.locks the email, until the transaction ends: for who goes on to change it
 * @returns null when the email is gone, or a newer reader has read it
 * @throws {AppError} unstorable, database_unavailable
 */
export async function compareParsed(
  db: Queryable,
  emailId: number,
  email: StorableEmail,
  options: { readonly parserVersion: number; readonly locks: boolean },
): Promise<Comparison | null> {
  const { rows } = await db.query<{ is_processed: boolean; is_other: Record<string, boolean> }>(
    options.locks ? `${COMPARE}\nfor update` : COMPARE,
    [emailId, options.parserVersion, ...parsedValues(email)],
  );
  const row = rows[0];
  if (row === undefined) return null;
  const storedFiles = await readFiles(db, emailId);
  const columns = Object.keys(row.is_other).filter((name) => row.is_other[name]);
  return {
    difference: { columns: columns.toSorted(), files: fileChanges(storedFiles, email.attachments) },
    storedFiles,
    isProcessed: row.is_processed,
  };
}

export function isSame({ columns, files }: Difference): boolean {
  return columns.length + files.length === 0;
}

async function readFiles(db: Queryable, emailId: number): Promise<StoredFile[]> {
  const { rows } = await db.query<{
    id: number;
    part_path: string;
    filename: string;
    content_type: string;
    detected_content_type: string | null;
    content_id: string | null;
    is_inline: boolean;
    file_size_bytes: number;
    sha256: string;
  }>(
    `select id, part_path, filename, content_type, detected_content_type, content_id, is_inline, file_size_bytes, sha256
     from email_attachments
     where email_id = $1::integer
     order by id`,
    [emailId],
  );
  return rows.map((row) => ({
    id: row.id,
    partPath: row.part_path,
    filename: row.filename,
    contentType: row.content_type,
    detectedType: row.detected_content_type,
    contentId: row.content_id,
    isInline: row.is_inline,
    sizeBytes: row.file_size_bytes,
    sha256: row.sha256,
  }));
}

/** A part path stands once in an email, so it tells which file became which. */
function fileChanges(stored: readonly StoredFile[], read: readonly ParsedAttachment[]): FileChange[] {
  const storedByPart = new Map(stored.map((one) => [one.partPath, one]));
  const readParts = new Set(read.map((one) => one.partPath));
  const changes: FileChange[] = stored
    .filter((one) => !readParts.has(one.partPath))
    .map((one) => ({ kind: 'removed', before: markOf(one) }));
  for (const now of read) {
    const before = storedByPart.get(now.partPath);
    if (before === undefined) changes.push({ kind: 'added', now: markOf(now) });
    else {
      const columns = changedColumns(before, now);
      if (columns.length > 0)
        changes.push({ kind: 'changed', before: markOf(before), now: markOf(now), columns });
    }
  }
  return changes;
}

function changedColumns(before: StoredFile, now: ParsedAttachment): string[] {
  const isOther: Record<string, boolean> = {
    filename: before.filename !== now.filename,
    content_type: before.contentType !== now.contentType,
    detected_content_type: before.detectedType !== now.detectedType,
    content_id: before.contentId !== now.contentId,
    is_inline: before.isInline !== now.isInline,
    file_data: before.sha256 !== now.sha256,
  };
  return Object.keys(isOther).filter((name) => isOther[name]);
}

function markOf({ partPath, filename, sizeBytes, sha256 }: FileMark): FileMark {
  return { partPath, filename, sizeBytes, sha256 };
}
