/**
 * Reads the tree of parts of a message in one pass over its bytes. A part's body is a view on them, neither copied
 * nor decoded. Invariant: every byte between two boundaries belongs to exactly one part. Nesting and number of parts
 * are bounded; the content beyond a bound is kept as one part.
 */

import { CharsetGuess } from '../encoding/charset-guess.ts';
import { decodeTransfer, encodingName } from '../encoding/transfer-encoding.ts';
import { type HeaderBlock, HeaderFields, readHeaderBlock } from '../headers/header-block.ts';
import { endOfLine, isBlank } from '../headers/header-lines.ts';
import type { ParseBudget } from '../parse-budget.ts';
import type { Defects } from '../parsed-email.ts';
import { DelimiterScan, guessBoundary, isFirstText, isOnly, type Level } from './delimiter-scan.ts';
import { isMultipart, joinPath, type Part } from './part.ts';
import { readPartHeader } from './part-header.ts';

/** Nested multiparts. Email clients stay below ten. */
const MAX_DEPTH = 50;

export interface TreeOptions {
  readonly defects: Defects;
  readonly budget: ParseBudget;
  /** Path of the part that contains the message; null for the email itself. */
  readonly parentPath: string | null;
}

/** @throws {ParseBudgetExceeded} */
export function readPartTree(message: Buffer, options: TreeOptions): Part {
  return new TreeReader(message, options).read();
}

class TreeReader {
  readonly #defects: Defects;
  readonly #budget: ParseBudget;
  readonly #parentPath: string | null;
  readonly #message: Buffer;
  readonly #guess: CharsetGuess;

  constructor(message: Buffer, { defects, budget, parentPath }: TreeOptions) {
    this.#message = message;
    this.#guess = new CharsetGuess(message);
    this.#defects = defects;
    this.#budget = budget;
    this.#parentPath = parentPath;
  }

  read(): Part {
    const block = readHeaderBlock(this.#message, 0, () => false, this.#defects, this.#guess);
    const root = this.#newPart(null, block.fields);
    root.body = this.#message.subarray(block.bodyStart);
    if (isMultipart(root)) this.#open(root);
    else this.#openText(root);
    return root;
  }

  /** Splits text that is in fact a multipart: its declared boundary occurs in it, or it has no type and begins with a boundary. */
  #openText(part: Part): void {
    const { boundary, type } = part.header;
    const shown = guessBoundary(part.body);
    if (shown === null) return;
    if (shown !== boundary && (type !== null || !isFirstText(part.body, shown))) return;
    this.#defects.add('boundary_guessed');
    part.type = 'multipart/mixed';
    this.#split(part, shown);
  }

