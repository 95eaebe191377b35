/** Makes a ZIP archive reproducible: the XLSX writer always stamps entries with the current time. */

const END_SIGNATURE = 0x06054b50;
/** The end record without an archive comment, which the XLSX writer never adds. It is at the end of the archive. */
const END_BYTES = 22;

/**
 * A copy of the archive with every entry dated `at` (UTC, with the two-second resolution of the format).
 * Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3.7 and 4.3.12
 *
 * @throws {TypeError} if the bytes are not an archive or the archive has a comment
 */
export function withZipTimes(zip: Buffer, at: Date): Buffer {
  const end = zip.length - END_BYTES;
  if (end < 0 || zip.readUInt32LE(end) !== END_SIGNATURE)
    throw new TypeError('not a ZIP archive without a comment');
  const time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
  const date = ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  const stamped = Buffer.from(zip);
  const stamp = (offset: number): void => {
    stamped.writeUInt16LE(time, offset);
    stamped.writeUInt16LE(date, offset + 2);
  };

  let entry = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left -= 1) {
    stamp(entry + 12);
    // Each entry points to its local header, which contains the time too.
    stamp(zip.readUInt32LE(entry + 42) + 10);
    const [name, extra, comment] = [28, 30, 32].map((field) => zip.readUInt16LE(entry + field));
    entry += 46 + Number(name) + Number(extra) + Number(comment);
  }
  return stamped;
}
