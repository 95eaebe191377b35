// The header block of a mail or of one of its parts, read leniently: whatever stands before the first empty
// line. The emulator has a reader of its own, so that it does not share a fault with the system under test.

export interface Header {
  name: string;
  /** Unfolded, as sent; not decoded. */
  value: string;
}

export interface Headers {
  readonly all: readonly Header[];
  /** The first header of that name (lower case), unfolded; undefined when there is none. */
  get(name: string): string | undefined;
}

/** A header block longer than this is taken for garbage rather than searched to its end. */
const headerLimitBytes = 1 << 20;

/** The headers at the start of `bytes`. Raw bytes above ASCII are read as UTF-8. */
export function parseHeaders(bytes: Buffer): Headers {
  const text = bytes.subarray(0, headerEnd(bytes).start).toString('utf8');
  const all: Header[] = [];
  for (const line of text.replace(/\r?\n(?=[ \t])/g, '').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0) all.push({ name: line.slice(0, colon).trim(), value: line.slice(colon + 1).trim() });
  }
  return {
    all,
    get: (name) => all.find((header) => header.name.toLowerCase() === name)?.value,
  };
}

/** Where the header block stops (`start`) and the body begins (`bodyStart`), as offsets in `bytes`. */
export function headerEnd(bytes: Buffer): { start: number; bodyStart: number } {
  // A part without headers begins with its empty line.
  if (bytes[0] === 0x0a) return { start: 0, bodyStart: 1 };
  if (bytes[0] === 0x0d && bytes[1] === 0x0a) return { start: 0, bodyStart: 2 };
  const head = bytes.subarray(0, headerLimitBytes);
  const crlf = head.indexOf('\r\n\r\n');
  const lf = head.indexOf('\n\n');
  if (crlf < 0 && lf < 0) return { start: head.length, bodyStart: head.length };
  return lf >= 0 && (crlf < 0 || lf < crlf)
    ? { start: lf, bodyStart: lf + 2 }
    : { start: crlf, bodyStart: crlf + 4 };
}
