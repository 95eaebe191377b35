/**
 * Decodes bytes to text. The charset that an email declares is often missing, misspelled or wrong, so the declared name
 * is compared with the bytes. Text is decoded only here, and only once.
 */

import { isAscii, isUtf8 } from 'node:buffer';
import type { Defects } from '../parsed-email.ts';
import type { CharsetGuess } from './charset-guess.ts';
import { decodeByLibrary } from './charset-library.ts';
import { charsetName, decoderFor, isAsciiName } from './charset-names.ts';
import { decodeIso2022Jp, shiftedDecoder } from './charset-shifted.ts';
import { countControls } from './control-characters.ts';

/**
 * The text of these bytes. An unknown or missing charset is detected from the bytes: ISO-2022-JP by its
 * escapes, then UTF-8 where it is valid or nearly so, then by `guess`, then windows-1252, which has a character for every
 * byte.
 *
 * @param declared the charset that the email declares; null when it declares none
 * @param guess for the message that the bytes are part of; null for none
 * @throws {CharsetLibraryNeeded}
 */
export function decodeText(
  bytes: Uint8Array,
  declared: string | null,
  defects: Defects,
  guess: CharsetGuess | null = null,
): string {
  const byMark = decodeByMark(bytes);
  if (byMark !== null) return byMark;

  const name = charsetName(declared);
  if (isAsciiName(name)) return decodeUndeclared(bytes, defects, guess);
  const shifted = shiftedDecoder(name);
  if (shifted !== undefined) return shifted(bytes);
  const decoder = decoderFor(declared ?? '', name);
  if (decoder === null) {
    const byLibrary = decodeByLibrary(bytes, name);
    if (byLibrary !== null) {
      if (byLibrary.includes('\uFFFD')) defects.add('text_undecodable');
      return byLibrary;
    }
    defects.add('charset_unknown');
    return decodeUndeclared(bytes, defects, guess);
  }
  // ISO-2022-JP under another name. Its escapes occur in no other charset.
  if (decoder.encoding !== 'iso-2022-jp' && hasJapaneseEscape(bytes) && isAscii(bytes))
    return decodeUndeclared(bytes, defects, guess);
  if (decoder.encoding === 'utf-8') return decodeUtf8(bytes, defects, guess);
  if (decoder.encoding.startsWith('utf-16')) return decodeUtf16(bytes, decoder, defects);
  if (SINGLE_BYTE.test(decoder.encoding) && !isAscii(bytes) && isUtf8(bytes)) {
    const text = new TextDecoder().decode(bytes);
    if (isLikelyText(text)) {
      defects.add('charset_guessed');
      return text;
    }
  }
  // Some programs declare ISO 8859-1, whatever they send.
  const other = decoder.encoding === 'windows-1252' ? guess?.otherThanWestern(bytes) : null;
  if (other) {
    defects.add('charset_guessed');
    return other.decode(bytes);
  }
  const text = decoder.encoding === 'iso-2022-jp' ? decodeIso2022Jp(bytes) : decoder.decode(bytes);
  if (text.includes('\uFFFD') && isUtf8(bytes) && !isAscii(bytes)) {
    defects.add('charset_guessed');
    return new TextDecoder().decode(bytes);
  }
  // The runtime lacks most of the syllables that Microsoft added to EUC-KR, and the characters of Hong Kong in Big5.
  const extension = EXTENSIONS.get(decoder.encoding);
  if (extension !== undefined && /[\u0080-\u009f\ue000-\uf8ff\ufffd]/.test(text)) {
    const extended = decodeByLibrary(bytes, extension);
    if (extended !== null && !extended.includes('\uFFFD')) return extended;
  }
  if (!text.includes('\uFFFD')) return text;
  const guessed = isMostlyValid(text) ? null : decodeByGuess(bytes, guess, defects);
  if (guessed !== null) return guessed;
  defects.add('text_undecodable');
  return text;
}

/** Charsets of European alphabets with one byte for each character. */
const SINGLE_BYTE = /^(?:windows-125[0-4]|iso-8859-(?:[1-5]|7|9|1[0-6])|koi8-[ru]|ibm866|macintosh)$/;
/** Letters of European alphabets and common signs. */
const USUAL =
  /[\u00a0-\u017f\u0218-\u021b\u0386-\u03ce\u0401-\u045f\u2000-\u2bff\p{Variation_Selector}\u{1f000}-\u{1faff}]/u;

/**
 * Whether text, decoded as UTF-8, is what the sender wrote. In short text, bytes of other charsets form valid UTF-8 by
 * coincidence: É and ® of windows-1252, or Ó and Ł of ISO 8859-2, form one letter that emails hardly contain.
 */