  /** Splits a multipart by its boundary, and recovers when the boundary gives no parts. */
  #open(part: Part): void {
    if (part.header.boundary !== null) this.#split(part, part.header.boundary);
    if (part.children.length === 0) this.#recover(part);
  }

  #recover(part: Part): void {
    if (isBlank(part.body, 0, part.body.length)) {
      this.#defects.add('boundary_missing');
      return;
    }
    const { boundary, transferEncoding } = part.header;
    if (boundary !== null && isOnly(part.body, `--${boundary}--`)) {
      this.#defects.add('boundary_missing');
      part.body = part.body.subarray(0, 0);
      return;
    }
    const encoding = encodingName(transferEncoding);
    if (boundary !== null && (encoding === 'base64' || encoding === 'quoted-printable')) {
      // The standard forbids it, but some senders encode the whole multipart.
      if (!this.#budget.mayDecode(part.body.length)) {
        this.#defects.add('parse_budget_exceeded');
        part.isWhole = true;
        return;
      }
      const decoded = decodeTransfer(part.body, transferEncoding, new Set());
      if (decoded.includes(`--${boundary}`)) {
        this.#defects.add('multipart_encoded');
        part.body = decoded;
        this.#split(part, boundary);
        return;
      }
    }
    const guess = guessBoundary(part.body);
    if (guess === null) {
      this.#defects.add('boundary_missing');
      return;
    }
    this.#defects.add('boundary_guessed');
    this.#split(part, guess);
  }

  #split(container: Part, boundary: string): void {
    const bytes = container.body;
    const scan = new DelimiterScan(bytes);
    const unopened: Part[] = [];
    let open: Level[] = [scan.push(container, boundary, 0)];
    /** The part whose body is being read: a leaf, or a multipart before its first boundary. */
    let current: Part | null = container;
    let from = 0;

    const close = (levels: Level[], end: number): void => {
      for (const level of levels) {
        scan.pop(level);
        const { part } = level;
        if (part.children.length > 0) {
          if (!level.isClosed) this.#defects.add('closing_boundary_missing');
          continue;
        }
        part.body = bytes.subarray(level.bodyStart, Math.max(level.bodyStart, end));
        if (part !== container) unopened.push(part);
      }
    };

    for (;;) {
      const delimiter = scan.next(from);
      const end = Math.max(from, delimiter?.contentEnd ?? bytes.length);
      if (current !== null)
        current.body = current.isWhole
          ? bytes.subarray(bytes.length - current.body.length, end)
          : bytes.subarray(from, end);
      else if (!isBlank(bytes, from, end)) {
        const rest = this.#partsAfterEnd(container, bytes.subarray(from, end));
        if (rest !== null) unopened.push(rest);
      }
      if (delimiter === null) break;

      const depth = open.indexOf(delimiter.level) + 1;
      close(open.slice(depth), end);
      open = open.slice(0, depth);
      const { level } = delimiter;
      if (delimiter.isClosing) {
        level.isClosed = true;
        current = null;
        from = delimiter.end;
        continue;
      }
      if (level.isClosed) this.#defects.add('part_after_end');
      level.isClosed = false;

      const block = this.#readHeaders(bytes, delimiter.end, scan);
      current = this.#newPart(level.part, block.fields);
      from = block.bodyStart;
      this.#budget.checkTime();
      this.#budget.parts -= 1;
      if (this.#budget.parts <= 0) {
        this.#defects.add('parts_too_many');
        current.isWhole = true;
        current.body = bytes.subarray(delimiter.end);
        break;
      }
      if (!isMultipart(current)) {
        if (current.header.boundary !== null) unopened.push(current);
        continue;
      }
      if (current.depth > MAX_DEPTH) {
        this.#defects.add('nesting_too_deep');
        current.isWhole = true;
        current.body = bytes.subarray(delimiter.end);
      } else if (current.header.boundary === null) {
        unopened.push(current);
      } else {
        open.push(scan.push(current, current.header.boundary, from));
      }
    }
    close(open, bytes.length);
    for (const part of unopened) {
      if (isMultipart(part)) this.#recover(part);
      else this.#openText(part);
    }
  }

  /** What follows a closing boundary: parts below a boundary that the sender misspelled, or else text, which is omitted. */
  #partsAfterEnd(container: Part, rest: Buffer): Part | null {
    // Without a limit, each of many closing boundaries would add a part, or each rest would contain another.
    const mayAdd =
      container.header.boundary !== null && container.depth <= MAX_DEPTH && this.#budget.parts > 1;
    if (!mayAdd || guessBoundary(rest) === null) {
      this.#defects.add('text_after_end');
      return null;
    }
    this.#defects.add('part_after_end');
    this.#budget.parts -= 1;
    const part = this.#newPart(container, new HeaderFields(this.#guess));
    part.type = 'multipart/mixed';
    part.body = rest;
    return part;
  }

  /** Only Content headers have a meaning in a part (RFC 2046, 5.1). Without any, lines such as `Order: 5 pcs` are its text. */
  #readHeaders(bytes: Buffer, from: number, scan: DelimiterScan): HeaderBlock {
    const defects: Defects = new Set();
    const start = this.#afterEmptyLine(bytes, from);
    const block = readHeaderBlock(bytes, start, (at) => scan.match(at) !== null, defects, this.#guess);
    const head = bytes.toString('latin1', start, block.bodyStart);
    if (head.trim() !== '' && !/^content-[a-z-]+[ \t]*:/im.test(head)) {
      this.#defects.add('header_separator_missing');
      return { fields: new HeaderFields(this.#guess), bodyStart: start };
    }
    for (const defect of defects) this.#defects.add(defect);
    return block;
  }

  /** Some programs write an empty line between the boundary and the headers. Read as the end of the headers, a file would be text. */
  #afterEmptyLine(bytes: Buffer, from: number): number {
    const end = endOfLine(bytes, from);
    const next = bytes.toString('latin1', end, end + 40);
    const isSkipped =
      isBlank(bytes, from, end) && /^content-(?:type|disposition|transfer-encoding)[ \t]*:/i.test(next);
    if (isSkipped) this.#defects.add('leading_lines');
    return isSkipped ? end : from;
  }

  #newPart(parent: Part | null, fields: HeaderFields): Part {
    const header = readPartHeader(fields, this.#defects);
    const number = (parent?.children.length ?? 0) + 1;
    const around = parent === null ? (this.#parentPath ?? '') : parent.path;
    const assumed = parent?.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
    const type = header.isBrokenMultipart ? 'multipart/mixed' : (header.type ?? assumed);
    const part: Part = {
      path: parent === null && type.startsWith('multipart/') ? around : joinPath(around, number),
      parentPath: this.#parentPath,
      parent,
      depth: (parent?.depth ?? 0) + 1,
      header,
      fields,
      type,
      children: [],
      opened: null,
      body: Buffer.alloc(0),
      isWhole: false,
    };
    parent?.children.push(part);
    return part;
  }
}
