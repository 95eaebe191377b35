/** The lines of a header block, over bytes: where they end, whether they begin a header, and which belong to it. */

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** The fields that the parser needs. */
export const KEPT = new Set([
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

/** Maximum distance from a line that is not a header to the empty line for the header to continue. */
const LOOK_AHEAD_BYTES = 8192;

/** The offset of the colon that ends a field's name at the head of this line; -1 when it is no header. */
export function fieldNameEnd(bytes: Buffer, start: number, end: number): number {
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
export function endOfField(bytes: Buffer, lineEnd: number): number {
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
