/**
 * Writes files into one zip while they are read, so that only one slice of one file is in memory.
 * Invariant: an error of a file destroys the stream before the directory of the zip, so that no reader takes a part for the whole.
 */
import { Readable } from 'node:stream';
import { Zip, ZipPassThrough } from 'fflate';
import { safeName } from './content-disposition.ts';

export interface ZipEntry {
  /** As the sender wrote it. */
  readonly name: string;
  /** Used when no safe character is left of the name. */
  readonly fallbackName: string;
  readonly modifiedAt: Date;
  /** Called when the file is written. */
  readonly slices: () => AsyncIterable<Uint8Array>;
}

/** The years that a zip can express. */
const FIRST_YEAR = 1980;
const LAST_YEAR = 2099;

/** The files are not compressed, because most attachments are compressed already. */
export function zipStream(entries: readonly ZipEntry[]): Readable {
  return Readable.from(zipped(entries), { objectMode: false });
}

async function* zipped(entries: readonly ZipEntry[]): AsyncGenerator<Uint8Array> {
  const written: Uint8Array[] = [];
  let failure: Error | null = null;
  const zip = new Zip((error, bytes) => {
    if (error === null) written.push(bytes);
    else failure ??= error;
  });
  function* take(): Generator<Uint8Array> {
    if (failure !== null) throw failure;
    for (const bytes of written.splice(0)) if (bytes.length > 0) yield bytes;
  }
  const names = uniqueNames(entries);
  for (const [index, entry] of entries.entries()) {
    const file = new ZipPassThrough(names[index] ?? entry.fallbackName);
    file.mtime = zipTime(entry.modifiedAt);
    zip.add(file);
    for await (const slice of entry.slices()) {
      file.push(slice);
      yield* take();
    }
    file.push(new Uint8Array(0), true);
    yield* take();
  }
  zip.end();
  yield* take();
}

/**
 * Names that no file system takes for the same or for a path, as in `a.pdf`, `a (2).pdf`. The second of two equal names gets
 * a number that no other name has.
 */
export function uniqueNames(entries: readonly Pick<ZipEntry, 'name' | 'fallbackName'>[]): string[] {
  const taken = new Set<string>();
  const take = (name: string): boolean => {
    // macOS and Windows ignore case; macOS also the normalization.
    const key = name.normalize('NFC').toLowerCase();
    if (taken.has(key)) return false;
    taken.add(key);
    return true;
  };
  /** The last number per name, so that a thousand equal names do not take a million steps. */
  const numbers = new Map<string, number>();
  return entries.map(({ fallbackName, name }) => {
    const safe = withoutDeviceName(safeName(name)) || fallbackName;
    if (take(safe)) return safe;
    const [, stem = safe, extension = ''] = /^(.+?)(\.[^.]{1,19})?$/su.exec(safe) ?? [];
    for (let number = (numbers.get(safe) ?? 1) + 1; ; number += 1) {
      const numbered = `${stem} (${number})${extension}`;
      if (!take(numbered)) continue;
      numbers.set(safe, number);
      return numbered;
    }
  });
}

/** https://learn.microsoft.com/windows/win32/fileio/naming-a-file */
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³]) *(\.|$)/i;

/** Windows opens a device instead of a file with one of these names. */
function withoutDeviceName(name: string): string {
  return DEVICE.test(name) ? `_${name}` : name;
}

/** A zip has local times without a zone. This one has the time in UTC, wherever the server runs. */
function zipTime(at: Date): Date {
  const year = Math.min(LAST_YEAR, Math.max(FIRST_YEAR, at.getUTCFullYear()));
  return new Date(
    year,
    at.getUTCMonth(),
    at.getUTCDate(),
    at.getUTCHours(),
    at.getUTCMinutes(),
    at.getUTCSeconds(),
  );
}
