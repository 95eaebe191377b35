/** Decides whether a malformed line is still among the headers or begins a body. Used by `header-block.ts`. */

import { isHeader } from './header-lines.ts';

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** Maximum distance from a line that is not a header to the empty line for the header to continue. */
const LOOK_AHEAD_BYTES = 8192;

/** Looks ahead from the malformed lines of one block, which must be passed in order. */
export class LookAhead {
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
