/**
 * The tree of parts of a message, read in one pass over its bytes. A part's body is a view on them, neither
 * copied nor decoded. Every byte between two boundaries belongs to exactly one part; nesting and number of
 * parts are bounded, and what lies beyond a bound is kept whole as one part.
 */

import { decodeTransfer, encodingName } from '../encoding/transfer-encoding.ts';
import { type HeaderFields, isBlank, readHeaderBlock } from '../headers/header-block.ts';
import type { ParseBudget } from '../parse-budget.ts';
import type { Defects } from '../parsed-email.ts';
import { DelimiterScan, type Level } from './delimiter-scan.ts';
import { type PartHeader, readPartHeader } from './part-header.ts';

/** Multiparts within multiparts. Mail programs stay below ten. */
const MAX_DEPTH = 50;

export interface Part {
  /** `1`, `2.1`; of a multipart that is the message itself that of the part that holds the message, empty for the email. */
  readonly path: string;
  /** The path of the file that holds it: an attached message, signed data; null for a part of the email itself. */
  readonly holder: string | null;
  readonly parent: Part | null;
  readonly depth: number;
  readonly header: PartHeader;
  readonly fields: HeaderFields;
  /** The declared type, or what the standards assume where none is declared. */
  type: string;
  readonly children: Part[];
  /** The message inside, when the part is signed data that was opened. */
  opened: Part | null;
  /** As transferred. Of a multipart with children: what precedes the first. */
  body: Buffer;
  /** True when the body is the whole rest of the message or a multipart left closed, headers included. */
  isWhole: boolean;
}

export interface TreeOptions {
  readonly defects: Defects;
  readonly budget: ParseBudget;
  /** Of the part that holds the message; null for the email itself. */
  readonly holder: string | null;
}

/** @throws {ParseBudgetExceeded} */
export function readPartTree(message: Buffer, options: TreeOptions): Part {
  return new TreeReader(options).read(message);
}

/** The parts that are not opened multiparts, in the order of the message; those inside of signed data behind it. */
export function leaves(root: Part): Part[] {
  const found: Part[] = [];
  const pending = [root];
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part.opened !== null) {
      found.push(part);
      pending.push(part.opened);
    } else if (part.children.length > 0) {
      pending.push(...part.children.toReversed());
    } else if (!isMultipart(part) || part.isWhole || !isBlank(part.body, 0, part.body.length)) {
      found.push(part);
    }
  }
  return found;
}

export function isMultipart(part: Part): boolean {
  return part.type.startsWith('multipart/');
}

class TreeReader {
  readonly #defects: Defects;
  readonly #budget: ParseBudget;
  readonly #holder: string | null;

  constructor({ defects, budget, holder }: TreeOptions) {
    this.#defects = defects;
    this.#budget = budget;
    this.#holder = holder;
  }

  read(message: Buffer): Part {
    const block = readHeaderBlock(message, 0, () => false, this.#defects);
    const root = this.#newPart(null, block.fields);
    root.body = message.subarray(block.bodyStart);
    if (isMultipart(root)) this.#open(root);
    else this.#openText(root);
    return root;
  }

  /** Text that is a multipart all the same: it names a boundary and has it, or has no type and begins with one. */
  #openText(part: Part): void {
    const { boundary, type } = part.header;
    const shown = guessBoundary(part.body);
    if (shown === null) return;
    if (shown !== boundary && (type !== null || !isFirstText(part.body, shown))) return;
    this.#defects.add('boundary_guessed');
    part.type = 'multipart/mixed';
    this.#split(part, shown);
  }

  /** Fills a multipart from its body, with what can be done when its own boundary does not do it. */
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
    const encoding = encodingName(transferEncoding);
    if (boundary !== null && (encoding === 'base64' || encoding === 'quoted-printable')) {
      // Forbidden, but seen: the whole multipart was encoded.
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
    /** The part whose body is being passed: a leaf, or a multipart before its first boundary. */
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
      else if (!isBlank(bytes, from, end)) this.#defects.add('text_after_end');
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

      const block = readHeaderBlock(bytes, delimiter.end, (at) => scan.match(at) !== null, this.#defects);
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

  #newPart(parent: Part | null, fields: HeaderFields): Part {
    const header = readPartHeader(fields, this.#defects);
    const number = (parent?.children.length ?? 0) + 1;
    const around = parent === null ? (this.#holder ?? '') : parent.path;
    const assumed = parent?.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
    const type = header.isBrokenMultipart ? 'multipart/mixed' : (header.type ?? assumed);
    const part: Part = {
      path: parent === null && type.startsWith('multipart/') ? around : joinPath(around, number),
      holder: this.#holder,
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

/** `2` and `1`: `2.1`. */
export function joinPath(around: string, number: number): string {
  return around === '' ? `${number}` : `${around}.${number}`;
}

/** Whether a boundary is the first text of a body, but for the usual words to old mail programs, and closes in it. */
function isFirstText(body: Buffer, boundary: string): boolean {
  const head = body.toString('latin1', 0, 1024).trimStart();
  const isFirst = head.startsWith(`--${boundary}`) || /^This is a multi-?part message/i.test(head);
  return isFirst && body.includes(`--${boundary}--`, 0, 'latin1');
}

/** The boundary that a body's first lines show: a line `--x` with a `Content-` header or an end below it. */
function guessBoundary(body: Buffer): string | null {
  // Looked for at the head only: a guess is for a damaged header, not for text that quotes a mail.
  const head = body.toString('latin1', 0, 4096);
  return (
    /^--([^\s-][^\r\n]{0,200}?|-[^\r\n]{1,200}?)[ \t]*\r?\nContent-[a-z-]+[ \t]*:/im.exec(head)?.[1] ?? null
  );
}
