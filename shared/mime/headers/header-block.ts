/**
 * The header block of a message or a part, over bytes. Only the fields that the parser needs are kept, so a block of
 * a million headers takes time but no memory. Values stay bytes: `header-text.ts` decodes them.
 * Invariant: each byte is examined a bounded number of times for any input.
 */

import { CharsetGuess } from '../encoding/charset-guess.ts';
import type { Defects } from '../parsed-email.ts';

const KEPT = new Set([
  'auto-submitted',
  'bcc',
  'cc',
  'content-description',
  'content-disposition',
  'content-id',
  'content-location',
  'content-transfer-encoding',
  'content-type',
  'date',
  'delivered-to',
  'from',
  'in-reply-to',
  'list-id',
  'message-id',
  'mime-version',
  'reply-to',
  'return-path',
  'sender',
  'subject',
  'to',
  'x-original-to',
]);

/**
 * Bytes of all values of one name: some five thousand addresses. Each name has its own, so that an endless
 * To cannot push out the Subject below it. Gmail takes 500 kB of headers altogether.
 */
const MAX_NAME_BYTES = 256 * 1024;
/** Fields of one name: To and Cc may be repeated, hardly a hundred times. */
const MAX_REPEATS = 100;
/** Maximum distance from a line that is not a header to the empty line for the header to continue. */
const LOOK_AHEAD_BYTES = 8192;
/** Lines of one block that are examined as folds without indentation: a hostile block may contain only such lines. */
const MAX_CONTINUATION_CHECKS = 500;

/** Lines of one block that are compared with its own boundary. */
const MAX_DELIMITER_CHECKS = 100;

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;
const HYPHEN = 0x2d;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const COMMA = 0x2c;

/** Values by lower-case name, and the charset guess of the message that the block is part of. */
export class HeaderFields extends Map<string, Uint8Array[]> {
  readonly guess: CharsetGuess;

  constructor(guess: CharsetGuess) {
    super();
    this.guess = guess;
  }
}

export interface HeaderBlock {
  readonly fields: HeaderFields;
  /** Where the body begins: after the empty line, or at the line that is not a header. */
  readonly bodyStart: number;
}

interface Field {
  readonly start: number;
  readonly colon: number;
  end: number;
}

/**
 * Reads header lines from `start` to the empty line. A line that is not a header belongs to the field above it when it
 * continues that field; otherwise it ends the block, unless another header follows it directly.
 *
 * @param isDelimiter says that the line at this offset is a boundary of an enclosing multipart, which ends
 *   a part in the middle of its headers too
 * @param guess of the message that the block is part of; by default, `bytes` are the message
 */
export function readHeaderBlock(
  bytes: Buffer,
  start: number,
  isDelimiter: (lineStart: number) => boolean,
  defects: Defects,
  guess: CharsetGuess = new CharsetGuess(bytes),
): HeaderBlock {
  const fields = new HeaderFields(guess);
  const ahead = new LookAhead(bytes);
  let field: Field | null = null;
  let continuationChecks = 0;
  let delimiterChecks = 0;
  let at = start;
  let bodyStart = bytes.length;
  while (at < bytes.length) {
    const lineEnd = endOfLine(bytes, at);
    if (isBlank(bytes, at, lineEnd)) {
      bodyStart = lineEnd;
      break;
    }
    if (bytes[at] === HYPHEN && isDelimiter(at)) {
      bodyStart = at;
      break;
    }
    if (bytes[at] === HYPHEN && delimiterChecks < MAX_DELIMITER_CHECKS) {
      delimiterChecks += 1;
      if (isOwnDelimiter(bytes.subarray(at, lineEnd), bytes, fields, field)) {
        defects.add('header_separator_missing');
        bodyStart = at;
        break;
      }
    }
    const end = endOfField(bytes, lineEnd);
    const colon = fieldNameEnd(bytes, at, lineEnd);
    // A name with an equals sign is a parameter whose value has a colon.
    const mayContinue = colon < 0 || bytes.subarray(at, Math.min(colon, at + 64)).includes(EQUALS);
    if (
      field !== null &&
      mayContinue &&
      continuationChecks < MAX_CONTINUATION_CHECKS &&
      mayBeContinued(bytes, field, at)
    ) {
      continuationChecks += 1;
      if (isContinuation(bytes, field, at, lineEnd)) {
        defects.add('header_malformed');
        field.end = end;
        at = end;
        continue;
      }
    }
    if (colon >= 0) {
      if (field !== null) keep(fields, bytes, field, defects);
      field = { start: at, colon, end };
    } else if (ahead.isAmongHeaders(at, lineEnd) || isLastFold(bytes, at, lineEnd, fields, field)) {
      defects.add('header_malformed');
      if (field !== null) keep(fields, bytes, field, defects);
      field = null;
    } else {
      defects.add('header_separator_missing');
      bodyStart = at;
      break;
    }
    at = end;
  }
  if (field !== null) keep(fields, bytes, field, defects);
  return { fields, bodyStart };
}

