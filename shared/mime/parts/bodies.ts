/**
 * Which parts are the email's text and HTML body: the first of each kind that has anything to read. Every
 * other part is an attachment. A further text part, a mailing list's footer or the lines below a picture,
 * is kept as a file and not joined to the body, so that each part comes out once, as it was sent.
 */

import { decodeText } from '../encoding/charset.ts';
import { cleanText } from '../encoding/clean-text.ts';
import { countControls } from '../encoding/control-characters.ts';
import type { Defects } from '../parsed-email.ts';
import { isMultipart, type Part } from './part-tree.ts';

/**
 * A longer text is kept as a file. Nobody reads it as a body, and as a string of 50 MB it passed 800 MiB of
 * memory on its way through decoding and cleaning.
 */
const MAX_BODY_BYTES = 10 * 1024 * 1024;

export interface Body {
  readonly part: Part;
  readonly text: string;
}

export interface Bodies {
  readonly text: Body | null;
  readonly html: Body | null;
}

type Kind = 'text' | 'html';

/** @param contentOf a part's decoded bytes */
export function chooseBodies(
  parts: readonly Part[],
  contentOf: (part: Part) => Buffer,
  defects: Defects,
): Bodies {
  const candidates: { part: Part; kind: Kind }[] = [];
  for (const part of parts) {
    const kind = bodyKind(part);
    if (kind === null) continue;
    if (contentOf(part).length > MAX_BODY_BYTES) defects.add('text_too_long');
    else if (isBinary(contentOf(part), part)) defects.add('text_is_binary');
    else candidates.push({ part, kind });
  }

  // The two bodies should be two forms of one text: those of one multipart/alternative go before others.
  const home = candidates[0] === undefined ? null : alternativeAround(candidates[0].part);
  const choose = (kind: Kind): Body | null => {
    const ofKind = candidates.filter((candidate) => candidate.kind === kind).map(({ part }) => part);
    const atHome = ofKind.filter((part) => home !== null && isWithin(part, home));
    return firstReadable(
      [...atHome, ...ofKind.filter((part) => !atHome.includes(part))],
      kind,
      contentOf,
      defects,
    );
  };
  return { text: choose('text'), html: choose('html') };
}

/** The first part with more than white space in it; when all are blank, the first. */
function firstReadable(
  parts: readonly Part[],
  kind: Kind,
  contentOf: (part: Part) => Buffer,
  defects: Defects,
): Body | null {
  let blank: Body | null = null;
  for (const part of parts) {
    // Flaws of a part that is passed over are not the body's.
    const met: Defects = new Set();
    const text = bodyText(part, contentOf(part), kind, met);
    if (text.trim() !== '') {
      for (const defect of met) defects.add(defect);
      return { part, text };
    }
    blank ??= { part, text };
  }
  return blank;
}

function bodyText(part: Part, content: Buffer, kind: Kind, defects: Defects): string {
  const charset = part.header.charset ?? (kind === 'html' ? charsetOfHtml(content) : null);
  if (isUtf16(part, content))
    return cleanText(decodeText(content, charset, defects), defects).replaceAll('\r\n', '\n');
  return cleanText(decodeText(withoutNulAndCr(content, defects), charset, defects), defects);
}

function bodyKind(part: Part): Kind | null {
  if (part.isWhole || part.header.isAttachment || part.header.filename !== null) return null;
  if (part.type === 'text/html') return 'html';
  // A multipart in which no part was found holds at least its text.
  return part.type === 'text/plain' || isMultipart(part) ? 'text' : null;
}

/** A file that its sender calls text. Some stray control characters, NUL among them, are no file yet. */
function isBinary(content: Buffer, part: Part): boolean {
  const head = content.subarray(0, 1024);
  const start = head.toString('latin1', 0, 32);
  if (/^\s{0,20}%PDF-/.test(start) || start.startsWith('PK\u0003\u0004')) return true;
  const controls = countControls(head);
  return !isUtf16(part, content) && controls >= 8 && controls > head.length / 20;
}

function isUtf16(part: Part, content: Buffer): boolean {
  const mark = content.length < 2 ? 0 : content.readUInt16BE(0);
  return (
    mark === 0xfffe || mark === 0xfeff || /^utf-?(?:16|32)|^unicode|^ucs/i.test(part.header.charset ?? '')
  );
}

/**
 * Line ends as LF, and no NUL. Done on bytes, which every charset but UTF-16 allows, because `replaceAll`
 * on a string of 10 MB takes ten times its size.
 */
function withoutNulAndCr(content: Buffer, defects: Defects): Buffer {
  if (content.includes(0)) defects.add('text_nul_removed');
  const kept = Buffer.allocUnsafe(content.length);
  let length = 0;
  for (let at = 0; at < content.length; at += 1) {
    const byte = content[at] ?? 0;
    if (byte === 0 || (byte === 0x0d && content[at + 1] === 0x0a)) continue;
    kept[length] = byte;
    length += 1;
  }
  return kept.subarray(0, length);
}

function charsetOfHtml(content: Buffer): string | null {
  const head = content.toString('latin1', 0, 4096);
  return /<meta[^>]{0,200}?charset\s{0,9}=\s{0,9}["']?([\w-]{1,40})/i.exec(head)?.[1] ?? null;
}

function alternativeAround(part: Part): Part | null {
  for (let up = part.parent; up !== null; up = up.parent) if (up.type === 'multipart/alternative') return up;
  return null;
}

function isWithin(part: Part, ancestor: Part): boolean {
  for (let up = part.parent; up !== null; up = up.parent) if (up === ancestor) return true;
  return false;
}
