/**
 * Finds the boundary lines of the multiparts that are open at a position of a message. Each line is examined once,
 * and only when it begins with two hyphens, so a scan is linear at any nesting depth. Also guesses a boundary that no header
 * declares.
 */

import { endOfLine, isBlank } from '../headers/header-lines.ts';
import type { Part } from './part.ts';

/** A multipart whose boundary the scan looks for. */
export interface Level {
  readonly part: Part;
  readonly delimiter: string;
  readonly depth: number;
  readonly bodyStart: number;
  isClosed: boolean;
}

export interface Delimiter {
  readonly level: Level;
  readonly isClosing: boolean;
  /** Where the content before it ends: the line break before a boundary belongs to the boundary. */
  readonly contentEnd: number;
  /** Where the line after it begins. */
  readonly end: number;
}

const CR = 0x0d;
const LF = 0x0a;
const LINE_WITH_HYPHENS = Buffer.from('\n--');

export class DelimiterScan {
  readonly #bytes: Buffer;
  readonly #levels = new Map<string, Level[]>();
  #depth = 0;
  #longest = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  push(part: Part, boundary: string, bodyStart: number): Level {
    // Compared as bytes: a boundary outside ASCII was decoded as UTF-8 by the header reader.
    const delimiter = Buffer.from(`--${boundary}`, 'utf8').toString('latin1');
    this.#depth += 1;
    const level: Level = { part, delimiter, depth: this.#depth, bodyStart, isClosed: false };
    this.#levels.set(delimiter, [...(this.#levels.get(delimiter) ?? []), level]);
    this.#longest = Math.max(this.#longest, delimiter.length);
    return level;
  }

  pop(level: Level): void {
    const left = (this.#levels.get(level.delimiter) ?? []).filter((other) => other !== level);
    if (left.length > 0) this.#levels.set(level.delimiter, left);
    else this.#levels.delete(level.delimiter);
  }

  /** The first boundary line at or after `from`, which must be the start of a line; null when there is none. */
  next(from: number): Delimiter | null {
    let lineStart = from;
    for (;;) {
      if (this.#bytes[lineStart] === 0x2d && this.#bytes[lineStart + 1] === 0x2d) {
        const found = this.match(lineStart);
        if (found !== null) return found;
      }
      const hit = this.#bytes.indexOf(LINE_WITH_HYPHENS, lineStart);
      if (hit < 0) return null;
      lineStart = hit + 1;
    }
  }

  /** The boundary on this line, optionally followed by white space; null when the line is not a boundary. */
  match(lineStart: number): Delimiter | null {
    const bytes = this.#bytes;
    const end = endOfLine(bytes, lineStart);
    let textEnd = end;
    while (textEnd > lineStart && isWhite(bytes[textEnd - 1])) textEnd -= 1;
    if (textEnd - lineStart > this.#longest + 2) return null;
    const text = bytes.toString('latin1', lineStart, textEnd);
    const opening = this.#innermost(text);
    const closing = text.endsWith('--') ? this.#innermost(text.slice(0, -2)) : null;
    const level = closing !== null && (opening === null || closing.depth > opening.depth) ? closing : opening;
    if (level === null) return null;
    let contentEnd = lineStart;
    if (bytes[contentEnd - 1] === LF) contentEnd -= bytes[contentEnd - 2] === CR ? 2 : 1;
    return { level, isClosing: level === closing, contentEnd, end };
  }

  /** An open multipart takes precedence over a closed one: nested multiparts may use the same boundary. */
  #innermost(delimiter: string): Level | null {
    const levels = this.#levels.get(delimiter);
    return levels?.findLast((level) => !level.isClosed) ?? levels?.at(-1) ?? null;
  }
}

function isWhite(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === CR || byte === LF;
}

/** Whether a body begins with this boundary, after an optional notice to old email clients, and contains its closing line. */
export function isFirstText(body: Buffer, boundary: string): boolean {
  const head = body.toString('latin1', 0, 1024).trimStart();
  const isFirst = head.startsWith(`--${boundary}`) || /^This is a multi-?part message/i.test(head);
  return isFirst && body.includes(`--${boundary}--`, 0, 'latin1');
}

/** Guesses the boundary from the first lines of a body: a line `--x` followed by a `Content-` header. */
export function guessBoundary(body: Buffer): string | null {
  // Only the first bytes are searched: the guess is for a damaged header, not for text that quotes an email.
  const head = body.toString('latin1', 0, 4096);
  return (
    /^--([^\s-][^\r\n]{0,200}?|-[^\r\n]{1,200}?)[ \t]*\r?\nContent-[a-z-]+[ \t]*:/im.exec(head)?.[1] ?? null
  );
}

/** True when the bytes are this text with white space around it. */
export function isOnly(bytes: Buffer, text: string): boolean {
  const end = text.length + 100;
  return bytes.toString('latin1', 0, end).trim() === text && isBlank(bytes, end, bytes.length);
}
