/**
 * The header block of a message or a part, over bytes. Only the fields that the reader asks for are kept,
 * so that a block of a million headers costs time but no memory.
 * Values stay bytes: `header-text.ts` decodes them.
 */

import type { Defects } from '../parsed-email.ts';

const KEPT = new Set([
  'bcc',
  'cc',
  'content-disposition',
  'content-id',
  'content-location',
  'content-transfer-encoding',
  'content-type',
  'date',
  'from',
  'in-reply-to',
  'message-id',
  'reply-to',
  'subject',
  'to',
]);

/**
 * Bytes of all values of one name: some five thousand addresses. Each name has its own, so that an endless
 * To cannot push out the Subject below it. Gmail takes 500 kB of headers altogether.
 */
const MAX_NAME_BYTES = 256 * 1024;
/** Fields of one name: To and Cc may be repeated, hardly a hundred times. */
const MAX_REPEATS = 100;

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

export type HeaderFields = ReadonlyMap<string, readonly Uint8Array[]>;

export interface HeaderBlock {
  readonly fields: HeaderFields;
  /** Where the body begins: behind the empty line, or at the line that is no header. */
  readonly bodyStart: number;
}

/**
 * Reads header lines from `start` to the empty line. A line that is no header ends the block, unless
 * another header follows it directly.
 *
 * @param isDelimiter says that the line at this offset is a boundary of an enclosing multipart, which ends
 *   a part in the middle of its headers too
 */
export function readHeaderBlock(
  bytes: Buffer,
  start: number,
  isDelimiter: (lineStart: number) => boolean,
  defects: Defects,
): HeaderBlock {
  const fields = new Map<string, Uint8Array[]>();
  let at = start;
  while (at < bytes.length) {
    const lineEnd = endOfLine(bytes, at);
    if (isBlank(bytes, at, lineEnd)) return { fields, bodyStart: lineEnd };
    if (bytes[at] === 0x2d && isDelimiter(at)) return { fields, bodyStart: at };

    const colon = fieldNameEnd(bytes, at, lineEnd);
    if (colon < 0) {
      if (!headersGoOn(bytes, at)) {
        defects.add('header_separator_missing');
        return { fields, bodyStart: at };
      }
      defects.add('header_malformed');
      at = endOfField(bytes, lineEnd);
      continue;
    }

    const end = endOfField(bytes, lineEnd);
    keep(fields, bytes, at, colon, end, defects);
    at = end;
  }
  return { fields, bodyStart: bytes.length };
}

function keep(
  fields: Map<string, Uint8Array[]>,
  bytes: Buffer,
  start: number,
  colon: number,
  end: number,
  defects: Defects,
): void {
  // The longest kept name has 25 characters.
  if (colon - start > 32) return;
  const name = bytes.toString('latin1', start, colon).trimEnd().toLowerCase();
  if (!KEPT.has(name)) return;
  const values = fields.get(name) ?? [];
  if (values.length >= MAX_REPEATS) {
    defects.add('header_too_long');
    return;
  }
  const room = MAX_NAME_BYTES - values.reduce((total, value) => total + value.length, 0);
  if (end - colon > room) defects.add('header_too_long');
  if (room <= 0) return;
  values.push(bytes.subarray(colon + 1, Math.min(end, colon + 1 + room)));
  fields.set(name, values);
}

/** The offset of the colon that ends a field's name at the head of this line; -1 when it is no header. */
function fieldNameEnd(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== COLON && (bytes[at] ?? 0) > SPACE && (bytes[at] ?? 0) < 0x7f) at += 1;
  if (at === start) return -1;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1;
  return at < end && bytes[at] === COLON ? at : -1;
}

/** The offset behind the line's LF, or the end of the bytes. */
export function endOfLine(bytes: Buffer, start: number): number {
  const lf = bytes.indexOf(LF, start);
  return lf < 0 || start >= bytes.length ? bytes.length : lf + 1;
}

/** The offset behind the folded lines that follow a field's first line, which ends at `lineEnd`. */
function endOfField(bytes: Buffer, lineEnd: number): number {
  let end = lineEnd;
  while (bytes[end] === SPACE || bytes[end] === TAB) {
    const next = endOfLine(bytes, end);
    // White space alone on a line: obsolete folding when headers go on below, else the end of them.
    if (isBlank(bytes, end, next) && !isHeaderOrFold(bytes, next)) break;
    end = next;
  }
  return end;
}

/**
 * Whether a line that is no header stands among headers all the same: one follows it directly, or there is
 * nothing but folds and lines with a colon (`Order No: 7`, a name that should have no space) up to the empty
 * line. Anything else is taken for a body whose empty line is missing.
 */
function headersGoOn(bytes: Buffer, start: number): boolean {
  const next = endOfLine(bytes, start);
  if (fieldNameEnd(bytes, next, endOfLine(bytes, next)) >= 0) return true;
  // Looked at over a bounded stretch: every malformed line comes here.
  const stop = Math.min(bytes.length, start + 8192);
  for (let at = start; at < stop; ) {
    const end = endOfLine(bytes, at);
    const isFold = at > start && (bytes[at] === SPACE || bytes[at] === TAB);
    if (isBlank(bytes, at, end)) return at > start;
    if (!isFold && !bytes.subarray(at, Math.min(end, stop)).includes(COLON)) return false;
    at = end;
  }
  return false;
}

function isHeaderOrFold(bytes: Buffer, start: number): boolean {
  if (bytes[start] === SPACE || bytes[start] === TAB) return true;
  return fieldNameEnd(bytes, start, endOfLine(bytes, start)) >= 0;
}

/** True for a line of nothing but white space. */
export function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at];
    if (byte !== LF && byte !== CR && byte !== SPACE && byte !== TAB) return false;
  }
  return true;
}
