/**
 * Bytes to text. The charset that a mail declares is often missing, misspelt or wrong, so this is where a
 * declared name is weighed against the bytes. Text is decoded here once; until then a mail stays bytes.
 */

import { isAscii, isUtf8 } from 'node:buffer';
import { decodeHz, decodeIso2022Jp, decodeIso2022Kr, decodeUtf7 } from './charset-shifted.ts';
import type { Defects } from './parsed-email.ts';

/** Names met in mail that the WHATWG list lacks, by their spelling without separators. */
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

/** Multi-byte sets that switch by escapes and that TextDecoder refuses. */
const SHIFTED: ReadonlyMap<string, (bytes: Uint8Array) => string> = new Map([
  ['utf7', decodeUtf7],
  ['unicode11utf7', decodeUtf7],
  ['hz', decodeHz],
  ['hzgb2312', decodeHz],
  ['iso2022kr', decodeIso2022Kr],
]);

/** Names that claim nothing beyond ASCII: bytes above 127 under them are of another charset. */
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

/**
 * The text of these bytes. An unknown or missing charset is told from the bytes: ISO-2022-JP by its
 * escapes, then UTF-8 where it is valid or nearly so, then windows-1252, which has a character for every byte.
 *
 * @param declared the charset as the mail names it, null when it names none
 */
export function decodeText(bytes: Uint8Array, declared: string | null, defects: Defects): string {
  const byMark = decodeByMark(bytes);
  if (byMark !== null) return byMark;

  const name = normalize(declared ?? '');
  if (ASCII_NAMES.has(name)) return decodeUndeclared(bytes, defects);
  const shifted = SHIFTED.get(name);
  if (shifted !== undefined) return shifted(bytes);
  const decoder = decoderFor(declared ?? '', name);
  if (decoder === null) {
    defects.add('charset_unknown');
    return decodeUndeclared(bytes, defects);
  }
  if (decoder.encoding === 'utf-8') return decodeUtf8(bytes, defects);
  if (decoder.encoding.startsWith('utf-16') && isAscii(bytes) && !bytes.includes(0)) {
    // Declared UTF-16 by a sender that writes plain text: as UTF-16 it would come out as Chinese.
    defects.add('charset_guessed');
    return decodeLatin1(bytes);
  }
  const text = decoder.encoding === 'iso-2022-jp' ? decodeIso2022Jp(bytes) : decoder.decode(bytes);
  if (!text.includes('\uFFFD')) return text;
  if (isUtf8(bytes) && !isAscii(bytes)) {
    defects.add('charset_guessed');
    return new TextDecoder().decode(bytes);
  }
  defects.add('text_undecodable');
  return text;
}

/** True when `label` names a charset that can be decoded; false for a missing one. */
export function isKnownCharset(label: string | null): boolean {
  if (label === null) return false;
  const name = normalize(label);
  return SHIFTED.has(name) || (!ASCII_NAMES.has(name) && decoderFor(label, name) !== null);
}

function decodeUndeclared(bytes: Uint8Array, defects: Defects): string {
  if (isAscii(bytes)) {
    if (!hasJapaneseEscape(bytes)) return decodeLatin1(bytes);
    defects.add('charset_guessed');
    return decodeIso2022Jp(bytes);
  }
  defects.add('charset_guessed');
  const text = new TextDecoder().decode(bytes);
  if (isUtf8(bytes)) return text;
  // UTF-8 that was cut or spoilt in places is still UTF-8; legacy charsets give hardly any valid sequence.
  if (isMostlyValid(text)) {
    defects.add('text_undecodable');
    return text;
  }
  return new TextDecoder('windows-1252').decode(bytes);
}

function decodeUtf8(bytes: Uint8Array, defects: Defects): string {
  const text = new TextDecoder().decode(bytes);
  if (isUtf8(bytes)) return text;
  // Some good multi-byte characters: damaged UTF-8. None at all: another charset under a wrong name.
  if (/[\u0080-\uFFFC]/.test(text)) {
    defects.add('text_undecodable');
    return text;
  }
  defects.add('charset_guessed');
  return new TextDecoder('windows-1252').decode(bytes);
}

/** Of the characters beyond ASCII, at most every fourth is a replacement. */
function isMostlyValid(text: string): boolean {
  let balance = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit > 0x7f) balance += unit === 0xfffd ? -3 : 1;
  }
  return balance > 0;
}

/** By byte order mark, which says more than any declaration; null without one. */
function decodeByMark(bytes: Uint8Array): string | null {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf && isUtf8(bytes)) {
    return new TextDecoder('utf-8').decode(bytes);
  }
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  return null;
}

/** ESC $ B, ESC $ @ or ESC ( J: JIS text under no name. */
function hasJapaneseEscape(bytes: Uint8Array): boolean {
  for (let at = bytes.indexOf(0x1b); at >= 0; at = bytes.indexOf(0x1b, at + 1)) {
    const second = bytes[at + 1];
    const third = bytes[at + 2];
    if (second === 0x24 && (third === 0x42 || third === 0x40)) return true;
    if (second === 0x28 && third === 0x4a) return true;
  }
  return false;
}

function decodeLatin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function normalize(label: string): string {
  return label
    .slice(0, 64)
    .toLowerCase()
    .replace(/["'\s_-]/g, '')
    .replace(/^(?:xms|x|cs)(?=[a-z])/, '')
    .replace(/^(?:windows|ms|ibm)(?=\d)/, 'cp');
}

type Decoder = InstanceType<typeof TextDecoder>;

function decoderFor(label: string, name: string): Decoder | null {
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
      // Not a name that the runtime knows: the next spelling.
    }
  }
  return null;
}
