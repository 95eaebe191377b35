/** Maps the spellings of charset names in emails to decoders. */

import { libraryCharset } from './charset-library.ts';
import { shiftedDecoder } from './charset-shifted.ts';

/** Names used in emails that the WHATWG list lacks, by their spelling without separators. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['ansi', 'windows-1252'],
  ['big5eten', 'big5'],
  ['cp932', 'shift_jis'],
  ['cp936', 'gb18030'],
  ['cp949', 'euc-kr'],
  ['cp950', 'big5'],
  ['cp1200', 'utf-16le'],
  ['cp1201', 'utf-16be'],
  ['cp10000', 'macintosh'],
  ['cp20866', 'koi8-r'],
  ['cp20932', 'euc-jp'],
  ['cp21866', 'koi8-u'],
  ['cp28591', 'iso-8859-1'],
  ['cp28592', 'iso-8859-2'],
  ['cp28593', 'iso-8859-3'],
  ['cp28594', 'iso-8859-4'],
  ['cp28595', 'iso-8859-5'],
  ['cp28596', 'iso-8859-6'],
  ['cp28597', 'iso-8859-7'],
  ['cp28598', 'iso-8859-8'],
  ['cp28599', 'iso-8859-9'],
  ['cp28605', 'iso-8859-15'],
  ['macroman', 'macintosh'],
  ['cp51932', 'euc-jp'],
  ['cp51949', 'euc-kr'],
  ['cp54936', 'gb18030'],
  ['cp50220', 'iso-2022-jp'],
  ['cp50221', 'iso-2022-jp'],
  ['cp50222', 'iso-2022-jp'],
  ['cp65001', 'utf-8'],
  ['eucgb2312cn', 'gb18030'],
  ['eucjpms', 'euc-jp'],
  ['iso88598e', 'iso-8859-8'],
  ['iso88598i', 'iso-8859-8-i'],
  ['iso2022jp1', 'iso-2022-jp'],
  ['iso2022jp2', 'iso-2022-jp'],
  ['iso2022jpms', 'iso-2022-jp'],
  ['ksc56011987', 'euc-kr'],
  ['ksx1001', 'euc-kr'],
  ['mskanji', 'shift_jis'],
  ['tis620', 'windows-874'],
  ['uhc', 'euc-kr'],
  ['utf8mb4', 'utf-8'],
]);

/** Names that declare only ASCII: bytes above 127 then belong to another charset. */
const ASCII_NAMES: ReadonlySet<string> = new Set([
  '',
  'ascii',
  'usascii',
  'ansix3.41968',
  'cp20127',
  'iso646us',
  '7bit',
  '8bit',
  'binary',
]);

/** True when the name declares only ASCII, or is empty. */
export function isAsciiName(name: string): boolean {
  return ASCII_NAMES.has(name);
}

/**
 * True when `label` names a charset beyond ASCII that can be decoded.
 *
 * @throws {CharsetLibraryNeeded}
 */
export function isKnownCharset(label: string | null): boolean {
  const name = charsetName(label);
  if (isAsciiName(name)) return false;
  if (shiftedDecoder(name) !== undefined || decoderFor(label ?? '', name) !== null) return true;
  return libraryCharset(name) !== null;
}

/** The label's spelling without case, separators and vendor prefixes; empty for none. */
export function charsetName(label: string | null): string {
  return (label ?? '')
    .slice(0, 64)
    .toLowerCase()
    .replace(/["'\s_-]/g, '')
    .replace(/^(?:xms|x|cs)(?=[a-z])/, '')
    .replace(/^(?:windows|ms|ibm)(?=\d)/, 'cp');
}

type Decoder = InstanceType<typeof TextDecoder>;

/** The runtime's decoder for a label and its name; null when there is none. */
export function decoderFor(label: string, name: string): Decoder | null {
  for (const candidate of [
    ALIASES.get(name),
    label.trim(),
    name,
    name.replace(/^cp(?=125\d)/, 'windows-'),
    name.replace(/^iso8859/, 'iso-8859-'),
  ]) {
    if (candidate === undefined || candidate === '' || candidate === 'replacement') continue;
    try {
      return new TextDecoder(candidate);
    } catch {
      // The runtime does not know this name: try the next spelling.
    }
  }
  return null;
}
