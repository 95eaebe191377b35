/**
 * Streams attachments, raw emails and a zip of all attachments. The bytes are read from the database in slices, so that a slow download holds neither
 * the whole file in memory nor a database connection.
 * Invariant: a stream ends only after the last byte; otherwise it fails.
 */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Queryable } from '../../shared/db/database.ts';
import { type Statement, statement } from '../../shared/db/statement.ts';
import { AppError } from '../../shared/errors.ts';

/** PostgreSQL reads a slice of an uncompressed bytea without reading the rest. */
const SLICE_BYTES = 1_048_576;

export interface StoredFile {
  readonly emailId: number;
  readonly filename: string;
  /** Of an attachment, from its bytes; null when not recognized. */
  readonly detectedType: string | null;
  readonly sizeBytes: number;
  readonly bytes: Readable;
}

// $1 attachment id bigint
const ATTACHMENT = statement(
  `
select email_id, filename, detected_content_type, file_size_bytes
from email_attachments
where id = $1::bigint`,
  { email_id: 'integer', filename: 'text', detected_content_type: 'text?', file_size_bytes: 'integer' },
);

// $1 email id bigint
const ATTACHMENTS = statement(
  `
select f.id, f.filename, f.file_size_bytes, e.received_at
from email_attachments f
join incoming_emails e on e.id = f.email_id
where f.email_id = $1::bigint
order by f.id`,
  { id: 'integer', filename: 'text', file_size_bytes: 'integer', received_at: 'timestamp with time zone' },
);

// $1 email id bigint
const RAW = statement(
  `
select size_bytes, octet_length(data) as stored_bytes
from email_raw
where email_id = $1::bigint`,
  { size_bytes: 'integer', stored_bytes: 'integer' },
);

// $1 attachment id bigint, $2 first byte int, 1-based, $3 byte count int
const ATTACHMENT_SLICE = statement(
  `
select substring(file_data from $2::integer for $3::integer) as slice
from email_attachments
where id = $1::bigint`,
  { slice: 'bytea' },
);

// $1 email id bigint, $2 first byte int, 1-based, $3 byte count int
const RAW_SLICE = statement(
  `
select substring(data from $2::integer for $3::integer) as slice
from email_raw
where email_id = $1::bigint`,
  { slice: 'bytea' },
);

/** @returns null when the attachment does not exist */
export async function openAttachment(db: Queryable, id: number): Promise<StoredFile | null> {
  const { rows } = await db.query(ATTACHMENT, [id]);
  const row = rows[0];
  if (row === undefined) return null;
  const bytes = Readable.from(slices(db, ATTACHMENT_SLICE, id, row.file_size_bytes), { objectMode: false });
  return {
    emailId: row.email_id,
    filename: row.filename,
    detectedType: row.detected_content_type,
    sizeBytes: row.file_size_bytes,
    bytes,
  };
}

/** The exact bytes that Gmail returned. @returns null when the email does not exist */
export async function openRaw(db: Queryable, emailId: number): Promise<StoredFile | null> {
  const { rows } = await db.query(RAW, [emailId]);
  const row = rows[0];
  if (row === undefined) return null;
  const stored = Readable.from(slices(db, RAW_SLICE, emailId, row.stored_bytes), { objectMode: false });
  // An error of the source destroys the result, which reports it to the reader.
  const bytes = pipeline(stored, createGunzip(), () => undefined);
  return { emailId, filename: `email-${emailId}.eml`, detectedType: null, sizeBytes: row.size_bytes, bytes };
}

/**
 * All attachments of an email in one zip. The same rows give the same bytes.
 *
 * @returns null when the email does not exist or has no attachment
 */
export async function openFiles(db: Queryable, emailId: number): Promise<Readable | null> {
  const { rows } = await db.query(ATTACHMENTS, [emailId]);
  if (rows.length === 0) return null;
  const { zipStream } = await import('./zip-stream.ts');
  return zipStream(
    rows.map((row) => ({
      name: row.filename,
      fallbackName: `attachment-${row.id}.bin`,
      modifiedAt: row.received_at,
      slices: () => slices(db, ATTACHMENT_SLICE, row.id, row.file_size_bytes),
    })),
  );
}

async function* slices(
  db: Queryable,
  slice: Statement<{ slice: Buffer }>,
  id: number,
  sizeBytes: number,
): AsyncGenerator<Buffer> {
  let readBytes = 0;
  while (readBytes < sizeBytes) {
    const { rows } = await db.query(slice, [id, readBytes + 1, SLICE_BYTES]);
    const bytes = rows[0]?.slice;
    // Reprocessing may have replaced the row.
    if (bytes === undefined || bytes.length === 0)
      throw new AppError('not_found', 'The file was removed during the download.');
    readBytes += bytes.length;
    yield bytes;
  }
}
