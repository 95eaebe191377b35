/**
 * Reads objects of the bucket in slices, so that a slow reader holds neither the whole object in memory nor a connection.
 * Invariant: a reader gets the last slice only if all bytes have the hash and the size that the database has for them.
 */
import { createHash } from 'node:crypto';
import { AppError } from '../errors.ts';
import { type Bucket, SLICE_BYTES } from './bucket.ts';

export interface ExpectedBytes {
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
}

/**
 * The bytes as they are stored.
 *
 * @throws {AppError} bucket_object_missing, bucket_unavailable, bucket_denied, bucket_credentials_missing
 */
export async function* objectSlices(bucket: Bucket, name: string): AsyncGenerator<Buffer> {
  for (let start = 0; ; ) {
    const slice = await bucket.readSlice(name, start);
    if (slice === null) throw missing(bucket, name);
    if (slice.length > 0) yield slice;
    start += slice.length;
    if (slice.length < SLICE_BYTES) return;
  }
}

/** @throws {AppError} bucket_object_missing when the bytes are not the expected ones; the errors of `slices` */
export async function* verified(
  slices: AsyncIterable<Buffer>,
  { sha256, sizeBytes }: ExpectedBytes,
  what: string,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let readBytes = 0;
  let held: Buffer | null = null;
  for await (const slice of slices) {
    if (held !== null) yield held;
    held = slice;
    hash.update(slice);
    readBytes += slice.length;
  }
  if (readBytes !== sizeBytes)
    throw new AppError('bucket_object_missing', `${what} has ${readBytes} bytes instead of ${sizeBytes}.`);
  if (hash.digest('hex') !== sha256)
    throw new AppError('bucket_object_missing', `${what} does not have its SHA-256.`);
  if (held !== null) yield held;
}

/** @throws {AppError} bucket_object_missing, also when the bytes are not the expected ones; bucket_unavailable, bucket_denied, bucket_credentials_missing */
export async function readObject(
  bucket: Bucket,
  name: string,
  expected: ExpectedBytes | null,
): Promise<Buffer> {
  const slices = objectSlices(bucket, name);
  const chunks: Buffer[] = [];
  for await (const chunk of expected === null ? slices : verified(slices, expected, `The object ${name}`))
    chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * The bucket of a row that refers to an object.
 *
 * @throws {AppError} bucket_not_set
 */
export function requireBucket(bucket: Bucket | null): Bucket {
  if (bucket !== null) return bucket;
  throw new AppError('bucket_not_set', 'The row refers to an object, but ATTACHMENTS_BUCKET is not set.');
}

function missing(bucket: Bucket, name: string): AppError {
  return new AppError('bucket_object_missing', `The bucket ${bucket.name} has no object ${name}.`);
}
