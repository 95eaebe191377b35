// A lenient parser for the header block of a message or a part: everything before the first empty line. The emulator
// has its own parser, so that it shares no bug with the system under test.

export interface Header {
  name: string;
  /** Unfolded but not decoded. */
  value: string;
}

export interface Headers {
  readonly all: readonly Header[];
  /** The first header with this name (lower case), unfolded; undefined if there is none. */
  get(name: string): string | undefined;
}

/** The end of the header block is searched within this limit only. */
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

/** Offsets in `bytes`: the end of the header block (`start`) and the beginning of the body (`bodyStart`). */
export function headerEnd(bytes: Buffer): { start: number; bodyStart: number } {
  // A part without headers begins with an empty line.
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
