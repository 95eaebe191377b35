/**
 * RFC 2047 encoded words, `=?charset?B or Q?text?=`, in subjects and file names. Neighbours in one charset
 * are decoded together, because senders cut multi-byte characters in two. Linear in the header's length.
 */

import { decodeText } from '../encoding/charset.ts';
import type { Defects } from '../parsed-email.ts';

const WORD = /=\?([^?\s]{1,80})\?([QqBb])\?([^?]*)\?=/g;

/** The text with every encoded word decoded; white space between two words belongs to neither. */
export function decodeWords(text: string, defects: Defects): string {
  let result = '';
  let position = 0;
  let charset = '';
  let pending: Buffer[] = [];
  const flush = (): void => {
    if (pending.length > 0) result += decodeText(Buffer.concat(pending), charset, defects);
    pending = [];
  };

  for (const match of text.matchAll(WORD)) {
    const [whole, label = '', encoding = '', encoded = ''] = match;
    const between = text.slice(position, match.index);
    const joins = pending.length > 0 && /^\s*$/.test(between);
    // RFC 2231 allows a language after the charset: `utf-8*en`.
    const own = label.replace(/\*.*$/, '').toLowerCase();
    if (!joins || own !== charset) flush();
    if (!joins) result += between;
    charset = own;
    pending.push(encoding.toUpperCase() === 'B' ? Buffer.from(encoded, 'base64') : decodeQ(encoded));
    position = match.index + whole.length;
  }
  flush();
  return result + text.slice(position);
}

function decodeQ(encoded: string): Buffer {
  // What is not ASCII inside a word was raw in the header; it goes back as UTF-8.
  const bytes = Buffer.from(encoded.replaceAll('_', ' '), 'utf8');
  let length = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const value =
      bytes[at] === 0x3d ? Number.parseInt(bytes.toString('latin1', at + 1, at + 3), 16) : Number.NaN;
    if (Number.isNaN(value) || !/^[0-9a-f]{2}$/i.test(bytes.toString('latin1', at + 1, at + 3))) {
      bytes[length] = bytes[at] ?? 0;
    } else {
      bytes[length] = value;
      at += 2;
    }
    length += 1;
  }
  return bytes.subarray(0, length);
}