function keep(
  fields: Map<string, Uint8Array[]>,
  bytes: Buffer,
  { start, colon, end }: Field,
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

/** Whether a line is the first boundary line of the block's own multipart, directly below its headers. */
function isOwnDelimiter(line: Buffer, bytes: Buffer, fields: HeaderFields, field: Field | null): boolean {
  const last =
    field === null ? '' : bytes.toString('latin1', field.start, Math.min(field.end, field.start + 1024));
  const contentType = /^content-type[ \t]*:/i.test(last)
    ? last
    : Buffer.from(fields.get('content-type')?.[0] ?? []).toString('latin1', 0, 1024);
  const [, quoted, token] =
    /\bboundary\s{0,9}=\s{0,9}(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType) ?? [];
  const boundary = quoted ?? token;
  return boundary !== undefined && line.toString('latin1', 0, 220).trimEnd() === `--${boundary}`;
}

/**
 * Whether the last line before the empty line is a fold without indentation above a base64 body. Read as the beginning of
 * the body, it would corrupt the file.
 */
function isLastFold(
  bytes: Buffer,
  at: number,
  lineEnd: number,
  fields: HeaderFields,
  field: Field | null,
): boolean {
  if (!isBlank(bytes, lineEnd, endOfLine(bytes, lineEnd)) || lineEnd >= bytes.length) return false;
  const last =
    field === null ? '' : bytes.toString('latin1', field.start, Math.min(field.end, field.start + 200));
  const encoding = fields.get('content-transfer-encoding')?.[0];
  const isBase64 =
    /base64/i.test(Buffer.from(encoding ?? []).toString('latin1', 0, 100)) ||
    /^content-transfer-encoding[ \t]*:\s*base64/i.test(last);
  return isBase64 && !/^[A-Za-z0-9+/=]+\s*$/.test(bytes.toString('latin1', at, Math.min(lineEnd, at + 200)));
}

/** A quick look before `isContinuation`: how the value ends, or that it may have a quoted string. */
function mayBeContinued(bytes: Buffer, field: Field, start: number): boolean {
  let last = field.end - 1;
  while (last > field.colon && last > field.end - 16 && (bytes[last] ?? 0) <= SPACE) last -= 1;
  const byte = bytes[last];
  if (byte === SEMICOLON || byte === EQUALS || byte === COMMA || bytes[start] === SEMICOLON) return true;
  const nameLength = field.colon - field.start;
  return nameLength === 'content-type'.length || nameLength === 'content-disposition'.length;
}

/**
 * Whether a line without indentation continues the field above it: a parameter after a semicolon, the rest of a quoted
 * value, an encoded word, or an address after a comma. Some senders fold this way. Read as a body, it would corrupt base64.
 */
function isContinuation(bytes: Buffer, field: Field, start: number, end: number): boolean {
  // Bounded: only the end of the value counts, and the line's beginning.
  const value = bytes.toString('latin1', Math.max(field.colon + 1, field.end - 2048), field.end).trimEnd();
  const line = bytes.toString('latin1', start, Math.min(end, start + 2048)).trimEnd();
  if (/^;?[ \t]*[a-z][\w-]{0,40}(?:\*\d{0,4}\*?)?[ \t]*=(?!\?)/i.test(line)) {
    return value.endsWith(';') || line.startsWith(';');
  }
  if (/^=\?[^?\s]{0,80}\?[bq]\?.*\?=/i.test(line)) return value.endsWith('?=');
  const name = bytes
    .toString('latin1', field.start, Math.min(field.colon, field.start + 32))
    .trimEnd()
    .toLowerCase();
  if (/^content-(?:type|disposition)$/.test(name)) return hasOpenQuote(value) && line.includes('"');
  if (!/^(?:from|to|cc|bcc|sender|reply-to)$/.test(name)) return false;
  return value.endsWith(',') && /^[^:]*@[^:]*$/.test(line);
}

function hasOpenQuote(value: string): boolean {
  return value.replace(/\\./g, '').split('"').length % 2 === 0;
}

/** The offset of the colon that ends a field's name at the head of this line; -1 when it is no header. */
function fieldNameEnd(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== COLON && (bytes[at] ?? 0) > SPACE && (bytes[at] ?? 0) < 0x7f) at += 1;
  if (at === start) return -1;
  while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at += 1;
  return at < end && bytes[at] === COLON ? at : -1;
}

