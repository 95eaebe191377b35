/**
 * Moves bytes between the database and the bucket, one row per commit. Called by `npm run storage -- move`. It may stop at any time and
 * be called again, and run while emails are stored, erased and parsed again: a row that changed in the meantime stays as it is.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { Database } from '../db/database.ts';
import { onlyRow } from '../db/rows.ts';
import { statement } from '../db/statement.ts';
import { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { fileObject, rawObject } from '../object-names.ts';
import { releaseReservations } from './bucket-objects.ts';
import type { LargeBytes } from './large-bytes.ts';
import { readObject } from './read-object.ts';

const decompress = promisify(gunzip);

/** Ids read ahead. Only one file is in memory at a time. */
const BATCH = 500;
/** For the upload of one object. The collection leaves it for at least an hour. */
const UPLOAD_MS = 10 * 60_000;

/** `file`: a row of email_attachments; `raw`: a row of email_raw. */
export type Kind = 'file' | 'raw';
export type Target = 'bucket' | 'database';

interface Row {
  readonly kind: Kind;
  /** Of the attachment, or of the email. */
  readonly id: number;
  readonly emailId: number;
}

export interface MovedRow extends Row {
  /** `changed`: the row was erased, parsed again or moved in the meantime. */
  readonly result: 'moved' | 'changed' | 'damaged' | 'missing';
  readonly object: string | null;
  readonly sizeBytes: number;
}

// $1 after id int, $2 minimum size int, $3 rows int
const NEXT = {
  bucket: {
    file: statement(
      `
select id, email_id
from email_attachments
where id > $1::integer
  and file_data is not null
  and file_size_bytes >= $2::integer
order by id
limit $3::integer`,
      { id: 'integer', email_id: 'integer' },
    ),
    raw: statement(
      `
select email_id as id, email_id
from email_raw
where email_id > $1::integer
  and octet_length(data) >= $2::integer
order by email_id
limit $3::integer`,
      { id: 'integer', email_id: 'integer' },
    ),
  },
  // The size does not count: all bytes move.
  database: {
    file: statement(
      `
select id, email_id
from email_attachments
where id > $1::integer
  and bucket_object is not null
  and $2::integer >= 0
order by id
limit $3::integer`,
      { id: 'integer', email_id: 'integer' },
    ),
    raw: statement(
      `
select email_id as id, email_id
from email_raw
where email_id > $1::integer
  and bucket_object is not null
  and $2::integer >= 0
order by email_id
limit $3::integer`,
      { id: 'integer', email_id: 'integer' },
    ),
  },
} as const;

// $1 minimum size int
// One row.
const COUNT = {
  bucket: statement(
    `
select (select count(*) from email_attachments where file_data is not null and file_size_bytes >= $1::integer)
         + (select count(*) from email_raw where octet_length(data) >= $1::integer) as count`,
    { count: 'bigint' },
  ),
  database: statement(
    `
select (select count(*) from email_attachments where bucket_object is not null)
         + (select count(*) from email_raw where bucket_object is not null and $1::integer >= 0) as count`,
    { count: 'bigint' },
  ),
} as const;

// $1 id int
const READ = {
  file: statement(
    `
select file_data as data, bucket_object, file_size_bytes as size_bytes, sha256
from email_attachments
where id = $1::integer`,
    { data: 'bytea?', bucket_object: 'text?', size_bytes: 'integer', sha256: 'text' },
  ),
  raw: statement(
    `
select data, bucket_object, size_bytes, sha256
from email_raw
where email_id = $1::integer`,
    { data: 'bytea?', bucket_object: 'text?', size_bytes: 'integer', sha256: 'text' },
  ),
} as const;

// $1 id int, $2 object text, $3 sha256 text, $4 size of the stored bytes int
const TO_BUCKET = {
  file: statement(
    `
update email_attachments
set file_data = null,
    bucket_object = $2::text
where id = $1::integer
  and file_data is not null
  and sha256 = $3::text
  and octet_length(file_data) = $4::integer`,
    {},
  ),
  raw: statement(
    `
update email_raw
set data = null,
    bucket_object = $2::text,
    bucket_bytes = $4::integer
where email_id = $1::integer
  and data is not null
  and sha256 = $3::text`,
    {},
  ),
} as const;

