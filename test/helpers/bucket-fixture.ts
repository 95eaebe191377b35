/** An emulated Cloud Storage with one bucket, closed when the test ends. */
import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { EmulatedStorage } from '../../emulators/storage/emulated-storage.ts';
import { startEmulatedStorage } from '../../emulators/storage/storage-server.ts';
import { Bucket } from '../../shared/bucket/bucket.ts';

export const BUCKET = 'attachments-test';

export interface BucketFixture {
  readonly storage: EmulatedStorage;
  readonly bucket: Bucket;
  /** For a system that uses the bucket. Bytes from 1 KiB on go there. */
  readonly env: Readonly<Record<string, string>>;
  /** Of all objects, in alphabetical order. */
  names(): string[];
}

/** @param callTimeoutMs of `bucket` */
export async function createBucketFixture(callTimeoutMs = 30_000): Promise<BucketFixture> {
  const storage = new EmulatedStorage();
  storage.createBucket(BUCKET);
  const server = await startEmulatedStorage(storage);
  onTestFinished(async () => await server.close());
  return {
    storage,
    bucket: new Bucket(BUCKET, { emulatorUrl: `http://${server.host}/`, iamRootUrl: null, callTimeoutMs }),
    env: { ATTACHMENTS_BUCKET: BUCKET, ATTACHMENTS_MIN_BYTES: '1024', STORAGE_EMULATOR_HOST: server.host },
    names: () => storage.names(BUCKET),
  };
}

export function sha256Of(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
