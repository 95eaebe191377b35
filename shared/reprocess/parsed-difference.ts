/**
 * Compares a stored email with what the parser returns now: which columns differ, and which attachments, by name, size and
 * SHA-256. Called by `replaceParsed`, and by a dry run.
 * Invariant: a difference contains no column values, so it may be shown anywhere. File names come from the sender.
 */

import type { Queryable } from '../db/database.ts';
import { parsedValues, type StorableEmail } from '../db/emails.ts';
import { type CamelCase, camelCase } from '../db/rows.ts';
import { statement } from '../db/statement.ts';
import type { ParsedAttachment } from '../mime/parsed-email.ts';

export interface FileSummary {
  readonly partPath: string;
  readonly filename: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** The change of one part of the email. */
export type FileChange =
  | { readonly kind: 'added'; readonly now: FileSummary }
  | { readonly kind: 'removed'; readonly before: FileSummary }
  | {
      readonly kind: 'changed';
      readonly before: FileSummary;
      readonly now: FileSummary;
      /** `file_data` means the bytes. */
      readonly columns: readonly string[];
    };

export interface Difference {
  /** Of incoming_emails. */
  readonly columns: readonly string[];
  readonly files: readonly FileChange[];
}

export interface Comparison {
  readonly difference: Difference;
  readonly storedFiles: readonly StoredFile[];
  readonly isProcessed: boolean;
}

// $1 email id int, $2 parser version int, $3 to $17 as `parsedValues`
// No row: the email is gone, or a newer parser wrote it.
const COMPARE = `
select processed as is_processed,
       array_remove(array[
         case when sender is distinct from $3::text then 'sender' end,
         case when sender_address is distinct from $4::text then 'sender_address' end,
         case when recipients is distinct from $5::jsonb then 'recipients' end,
         case when subject is distinct from $6::text then 'subject' end,
         case when rfc822_message_id is distinct from $7::text then 'rfc822_message_id' end,
         case when sent_at is distinct from $8::timestamptz then 'sent_at' end,
         case when body_text is distinct from $9::text then 'body_text' end,
         case when body_html is distinct from $10::text then 'body_html' end,
         case when attachment_count is distinct from $11::integer then 'attachment_count' end,
         case when defects is distinct from $12::text[] then 'defects' end,
         case when plain_text is distinct from $13::text then 'plain_text' end,
         case when delivered_to is distinct from $14::text[] then 'delivered_to' end,
         case when in_reply_to is distinct from $15::text then 'in_reply_to' end,
         case when list_id is distinct from $16::text then 'list_id' end,
         case when auto_submitted is distinct from $17::text then 'auto_submitted' end
       ], null) as changed_columns
from incoming_emails
where id = $1::integer
  and parser_version <= $2::integer`;

const COMPARED = { is_processed: 'boolean', changed_columns: 'text[]' } as const;
const READ = statement(COMPARE, COMPARED);
// Stronger than the update needs: a new consumer waits before it queues the email.
const LOCK = statement(`${COMPARE}\nfor update`, COMPARED);

// $1 email id int
const FILES = statement(
  `
select id, part_path, parent_part_path as parent_path, filename, content_type, detected_content_type as detected_type,
       content_id, is_inline, file_size_bytes as size_bytes, sha256, bucket_object
from email_attachments
where email_id = $1::integer
order by id`,
  {
    id: 'integer',
    part_path: 'text',
    parent_path: 'text?',
    filename: 'text',
    content_type: 'text',
    detected_type: 'text?',
    content_id: 'text?',
    is_inline: 'boolean',
    size_bytes: 'integer',
    sha256: 'text',
    bucket_object: 'text?',
  },
);

export type StoredFile = CamelCase<NonNullable<(typeof FILES)['row']>>;

/**
 * @param options.locks the row of the email, until the transaction ends, for a caller that changes it
 * @returns null when the email is gone, or a newer parser wrote it
 * @throws {AppError} unstorable, database_unavailable
 */
export async function compareParsed(
  db: Queryable,
  emailId: number,
  email: StorableEmail,
  options: { readonly parserVersion: number; readonly locks: boolean },
): Promise<Comparison | null> {
  const { rows } = await db.query(options.locks ? LOCK : READ, [
    emailId,
    options.parserVersion,
    ...parsedValues(email),
  ]);
  const row = rows[0];
  if (row === undefined) return null;
  const storedFiles = await readFiles(db, emailId);
  return {
    difference: {
      columns: row.changed_columns.toSorted(),
      files: fileChanges(storedFiles, email.attachments),
    },
    storedFiles,
    isProcessed: row.is_processed,
  };
}

export function isSame({ columns, files }: Difference): boolean {
  return columns.length + files.length === 0;
}

/** In the order of their ids. */
export async function readFiles(db: Queryable, emailId: number): Promise<StoredFile[]> {
  const { rows } = await db.query(FILES, [emailId]);
  return rows.map(camelCase);
}

/** A part path is unique in an email, so it identifies the file before and after. */
function fileChanges(stored: readonly StoredFile[], read: readonly ParsedAttachment[]): FileChange[] {
  const storedByPart = new Map(stored.map((one) => [one.partPath, one]));
  const readParts = new Set(read.map((one) => one.partPath));
  const changes: FileChange[] = stored
    .filter((one) => !readParts.has(one.partPath))
    .map((one) => ({ kind: 'removed', before: summaryOf(one) }));
  for (const now of read) {
    const before = storedByPart.get(now.partPath);
    if (before === undefined) changes.push({ kind: 'added', now: summaryOf(now) });
    else {
      const columns = changedColumns(before, now);
      if (columns.length > 0)
        changes.push({ kind: 'changed', before: summaryOf(before), now: summaryOf(now), columns });
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
    parent_part_path: before.parentPath !== now.parentPath,
    file_data: before.sha256 !== now.sha256,
  };
  return Object.keys(isOther).filter((name) => isOther[name]);
}

function summaryOf({ partPath, filename, sizeBytes, sha256 }: FileSummary): FileSummary {
  return { partPath, filename, sizeBytes, sha256 };
}
