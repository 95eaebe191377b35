/**
 * The charsets that the runtime's TextDecoder lacks: DOS code pages, old Macintosh ones, UTF-32. iconv-lite provides them.
 * It is loaded when the first email needs it, because most emails do not.
 */

import type iconvLite from 'iconv-lite';

type Library = Pick<typeof iconvLite, 'decode' | 'encodingExists'>;

let library: Library | null = null;

/** Thrown when a charset may need the library and it is not loaded: `parse-email.ts` loads it and parses again. */
export class CharsetLibraryNeeded extends Error {}

export async function loadCharsetLibrary(): Promise<void> {
  library = (await import('./iconv.ts')).iconv;
}

/** Names of the library that are not email charsets. */
const NO_CHARSETS: ReadonlySet<string> = new Set(['base64', 'binary', 'hex', 'utf7imap', 'cesu8']);

/** Spellings that the library lacks, as `charsetName` returns them. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['macce', 'maccenteuro'],
  ['maccentraleurope', 'maccenteuro'],
  ['cp10006', 'macgreek'],
  ['cp10007', 'maccyrillic'],
  ['cp10029', 'maccenteuro'],
  ['cp10079', 'maciceland'],
  ['cp10081', 'macturkish'],
  ['cp12000', 'utf32le'],
  ['cp12001', 'utf32be'],
]);

/**
 * The text of the bytes in a charset of the library; null when it has none of that name.
 *
 * @param name as `charsetName` returns it
 * @throws {CharsetLibraryNeeded}
 */
export function decodeByLibrary(bytes: Uint8Array, name: string): string | null {
  const found = libraryCharset(name);
  if (found === null || library === null) return null;
  return library.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), found);
}

/**
 * The library's own name for a charset; null when it has none.
 *
 * @throws {CharsetLibraryNeeded}
 */
export function libraryCharset(name: string): string | null {
  if (name === '' || NO_CHARSETS.has(name)) return null;
  if (library === null) throw new CharsetLibraryNeeded();
  // `dos850`, `oem850`, `pc850multilingual`, `850` and the like.
  const codePage =
    /^(?:dos|msdos|oem|pc|pcp|pc8codepage|codepage|ccsid|cp0?|ibm)?(\d{3,4})(?:multilingual)?$/.exec(
      name,
    )?.[1];
  for (const candidate of [ALIASES.get(name), name, codePage === undefined ? undefined : `cp${codePage}`]) {
    if (candidate !== undefined && library.encodingExists(candidate)) return candidate;
  }
  return null;
}
