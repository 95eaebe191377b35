/**
 * Streams attachments, raw emails and a zip of all attachments. The bytes are read in slices, from the database or the bucket, so that
 * a slow download holds neither the whole file in memory nor a connection.
 * Invariant: a stream ends only after the last byte; otherwise it fails. Bytes of the bucket also have their SHA-256.
 */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Bucket, openBucket } from '../../shared/bucket/bucket.ts';
import { objectSlices, requireBucket, verified } from '../../shared/bucket/read-object.ts';
import type { AppContext } from '../../shared/control/app-context.ts';
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
select email_id, filename, detected_content_type, file_size_bytes, bucket_object, sha256
from email_attachments
where id = $1::bigint`,
  {
    email_id: 'integer',
    filename: 'text',
    detected_content_type: 'text?',
    file_size_bytes: 'integer',
    bucket_object: 'text?',
    sha256: 'text',
  },
);

// $1 email id bigint
const ATTACHMENTS = statement(
  `
select f.id, f.filename, f.file_size_bytes, f.bucket_object, f.sha256, e.received_at
from email_attachments f
join incoming_emails e on e.id = f.email_id
where f.email_id = $1::bigint
order by f.id`,
  {
    id: 'integer',
    filename: 'text',
    file_size_bytes: 'integer',
    bucket_object: 'text?',
    sha256: 'text',
    received_at: 'timestamp with time zone',
  },
);

// $1 email id bigint
const RAW = statement(
  `
select size_bytes, octet_length(data) as stored_bytes, bucket_object, sha256
from email_raw
where email_id = $1::bigint`,
  { size_bytes: 'integer', stored_bytes: 'integer?', bucket_object: 'text?', sha256: 'text' },
);

// $1 attachment id bigint, $2 first byte int, 1-based, $3 byte count int
const ATTACHMENT_SLICE = statement(
  `
select substring(file_data from $2::integer for $3::integer) as slice
from email_attachments
where id = $1::bigint`,
  { slice: 'bytea?' },
);

// $1 email id bigint, $2 first byte int, 1-based, $3 byte count int
const RAW_SLICE = statement(
  `
select substring(data from $2::integer for $3::integer) as slice
from email_raw
where email_id = $1::bigint`,
  { slice: 'bytea?' },
);

type Storage = Pick<AppContext, 'config' | 'db'>;

/**
 * @returns null when the attachment does not exist
 * @throws {AppError} bucket_object_missing, bucket_unavailable, bucket_denied, bucket_not_set
 */
export async function openAttachment(on: Storage, id: number): Promise<StoredFile | null> {
  const { rows } = await on.db.query(ATTACHMENT, [id]);
  const row = rows[0];
  if (row === undefined) return null;
  return {
    emailId: row.email_id,
    filename: row.filename,
    detectedType: row.detected_content_type,
    sizeBytes: row.file_size_bytes,
    bytes: Readable.from(await startEarly(attachmentSlices(on, { ...row, id })), { objectMode: false }),
  };
}

/**
 * The exact bytes that Gmail returned.
 *
 * @returns null when the email does not exist
 * @throws {AppError} as `openAttachment`
 */
export async function openRaw({ config, db }: Storage, emailId: number): Promise<StoredFile | null> {
  const { rows } = await db.query(RAW, [emailId]);
  const row = rows[0];
  if (row === undefined) return null;
  const file = { emailId, filename: `email-${emailId}.eml`, detectedType: null, sizeBytes: row.size_bytes };
  if (row.bucket_object === null) {
    const slices = databaseSlices(db, RAW_SLICE, emailId, row.stored_bytes ?? 0);
    return { ...file, bytes: gunzip(slices) };
  }
  const stored = await startEarly(objectSlices(requireBucket(openBucket(config)), row.bucket_object));
  const expected = { sizeBytes: row.size_bytes, sha256: row.sha256 };
  const bytes = verified(gunzip(stored), expected, `The object ${row.bucket_object}`);
  return { ...file, bytes: Readable.from(bytes, { objectMode: false }) };
}

function gunzip(slices: AsyncIterable<Buffer>): Readable {
  // An error of the source destroys the result, which reports it to the reader.
  return pipeline(Readable.from(slices, { objectMode: false }), createGunzip(), () => undefined);
}

/**
 * All attachments of an email in one zip. The same rows give the same bytes.
 *
 * @returns null when the email does not exist or has no attachment
 * @throws {AppError} as `openAttachment`
 */
export async function openFiles(on: Storage, emailId: number): Promise<Readable | null> {
  const { rows } = await on.db.query(ATTACHMENTS, [emailId]);
  if (rows.length === 0) return null;
  // Found before the answer begins, because a missing file could only break the zip.
  for (const { bucket_object: name } of rows)
    if (name !== null) await assertExists(requireBucket(openBucket(on.config)), name);
  const { zipStream } = await import('./zip-stream.ts');
  return zipStream(
    rows.map((row) => ({
      name: row.filename,
      fallbackName: `attachment-${row.id}.bin`,
      modifiedAt: row.received_at,
      slices: () => attachmentSlices(on, row),
    })),
  );
}

async function assertExists(bucket: Bucket, name: string): Promise<void> {
  if ((await bucket.stat(name)) === null)
    throw new AppError('bucket_object_missing', `The bucket ${bucket.name} has no object ${name}.`);
}

interface AttachmentBytes {
  readonly id: number;
  readonly file_size_bytes: number;
  readonly bucket_object: string | null;
  readonly sha256: string;
}

function attachmentSlices({ config, db }: Storage, row: AttachmentBytes): AsyncGenerator<Buffer> {
  const { bucket_object: name, file_size_bytes: sizeBytes, id, sha256 } = row;
  if (name === null) return databaseSlices(db, ATTACHMENT_SLICE, id, sizeBytes);
  const slices = objectSlices(requireBucket(openBucket(config)), name);
  return verified(slices, { sizeBytes, sha256 }, `The object ${name}`);
}

/** Reads the first slice, so that an error of it becomes an answer instead of a broken download. */
async function startEarly(slices: AsyncGenerator<Buffer>): Promise<AsyncGenerator<Buffer>> {
  const first = await slices.next();
  return (async function* () {
    if (first.done) return;
    yield first.value;
    yield* slices;
  })();
}

async function* databaseSlices(
  db: Queryable,
  slice: Statement<{ slice: Buffer | null }>,
  id: number,
  sizeBytes: number,
): AsyncGenerator<Buffer> {
  let readBytes = 0;
  while (readBytes < sizeBytes) {
    const { rows } = await db.query(slice, [id, readBytes + 1, SLICE_BYTES]);
    const bytes = rows[0]?.slice;
    // Reprocessing may have replaced the row, or its bytes were moved to the bucket.
    if (bytes == null || bytes.length === 0)
      throw new AppError('not_found', 'The file was removed during the download.');
    readBytes += bytes.length;
    yield bytes;
  }
}