/** The offset after the line's LF, or the end of the bytes. */
export function endOfLine(bytes: Buffer, start: number): number {
  // Short lines without a call into the runtime: hostile headers have nothing else.
  const near = Math.min(bytes.length, start + 32);
  for (let at = start; at < near; at += 1) if (bytes[at] === LF) return at + 1;
  const lf = near < bytes.length ? bytes.indexOf(LF, near) : -1;
  return lf < 0 ? bytes.length : lf + 1;
}

/** The offset after the folded lines that follow a field's first line, which ends at `lineEnd`. */
function endOfField(bytes: Buffer, lineEnd: number): number {
  let end = lineEnd;
  while (bytes[end] === SPACE || bytes[end] === TAB) {
    const next = endOfLine(bytes, end);
    // White space alone on a line: obsolete folding when an email header follows, else the end of the headers.
    // `Order: 5 pcs` is text.
    if (isBlank(bytes, end, next) && !isEmailHeaderOrFold(bytes, next)) break;
    end = next;
  }
  return end;
}

/** Looks ahead from the malformed lines of one block, which must be passed in order. */
class LookAhead {
  readonly #bytes: Buffer;
  /** Up to here all lines are folds or have a colon, from the last line that was asked for. */
  #passedTo = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /**
   * Whether a line that is not a header is still among headers: a header follows it directly, or there is nothing but
   * folds and lines with a colon (`Order No: 7`, a name that should have no space) up to the empty line. Anything else is
   * taken for a body whose empty line is missing.
   */
  isAmongHeaders(start: number, lineEnd: number): boolean {
    const bytes = this.#bytes;
    if (isHeader(bytes, lineEnd)) return true;
    const stop = Math.min(bytes.length, start + LOOK_AHEAD_BYTES);
    // Each line is examined once, although this runs for every malformed line.
    let at = Math.max(start, this.#passedTo);
    while (at < stop) {
      let end = at;
      let hasColon = false;
      let isEmpty = true;
      for (; end < stop && bytes[end] !== LF; end += 1) {
        const byte = bytes[end];
        if (byte === COLON) hasColon = true;
        if (byte !== SPACE && byte !== TAB && byte !== CR) isEmpty = false;
      }
      if (isEmpty) {
        this.#passedTo = at;
        return at > start;
      }
      const isFold = at > start && (bytes[at] === SPACE || bytes[at] === TAB);
      if (!isFold && !hasColon) return false;
      at = end + 1;
      // A line that the window cuts is examined again.
      if (end < stop) this.#passedTo = at;
    }
    return false;
  }
}

/** Headers that are not kept, by how their names begin. */
const OTHER_HEADERS =
  /^(?:accept-language|arc-|authentication-|autocrypt|content-|disposition-|dkim-|domainkey-|envelope-to|errors-to|feedback-id|importance|list-|mail-followup-to|organi[sz]ation|precedence|received|references|resent-|return-receipt-to|thread-|user-agent|x-)/;

/** Whether an email header follows before the next empty line, possibly below other headers, or a fold does. */
function isEmailHeaderOrFold(bytes: Buffer, start: number): boolean {
  if (bytes[start] === SPACE || bytes[start] === TAB) return true;
  // Lines of white space end the search, so each line is searched once.
  const stop = Math.min(bytes.length, start + LOOK_AHEAD_BYTES);
  for (let at = start; at < stop; ) {
    if (isEmailHeader(bytes, at)) return true;
    const end = endOfLine(bytes, at);
    if (isBlank(bytes, at, end)) return false;
    const isFold = at > start && (bytes[at] === SPACE || bytes[at] === TAB);
    if (!isFold && !isHeader(bytes, at)) return false;
    at = end;
  }
  return false;
}

function isEmailHeader(bytes: Buffer, start: number): boolean {
  const end = fieldNameEnd(bytes, start, endOfLine(bytes, start));
  if (end < 0) return false;
  const name = bytes
    .toString('latin1', start, Math.min(end, start + 40))
    .trimEnd()
    .toLowerCase();
  return KEPT.has(name) || OTHER_HEADERS.test(name);
}

/** Whether the line at this offset is the first line of a header. */
export function isHeader(bytes: Buffer, start: number): boolean {
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
