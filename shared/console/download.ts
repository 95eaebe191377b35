/**
 * Files and exact mails as streams, read in slices: what a browser takes slowly waits in the database, not in the memory
 * of the instance, and no connection is held meanwhile.
 * What must stay true: a stream ends only behind the last byte; whatever is missing breaks it off.
 */
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Queryable } from '../db/database.ts';
import { AppError } from '../errors.ts';

/** bytea that is kept uncompressed is read in slices without touching the rest. */
const SLICE_BYTES = 1_048_576;

export interface StoredFile {
  readonly filename: string;
  readonly sizeBytes: number;
  readonly bytes: Readable;
}

/** Null when there is none of this id. */
export async function openAttachment(db: Queryable, id: number): Promise<StoredFile | null> {
  const { rows } = await db.query<{ filename: string; file_size_bytes: number }>(
    'select filename, file_size_bytes from email_attachments where id = $1::integer',
    [id],
  );
  const row = rows[0];
  if (row === undefined) return null;
  const bytes = Readable.from(slices(db, ATTACHMENT_SLICE, id, row.file_size_bytes), { objectMode: false });
  return { filename: row.filename, sizeBytes: row.file_size_bytes, bytes };
}

/** The bytes that Gmail gave. Null when there is no email of this id. */
export async function openRaw(db: Queryable, emailId: number): Promise<StoredFile | null> {
  const { rows } = await db.query<{ size_bytes: number; kept_bytes: number }>(
    'select size_bytes, octet_length(data) as kept_bytes from email_raw where email_id = $1::integer',
    [emailId],
  );
  const row = rows[0];
  if (row === undefined) return null;
  const kept = Readable.from(slices(db, RAW_SLICE, emailId, row.kept_bytes), { objectMode: false });
  const bytes = kept.pipe(createGunzip());
  // A pipe hands on neither the fault of its beginning nor that nobody reads its end any more.
  kept.on('error', (fault) => bytes.destroy(fault));
  bytes.on('close', () => kept.destroy());
  return { filename: `email-${emailId}.eml`, sizeBytes: row.size_bytes, bytes };
}

// $1 id int, $2 first byte int, counted from 1, $3 bytes int
const ATTACHMENT_SLICE = `
select substring(file_data from $2::integer for $3::integer) as slice
from email_attachments
where id = $1::integer`;

const RAW_SLICE = `
select substring(data from $2::integer for $3::integer) as slice
from email_raw
where email_id = $1::integer`;

async function* slices(db: Queryable, sql: string, id: number, sizeBytes: number): AsyncGenerator<Buffer> {
  let readBytes = 0;
  while (readBytes < sizeBytes) {
    const { rows } = await db.query<{ slice: Buffer }>(sql, [id, readBytes + 1, SLICE_BYTES]);
    const slice = rows[0]?.slice;
    // A reprocess may have replaced it.
    if (slice === undefined || slice.length === 0)
      throw new AppError('not_found', 'What was being downloaded is no longer there.');
    readBytes += slice.length;
    yield slice;
  }
}
