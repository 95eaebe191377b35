/** The text of one part, from its decoded bytes. */

import { decodeText, utf16ByZeros } from '../encoding/charset.ts';
import { cleanText } from '../encoding/clean-text.ts';
import { countControls } from '../encoding/control-characters.ts';
import { extractUuencoded, type UuencodedFile } from '../encoding/uuencode.ts';
import type { Defects } from '../parsed-email.ts';
import { stripEnriched } from '../text/enriched.ts';
import { unflow } from '../text/flowed.ts';
import type { Part } from './part.ts';

const CR = 0x0d;
const LF = 0x0a;

export type Kind = 'text' | 'html';

export interface PartText {
  readonly text: string;
  /** Files that were uuencoded within the text, which does not contain them. */
  readonly uuencoded: readonly UuencodedFile[];
}

export function readText(part: Part, content: Buffer, kind: Kind, defects: Defects): PartText {
  const charset = part.header.charset ?? (kind === 'html' ? charsetOfHtml(content) : null);
  const decode = (bytes: Buffer, name: string | null) =>
    cleanText(decodeText(bytes, name, defects, part.fields.guess), defects);
  if (isUtf16(part, content)) {
    const text = decode(content, utf16ByZeros(content) ?? charset);
    return { text: text.replaceAll(/\r{0,2}\n|\r/g, '\n'), uuencoded: [] };
  }
  const bytes = withoutNulAndCr(content, defects);
  if (kind === 'html') return { text: decode(bytes, charset), uuencoded: [] };
  const extracted = extractUuencoded(bytes, defects);
  const { flowed } = part.header;
  const text = decode(flowed === 'no' ? extracted.text : unflow(extracted.text, flowed === 'delsp'), charset);
  return {
    text: /^text\/(?:enriched|richtext)$/.test(part.type) ? stripEnriched(text) : text,
    uuencoded: extracted.files,
  };
}

/** True for a file that is declared as text. A few control characters, including NUL, do not make text binary. */
export function isBinary(content: Buffer, part: Part): boolean {
  const head = content.subarray(0, 1024);
  const start = head.toString('latin1', 0, 32);
  if (/^\s{0,20}%PDF-/.test(start) || start.startsWith('PK\u0003\u0004')) return true;
  const controls = countControls(head);
  return !isUtf16(part, content) && controls >= 8 && controls > head.length / 20;
}

function isUtf16(part: Part, content: Buffer): boolean {
  const mark = content.length < 2 ? 0 : content.readUInt16BE(0);
  return (
    mark === 0xfffe ||
    mark === 0xfeff ||
    /^utf-?(?:16|32)|^unicode|^ucs|^iso-10646/i.test(part.header.charset ?? '') ||
    utf16ByZeros(content) !== null
  );
}

/**
 * Converts line ends to LF and removes NUL. Gateways double CR, and old Macintosh programs write CR alone.
 * Works on bytes, because `replaceAll` on a long string needs several times its memory. Not valid for UTF-16.
 */
function withoutNulAndCr(content: Buffer, defects: Defects): Buffer {
  const hasNul = content.includes(0);
  if (hasNul) defects.add('text_nul_removed');
  const text = hasNul ? Buffer.from(content.filter((byte) => byte !== 0)) : content;
  let cr = text.indexOf(CR);
  if (cr < 0) return text;
  const kept = Buffer.allocUnsafe(text.length);
  let length = 0;
  let from = 0;
  for (; cr >= 0; cr = text[from] === CR ? from : text.indexOf(CR, from)) {
    if (cr > from) length += text.copy(kept, length, from, cr);
    from = cr + 1;
    if (isPartOfLineEnd(text, cr)) continue;
    kept[length] = LF;
    length += 1;
  }
  length += text.copy(kept, length, from);
  return kept.subarray(0, length);
}

/** Whether LF follows this CR, directly or after another CR. */
function isPartOfLineEnd(content: Buffer, at: number): boolean {
  const next = content[at + 1];
  return next === LF || (next === CR && content[at + 2] === LF);
}

function charsetOfHtml(content: Buffer): string | null {
  const head = content.toString('latin1', 0, 4096);
  return /<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}["']?([\w-]{1,40})/i.exec(head)?.[1] ?? null;
}
