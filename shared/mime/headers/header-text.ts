/**
 * Header fields as text. Their bytes are decoded only here, because the charset of raw bytes above 127 may be named in
 * another field of the same block, or in an adjacent encoded word.
 */

import { isAscii, isUtf8 } from 'node:buffer';
import { decodeText } from '../encoding/charset.ts';
import { isKnownCharset } from '../encoding/charset-names.ts';
import type { Defects } from '../parsed-email.ts';
import { findWords } from './encoded-words.ts';
import type { HeaderFields } from './header-block.ts';

/**
 * The first field of that name, unfolded and trimmed, encoded words not decoded; null when absent. Bytes above 127 are read
 * as UTF-8, else in the charset that the block's Content-Type names, else by a guess.
 */
export function headerText(fields: HeaderFields, name: string, defects: Defects): string | null {
  return headerTexts(fields, name, defects)[0] ?? null;
}

/** Every field of that name, as `headerText` returns the first. */
export function headerTexts(fields: HeaderFields, name: string, defects: Defects): string[] {
  return (fields.get(name) ?? []).map((value) => unfold(decodeHeaderBytes(value, fields, defects)));
}

function decodeHeaderBytes(value: Uint8Array, fields: HeaderFields, defects: Defects): string {
  if (isAscii(value)) {
    return value.includes(0x1b) ? decodeText(value, null, defects) : Buffer.from(value).toString('latin1');
  }
  if (isUtf8(value)) return new TextDecoder('utf-8', { ignoreBOM: true }).decode(value);
  defects.add('header_8bit');
  const bytes = withRawWordsEscaped(Buffer.from(value));
  return isAscii(bytes)
    ? bytes.toString('latin1')
    : decodeText(bytes, charsetHint(fields), defects, fields.guess);
}

/**
 * Bytes above 127 inside an encoded word belong to the word's charset, not the header's: each becomes an escape. Base64 has
 * no such bytes.
 */
function withRawWordsEscaped(value: Buffer): Buffer {
  const text = value.toString('latin1');
  let result = '';
  let position = 0;
  for (const { encoded, end, isBase64 } of findWords(text)) {
    const start = end - 2 - encoded.length;
    const escaped = encoded.replace(/[\x80-\xff]/g, (raw) =>
      isBase64 ? '' : `=${raw.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
    result += text.slice(position, start) + escaped;
    position = end - 2;
  }
  return Buffer.from(result + text.slice(position), 'latin1');
}

function charsetHint(fields: HeaderFields): string | null {
  const contentType = Buffer.from(fields.get('content-type')?.[0] ?? []).toString('latin1');
  const charset = /charset\s{0,9}=\s{0,9}"?([^\s";]{1,40})/i.exec(contentType)?.[1] ?? null;
  return isKnownCharset(charset) && !/^utf-?8$/i.test(charset ?? '') ? charset : null;
}

function unfold(value: string): string {
  return value
    .replace(/\r{0,2}\n(?=[ \t])/g, '')
    .replace(/[\r\n]+/g, ' ')
    .trim();
}
