/** Reads every object to which a row refers, and compares it with the hash of the row. Called by `npm run storage -- verify`. */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Queryable } from '../db/database.ts';
import { onlyRow } from '../db/rows.ts';
import { statement } from '../db/statement.ts';
import { AppError } from '../errors.ts';
import type { Bucket } from './bucket.ts';
import { findReferenced } from './bucket-objects.ts';
import { objectSlices, verified } from './read-object.ts';

const BATCH = 200;

export interface VerifiedObject {
  readonly name: string;
  readonly kind: 'file' | 'raw';
  /** The first email that refers to it. */
  readonly emailId: number;
  /** Its attachment; null for raw bytes. */
  readonly attachmentId: number | null;
  readonly problem: 'missing' | 'damaged' | null;
}

// $1 after name text, $2 rows int
const NEXT = {
  file: statement(
    `
select distinct on (bucket_object) bucket_object as name, email_id, id as attachment_id, file_size_bytes as size_bytes, sha256
from email_attachments
where bucket_object > $1::text
order by bucket_object, email_id, id
limit $2::integer`,
    { name: 'text', email_id: 'integer', attachment_id: 'integer?', size_bytes: 'integer', sha256: 'text' },
  ),
  raw: statement(
    `
select distinct on (bucket_object) bucket_object as name, email_id, null::integer as attachment_id, size_bytes, sha256
from email_raw
where bucket_object > $1::text
order by bucket_object, email_id
limit $2::integer`,
    { name: 'text', email_id: 'integer', attachment_id: 'integer?', size_bytes: 'integer', sha256: 'text' },
  ),
} as const;

// One row.
const COUNT = statement(
  `
select (select count(distinct bucket_object) from email_attachments where bucket_object is not null)
         + (select count(distinct bucket_object) from email_raw where bucket_object is not null) as count`,
  { count: 'bigint' },
);

export async function countObjects(db: Queryable): Promise<number> {
  return (await onlyRow(db, COUNT)).count;
}

/**
 * Yields one result per object, in the order of their names. Changes nothing. An object whose last email was erased in the meantime has
 * no problem.
 *
 * @throws {AppError} bucket_unavailable, bucket_denied, bucket_credentials_missing, database_unavailable
 */
export async function* verifyObjects(db: Queryable, bucket: Bucket): AsyncGenerator<VerifiedObject> {
  for (const kind of ['file', 'raw'] as const) {
    for (let after = ''; ; ) {
      const { rows } = await db.query(NEXT[kind], [after, BATCH]);
      for (const { attachment_id, email_id, name, sha256, size_bytes } of rows) {
        const problem = await problemOf(bucket, kind, name, { sizeBytes: size_bytes, sha256 });
        const isGone = problem !== null && !(await findReferenced(db, [name])).has(name);
        yield {
          name,
          kind,
          emailId: email_id,
          attachmentId: attachment_id,
          problem: isGone ? null : problem,
        };
      }
      if (rows.length < BATCH) break;
      after = rows.at(-1)?.name ?? after;
    }
  }
}

async function problemOf(
  bucket: Bucket,
  kind: 'file' | 'raw',
  name: string,
  expected: { readonly sizeBytes: number; readonly sha256: string },
): Promise<VerifiedObject['problem']> {
  if ((await bucket.stat(name)) === null) return 'missing';
  const stored = objectSlices(bucket, name);
  const content =
    kind === 'file'
      ? stored
      : pipeline(Readable.from(stored, { objectMode: false }), createGunzip(), () => undefined);
  try {
    for await (const _ of verified(content, expected, name));
    return null;
  } catch (error) {
    // Other errors than those of the bucket are errors of the decompression.
    if (error instanceof AppError && error.code !== 'bucket_object_missing') throw error;
    return 'damaged';
  }
}