function isLikelyText(text: string): boolean {
  const characters = new Set(text.replace(/[\0-\x7f]+/g, '').slice(0, 10_000));
  if (characters.size === 1 && /[\u0100-\u07ff]/.test(text)) return false;
  const unusual = [...characters].filter((character) => !USUAL.test(character));
  return unusual.length === 0 || unusual.length > 3;
}

/** Charsets that the library decodes more completely than the runtime. */
const EXTENSIONS: ReadonlyMap<string, string> = new Map([
  ['euc-kr', 'cp949'],
  ['big5', 'big5hkscs'],
]);

/** The declared byte order is often wrong; European text shows it by its zeros. */
function decodeUtf16(bytes: Uint8Array, decoder: InstanceType<typeof TextDecoder>, defects: Defects): string {
  if (isAscii(bytes) && !bytes.includes(0)) {
    // Declared as UTF-16, but the bytes are ASCII: decoded as UTF-16 they would become Chinese characters.
    defects.add('charset_guessed');
    return decodeLatin1(bytes);
  }
  const byZeros = utf16ByZeros(bytes);
  if (byZeros === null || byZeros === decoder.encoding) return decoder.decode(bytes);
  defects.add('charset_guessed');
  return new TextDecoder(byZeros).decode(bytes);
}

/** The byte order of UTF-16 without a byte order mark, by the zeros of its ASCII characters; null when it has few. */
export function utf16ByZeros(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | null {
  const zeros: [number, number] = [0, 0];
  const length = Math.min(bytes.length - (bytes.length % 2), 1024);
  for (let at = 0; at < length; at += 1) if (bytes[at] === 0) zeros[at % 2 === 0 ? 0 : 1] += 1;
  const [even, odd] = zeros;
  const controls = countControls(bytes.subarray(0, length)) - even - odd;
  // Fewer are NUL characters of some other text.
  if (even + odd < Math.max(3, length * 0.4) || controls > length / 20) return null;
  if (even > odd * 10) return 'utf-16be';
  return odd > even * 10 ? 'utf-16le' : null;
}

function decodeUndeclared(bytes: Uint8Array, defects: Defects, guess: CharsetGuess | null): string {
  if (isAscii(bytes)) {
    if (!hasJapaneseEscape(bytes)) return decodeLatin1(bytes);
    defects.add('charset_guessed');
    return decodeIso2022Jp(bytes);
  }
  defects.add('charset_guessed');
  const text = new TextDecoder().decode(bytes);
  if (isUtf8(bytes)) return text;
  // Truncated or partly damaged UTF-8 is still UTF-8; text in legacy charsets has hardly any valid sequence.
  if (isMostlyValid(text)) {
    defects.add('text_undecodable');
    return text;
  }
  return decodeByGuess(bytes, guess, defects) ?? new TextDecoder('windows-1252').decode(bytes);
}

function decodeUtf8(bytes: Uint8Array, defects: Defects, guess: CharsetGuess | null): string {
  const text = new TextDecoder().decode(bytes);
  if (isUtf8(bytes)) return text;
  const guessed = isMostlyValid(text, 1) ? null : decodeByGuess(bytes, guess, defects);
  if (guessed !== null) return guessed;
  // Some valid multi-byte characters mean damaged UTF-8. None means another charset under a wrong name.
  if (/[\u0080-\uFFFC]/.test(text)) {
    defects.add('text_undecodable');
    return text;
  }
  defects.add('charset_guessed');
  return new TextDecoder('windows-1252').decode(bytes);
}

function decodeByGuess(bytes: Uint8Array, guess: CharsetGuess | null, defects: Defects): string | null {
  const text = guess?.decoderOf(bytes)?.decode(bytes) ?? null;
  if (text === null) return null;
  defects.add('charset_guessed');
  if (text.includes('\uFFFD')) defects.add('text_undecodable');
  return text;
}

/** Whether at most one replacement occurs for this many other characters beyond ASCII. */
function isMostlyValid(text: string, perReplacement = 3): boolean {
  let balance = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit > 0x7f) balance += unit === 0xfffd ? -perReplacement : 1;
  }
  return balance > 0;
}

/** Decodes by byte order mark, which takes precedence over the declaration; null without one. */
function decodeByMark(bytes: Uint8Array): string | null {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf && isUtf8(bytes)) {
    return new TextDecoder('utf-8').decode(bytes);
  }
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  return null;
}

/** ESC $ B, ESC $ @ or ESC ( J: JIS text without a declared charset. */
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
