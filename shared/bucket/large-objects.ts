/** Which bytes of an email go to the bucket. */
import type { RawEmail } from '../db/emails.ts';
import { fileObject, rawObject } from '../object-names.ts';
import type { LargeBytes, LargeObject } from './large-bytes.ts';

interface FileBytes {
  readonly content: Uint8Array;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** @param raw null: only the files */
export function largeObjectsOf(
  largeBytes: LargeBytes,
  files: readonly FileBytes[],
  raw: RawEmail | null,
): LargeObject[] {
  const objects = files
    .filter(({ sizeBytes }) => largeBytes.isLarge(sizeBytes))
    // Not the type that the sender declares, because the bucket would send it to a browser.
    .map(({ content, sha256 }) => ({
      name: fileObject(sha256),
      bytes: content,
      contentType: 'application/octet-stream',
    }));
  if (raw !== null && largeBytes.isLarge(raw.data.length))
    objects.push({ name: rawObject(raw.sha256), bytes: raw.data, contentType: 'application/gzip' });
  return objects;
}
