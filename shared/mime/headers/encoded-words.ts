/**
 * RFC 2047 encoded words, `=?charset?B or Q?text?=`, in subjects, names and file names, including common errors: a
 * literal `?` or space inside, no charset, a character or a base64 group cut between two words. Linear in the length.
 */

import { decodeText } from '../encoding/charset.ts';
import type { Defects } from '../parsed-email.ts';

const START = /=\?([^?\s=]{0,80})\?([QqBb])\?/g;

interface Word {
  readonly charset: string;
  readonly isBase64: boolean;
  readonly encoded: string;
  readonly start: number;
  readonly end: number;
}

/** The text with every encoded word decoded; white space between two encoded words is removed. */
export function decodeWords(text: string, defects: Defects): string {
  let result = '';
  let position = 0;
  let isBehindWord = false;
  let charset = '';
  let pending: Buffer[] = [];
  /** Base64 digits of a group that the next word completes. */
  let openGroup = '';
  const flush = (): void => {
    if (openGroup !== '') pending.push(Buffer.from(openGroup, 'base64'));
    if (pending.length > 0)
      result += decodeText(Buffer.concat(pending), charset === '' ? null : charset, defects);
    pending = [];
    openGroup = '';
  };

  for (const word of findWords(text)) {
    const between = text.slice(position, word.start);
    const joins = isBehindWord && isBlank(between);
    if (!joins || word.charset !== charset) flush();
    if (!joins) result += between;
    charset = word.charset;
    if (word.isBase64) {
      const digits = openGroup + word.encoded.replace(/\s+/g, '');
      const isOpen = !digits.includes('=') && digits.length % 4 !== 0;
      const whole = isOpen ? digits.length - (digits.length % 4) : digits.length;
      pending.push(Buffer.from(digits.slice(0, whole), 'base64'));
      openGroup = digits.slice(whole);
    } else {
      if (openGroup !== '') flush();
      for (const piece of decodeQ(word.encoded)) {
        if (typeof piece !== 'string') pending.push(piece);
        else {
          flush();
          result += piece;
        }
      }
    }
    position = word.end;
    isBehindWord = true;
  }
  flush();
  return result + text.slice(position);
}

/** Where the words of a text are, in order. A start without an end is not a word. */
export function* findWords(text: string): Generator<Word> {
  let end = -1;
  // Kept from one start to the next: starts without an end must not search the same text again.
  let mark = -1;
  const starts = [...text.matchAll(START)];
  for (const [index, match] of starts.entries()) {
    const [whole, label = '', encoding = ''] = match;
    const from = match.index + whole.length;
    if (match.index < end) continue;
    const isBase64 = encoding.toUpperCase() === 'B';
    const nextStart = starts[index + 1]?.index ?? text.length;
    if (mark < from) mark = text.indexOf('?=', from);
    if (mark < 0) return;
    if (mark > nextStart) continue;
    const close = isBase64 ? mark : endOfQ(text, mark, nextStart);
    end = close + 2;
    // RFC 2231 allows a language after the charset: `utf-8*en`.
    const charset = label.replace(/\*.*$/, '').toLowerCase();
    yield { charset, isBase64, encoded: text.slice(from, close), start: match.index, end };
  }
}

/**
 * Finds the `?=` that ends a word: the first one. When two hexadecimal digits follow it, it may be a literal question mark
 * before an escape; then the next `?=` of the same word is used, if any.
 */
function endOfQ(text: string, first: number, nextStart: number): number {
  if (!isEscape(text, first + 1)) return first;
  const second = text.slice(first + 2, nextStart).indexOf('?=');
  return second < 0 ? first : first + 2 + second;
}

function isEscape(text: string, at: number): boolean {
  return /^=[0-9a-f]{2}$/i.test(text.slice(at, at + 3));
}

/** Yields bytes for ASCII, and text for other characters, which the header decoder has already decoded. */
function* decodeQ(encoded: string): Generator<Buffer | string> {
  for (const [piece] of encoded.matchAll(/[\0-\x7f]+|[^\0-\x7f]+/g)) {
    if (piece.charCodeAt(0) > 0x7f) yield piece;
    else yield decodeAsciiQ(piece);
  }
}

function decodeAsciiQ(encoded: string): Buffer {
  // Some gateways fold a header within an escape. `Qty=5 EA` is text that was not escaped: only escapes next to others are joined.
  const bytes = Buffer.from(
    encoded.replace(
      /(?<==[\dA-F]{2})=\s(?=[89A-F][\dA-F])|=\s(?=[89A-F][\dA-F]=)|(?<==[89A-F])\s(?=[\dA-F]=)/g,
      (fold) => fold.trim(),
    ),
    'latin1',
  );
  let length = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    const value = byte === 0x3d ? hexPair(bytes, at + 1) : -1;
    bytes[length] = value >= 0 ? value : byte === 0x5f ? 0x20 : byte;
    if (value >= 0) at += 2;
    length += 1;
  }
  return bytes.subarray(0, length);
}

function hexPair(bytes: Buffer, at: number): number {
  const digits = bytes.toString('latin1', at, at + 2);
  return /^[0-9a-f]{2}$/i.test(digits) ? Number.parseInt(digits, 16) : -1;
}

function isBlank(text: string): boolean {
  return /^\s*$/.test(text);
}
