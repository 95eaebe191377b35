/** Names of the objects in the bucket, by content. The statement that stores an email makes the same names from the hashes. */

/** @param sha256 of the bytes, hex */
export function fileObject(sha256: string): string {
  return `files/${sha256}`;
}

/** @param sha256 of the exact, uncompressed bytes, hex */
export function rawObject(sha256: string): string {
  return `raw/${sha256}.gz`;
}