// $1 id int, $2 object text, $3 bytes bytea
const TO_DATABASE = {
  file: statement(
    `
update email_attachments
set file_data = $3::bytea,
    bucket_object = null
where id = $1::integer
  and bucket_object = $2::text`,
    {},
  ),
  raw: statement(
    `
update email_raw
set data = $3::bytea,
    bucket_object = null,
    bucket_bytes = null
where email_id = $1::integer
  and bucket_object = $2::text`,
    {},
  ),
} as const;

/** @returns how many rows are still to be moved */
export async function countToMove(db: Database, to: Target, minBytes: number): Promise<number> {
  return (await onlyRow(db, COUNT[to], [minBytes])).count;
}

/**
 * Yields one result per row. The caller may stop iterating at any time.
 *
 * @throws {AppError} bucket_unavailable, bucket_denied, bucket_credentials_missing, database_unavailable
 */
export async function* moveBytes(
  db: Database,
  largeBytes: LargeBytes,
  { minBytes, to }: { readonly to: Target; readonly minBytes: number },
): AsyncGenerator<MovedRow> {
  for (const kind of ['file', 'raw'] as const) {
    for (let afterId = 0; ; ) {
      const { rows } = await db.query(NEXT[to][kind], [afterId, minBytes, BATCH]);
      for (const { id, email_id: emailId } of rows)
        yield await (to === 'bucket' ? moveToBucket : moveToDatabase)(db, largeBytes, { kind, id, emailId });
      if (rows.length < BATCH) break;
      afterId = rows.at(-1)?.id ?? afterId;
    }
  }
}

async function moveToBucket(db: Database, largeBytes: LargeBytes, of: Row): Promise<MovedRow> {
  const { id, kind } = of;
  const row = (await db.query(READ[kind], [id])).rows[0];
  if (row == null || row.data === null) return { ...of, result: 'changed', object: null, sizeBytes: 0 };
  const { data, sha256 } = row;
  const object = kind === 'file' ? fileObject(sha256) : rawObject(sha256);
  const moved = { ...of, object, sizeBytes: data.length };
  // The object has the name of the hash, so damaged bytes would become those of other rows.
  if (!(await hasContent(kind, data, row))) return { ...moved, result: 'damaged' };
  const contentType = kind === 'file' ? 'application/octet-stream' : 'application/gzip';
  const kept = await largeBytes.keep(
    db,
    [{ name: object, bytes: data, contentType }],
    Deadline.after(UPLOAD_MS),
  );
  const isMoved = await db.transaction(async (tx) => {
    const { rowCount } = await tx.query(TO_BUCKET[kind], [id, object, sha256, data.length]);
    if (rowCount === 1) await releaseReservations(tx, kept.reservationIds);
    return rowCount === 1;
  });
  return { ...moved, result: isMoved ? 'moved' : 'changed' };
}

async function moveToDatabase(db: Database, { bucket }: LargeBytes, of: Row): Promise<MovedRow> {
  const { id, kind } = of;
  const row = (await db.query(READ[kind], [id])).rows[0];
  if (row == null || row.bucket_object === null)
    return { ...of, result: 'changed', object: null, sizeBytes: 0 };
  const { bucket_object: object } = row;
  let data: Buffer;
  try {
    data = await readObject(bucket, object, null);
  } catch (error) {
    if (!(error instanceof AppError && error.code === 'bucket_object_missing')) throw error;
    // The row may have been erased or moved since it was read, and its object deleted.
    const isMissing = (await db.query(READ[kind], [id])).rows[0]?.bucket_object === object;
    return { ...of, result: isMissing ? 'missing' : 'changed', object, sizeBytes: 0 };
  }
  const moved = { ...of, object, sizeBytes: data.length };
  if (!(await hasContent(kind, data, row))) return { ...moved, result: 'damaged' };
  const { rowCount } = await db.commit(TO_DATABASE[kind], [id, object, data]);
  return { ...moved, result: rowCount === 1 ? 'moved' : 'changed' };
}

/** Compares size and hash with those of the row. They are those of the uncompressed bytes. */
async function hasContent(
  kind: Kind,
  data: Buffer,
  { sha256, size_bytes: sizeBytes }: { readonly sha256: string; readonly size_bytes: number },
): Promise<boolean> {
  const content =
    kind === 'file'
      ? data
      : await decompress(data, { maxOutputLength: Math.max(1, sizeBytes) }).catch(() => null);
  if (content === null || content.length !== sizeBytes) return false;
  return createHash('sha256').update(content).digest('hex') === sha256;
}
