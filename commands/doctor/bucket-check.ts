/** Whether the bucket of ATTACHMENTS_BUCKET takes, returns and deletes an object, and whether one is needed. */
import { randomUUID } from 'node:crypto';
import { openBucket } from '../../shared/bucket/bucket.ts';
import { hasBytesInBucket } from '../../shared/bucket/bucket-objects.ts';
import type { Config } from '../../shared/config.ts';
import type { Queryable } from '../../shared/db/database.ts';
import { ERRORS } from '../../shared/error-catalogue.ts';
import { type CheckResult, fail, ok } from './check-result.ts';

const TIMEOUT_MS = 10_000;

/**
 * Writes a small object and deletes it. When it is left, `npm run storage -- collect --unknown` deletes it.
 *
 * @param db null when it cannot be read
 * @returns none without ATTACHMENTS_BUCKET, unless stored bytes are in a bucket
 * @throws {AppError} bucket_unavailable, bucket_denied, bucket_credentials_missing
 */
export async function checkBucket(config: Config, db: Queryable | null): Promise<CheckResult[]> {
  const bucket = openBucket(config);
  if (bucket === null) {
    if (db === null || !(await hasBytesInBucket(db))) return [];
    const { title, remediation } = ERRORS.bucket_not_set;
    return [fail('bucket', title, remediation)];
  }
  const name = `probes/${randomUUID()}`;
  const bytes = Buffer.from('doctor');
  await bucket.write(name, bytes, { contentType: 'text/plain', timeoutMs: TIMEOUT_MS });
  const read = await bucket.readSlice(name, 0, TIMEOUT_MS);
  await bucket.touch(name, TIMEOUT_MS);
  const version = await bucket.stat(name, TIMEOUT_MS);
  if (version !== null) await bucket.remove(name, version, TIMEOUT_MS);
  if (read?.equals(bytes) === true)
    return [ok('bucket', `${bucket.name}: a small object was written, read, changed and deleted`)];
  const text = `${bucket.name} did not return the object that was written`;
  return [fail('bucket', text, 'Check who else writes to the bucket.')];
}
