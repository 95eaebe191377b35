/**
 * The tree of parts of a message, read in one pass over its bytes. A part's body is a view on them, neither
 * copied nor decoded. Every byte between two boundaries belongs to exactly one part; nesting and number of
 * parts are bounded, and what lies beyond a bound is kept whole as one part.
 */

import { DelimiterScan, type Level } from './delimiter-scan.ts';
import { type HeaderFields, isBlank, readHeaderBlock } from '../headers/header-block.ts';
import type { Defects } from '../parsed-email.ts';
import { type PartHeader, readPartHeader } from './part-header.ts';
import { decodeTransfer, encodingName } from '../encoding/transfer-encoding.ts';

/** Multiparts within multiparts. Mail programs stay below ten. */
const MAX_DEPTH = 50;
/** Parts in one message. Digests and photo albums reach some hundreds. */
const MAX_PARTS = 5000;

export interface Part {
  /** `1`, `2.1`; empty for a multipart that is the message itself. */
  readonly path: string;
  readonly parent: Part | null;
  readonly depth: number;
  readonly header: PartHeader;
  readonly fields: HeaderFields;
  /** The declared type, or what the standards assume where none is declared. */
  readonly type: string;
  readonly children: Part[];
  /** As transferred. Of a multipart with children: what precedes the first. */
  body: Buffer;
  /** True when the body is the whole rest of the message or a multipart left closed, headers included. */
  isWhole: boolean;
}

export function readPartTree(message: Buffer, defects: Defects): Part {
  return new TreeReader(defects).read(message);
}

/** The parts that are not opened multiparts, in the order of the message. */
export function leaves(root: Part): Part[] {
  const found: Part[] = [];
  const pending = [root];
  for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
    if (part.children.length > 0) {
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
  #count = 0;

  constructor(defects: Defects) {
    this.#defects = defects;
  }

  read(message: Buffer): Part {
    const block = readHeaderBlock(message, 0, () => false, this.#defects);
    const root = this.#newPart(null, block.fields);
    root.body = message.subarray(block.bodyStart);
    if (isMultipart(root)) this.#open(root);
    return root;
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
      this.#count += 1;
      if (this.#count >= MAX_PARTS) {
        this.#defects.add('parts_too_many');
        current.isWhole = true;
        current.body = bytes.subarray(delimiter.end);
        break;
      }
      if (!isMultipart(current)) continue;
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
    for (const part of unopened) this.#recover(part);
  }

  #newPart(parent: Part | null, fields: HeaderFields): Part {
    const header = readPartHeader(fields, this.#defects);
    const number = (parent?.children.length ?? 0) + 1;
    const path = parent === null || parent.path === '' ? `${number}` : `${parent.path}.${number}`;
    const assumed = parent?.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
    const type = header.type ?? assumed;
    const part: Part = {
      path: parent === null && type.startsWith('multipart/') ? '' : path,
      parent,
      depth: (parent?.depth ?? 0) + 1,
      header,
      fields,
      type,
      children: [],
      body: Buffer.alloc(0),
      isWhole: false,
    };
    parent?.children.push(part);
    return part;
  }
}

/** The boundary that a body's first lines show: a line `--x` with a `Content-` header or an end below it. */
function guessBoundary(body: Buffer): string | null {
  // Looked for at the head only: a guess is for a damaged header, not for text that quotes a mail.
  const head = body.toString('latin1', 0, 4096);
  return (
    /^--([^\s-][^\r\n]{0,200}?|-[^\r\n]{1,200}?)[ \t]*\r?\nContent-[a-z-]+[ \t]*:/im.exec(head)?.[1] ?? null
  );
}
