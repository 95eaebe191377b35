/** Commands that read all objects for hours, while emails are erased and their objects are collected. */
import { beforeEach, expect, it } from 'vitest';
import type { Bucket } from '../../shared/bucket/bucket.ts';
import { collectObjects } from '../../shared/bucket/collect-objects.ts';
import { LargeBytes } from '../../shared/bucket/large-bytes.ts';
import { moveBytes } from '../../shared/bucket/move-bytes.ts';
import { verifyObjects } from '../../shared/bucket/verify-objects.ts';
import { type BucketFixture, createBucketFixture } from '../helpers/bucket-fixture.ts';
import { incompressible, orderWithFile } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
let bucket: BucketFixture;
let system: TestSystem;

/** An email whose file and raw bytes are in the bucket. It is erased before the first call that reads it. */
beforeEach(async () => {
  bucket = await createBucketFixture();
  system = await createTestSystem({ env: bucket.env });
  system.gmail.deliver(orderWithFile(1, incompressible('file', 4_000)));
  await system.ingest();
  expect(bucket.names()).toHaveLength(2);
});

async function all<T>(results: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of results) found.push(one);
  return found;
}

async function erase(collector: Bucket): Promise<void> {
  bucket.storage.beforeCall = () => undefined;
  await system.rows('delete from incoming_emails');
  await collectObjects(system.db, collector, { minAgeSeconds: 3_600 });
  expect(bucket.names()).toEqual([]);
}

it('verify does not report the objects of emails that were erased in the meantime', async () => {
  bucket.storage.beforeCall = async () => await erase(bucket.bucket);
  expect(await all(verifyObjects(system.db, bucket.bucket))).toEqual([
    expect.objectContaining({ kind: 'file', problem: null }),
  ]);
});

it('a move to the database does not report a row that was erased in the meantime', async () => {
  bucket.storage.beforeCall = async () => await erase(bucket.bucket);
  const moved = moveBytes(system.db, new LargeBytes(bucket.bucket, 1_024), {
    to: 'database',
    minBytes: 1_024,
  });
  expect(await all(moved)).toEqual([expect.objectContaining({ kind: 'file', result: 'changed' })]);
});
