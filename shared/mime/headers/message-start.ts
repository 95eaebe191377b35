/** Finds the first header of a message, for the email itself and for attached messages. */
import type { Defects } from '../parsed-email.ts';
import { endOfLine, isBlank, isHeader } from './header-lines.ts';

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const MBOX_SEPARATOR = /^>?From (?!\s*:)/;

/**
 * Returns the message from its first header on, with LF line ends if it had only CR, as old Macintosh clients write. Skips a
 * byte order mark, empty lines and an mbox separator (`From sender date`).
 */
export function messageStart(bytes: Buffer, defects: Defects): Buffer {
  const message = withLineFeeds(bytes, defects);
  const marked = message.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  let at = marked ? BYTE_ORDER_MARK.length : 0;
  for (let end = endOfLine(message, at); at < message.length; end = endOfLine(message, at)) {
    if (!isBlank(message, at, end) && !MBOX_SEPARATOR.test(message.toString('latin1', at, at + 16))) break;
    at = end;
  }
  if (at > 0) defects.add('leading_lines');
  return message.subarray(at);
}

/** Whether the bytes are a message: they begin with a header, which may be indented. */
export function beginsWithHeader(bytes: Buffer): boolean {
  const message = messageStart(bytes, new Set());
  const indentation = /^[ \t]*/.exec(message.toString('latin1', 0, 100))?.[0].length ?? 0;
  return isHeader(message, indentation);
}

function withLineFeeds(bytes: Buffer, defects: Defects): Buffer {
  if (bytes.includes(0x0a) || !bytes.includes(0x0d)) return bytes;
  defects.add('bare_cr_lines');
  return Buffer.from(bytes.map((byte) => (byte === 0x0d ? 0x0a : byte)));
}
