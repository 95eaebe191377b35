/** Text that its sender wrapped for transport: `format=flowed`, RFC 3676. Over bytes, which is valid for every email charset except UTF-16. */

const LF = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x3e;

/**
 * Joins each paragraph into one line. A line that ends in a space continues in the next line of the same quote depth; with
 * `delsp` that space is removed. The signature separator `-- ` never continues. One leading space is stuffing.
 *
 * @param text with LF for line ends
 */
export function unflow(text: Buffer, deletesSpace: boolean): Buffer {
  const result = Buffer.allocUnsafe(text.length);
  let length = 0;
  /** The quote depth of the line that continues; -1 when none does. */
  let openDepth = -1;
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf(LF, start);
    const end = newline < 0 ? text.length : newline;
    let depth = 0;
    while (start + depth < end && text[start + depth] === QUOTE) depth += 1;
    const content = start + depth + (text[start + depth] === SPACE ? 1 : 0);
    const isSignature = end - content === 3 && text.toString('latin1', content, end) === '-- ';
    const isFlowed = !isSignature && end > content && text[end - 1] === SPACE;

    const isContinued = openDepth === depth && !isSignature;
    if (openDepth >= 0 && !isContinued) length = put(result, length, LF);
    length += text.copy(
      result,
      length,
      isContinued || depth === 0 ? content : start,
      isFlowed && deletesSpace ? end - 1 : end,
    );
    openDepth = isFlowed && newline >= 0 ? depth : -1;
    if (!isFlowed && newline >= 0) length = put(result, length, LF);
    start = end + 1;
  }
  return result.subarray(0, length);
}

function put(bytes: Buffer, at: number, byte: number): number {
  bytes[at] = byte;
  return at + 1;
}
