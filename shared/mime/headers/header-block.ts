/**
 * The header block of a message or a part, over bytes. Only the fields that the parser needs are kept, so a block of
 * a million headers takes time but no memory. Values stay bytes: `header-text.ts` decodes them.
 * Invariant: each byte is examined a bounded number of times for any input.
 */

import { CharsetGuess } from '../encoding/charset-guess.ts';
import type { Defects } from '../parsed-email.ts';
import { endOfField, endOfLine, fieldNameEnd, isBlank, KEPT } from './header-lines.ts';
import { LookAhead } from './look-ahead.ts';

/**
 * Bytes of all values of one name: some five thousand addresses. Each name has its own, so that an endless
 * To cannot push out the Subject below it. Gmail takes 500 kB of headers altogether.
 */
const MAX_NAME_BYTES = 256 * 1024;
/** Fields of one name: To and Cc may be repeated, hardly a hundred times. */
const MAX_REPEATS = 100;
/** Lines of one block that are examined as folds without indentation: a hostile block may contain only such lines. */
const MAX_CONTINUATION_CHECKS = 500;

/** Lines of one block that are compared with its own boundary. */
const MAX_DELIMITER_CHECKS = 100;

const SPACE = 0x20;
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
