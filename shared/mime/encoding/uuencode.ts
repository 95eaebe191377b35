/** Uuencode, the email encoding before MIME: `begin 644 name`, lines that begin with their length, `end`. */

import type { Defects } from '../parsed-email.ts';

export interface UuencodedFile {
  readonly name: string;
  readonly content: Buffer;
}

interface Block extends UuencodedFile {
  readonly start: number;
  readonly end: number;
  readonly isComplete: boolean;
}

const LF = 0x0a;
/** Files in one text. Emails of old systems have one or two. */
const MAX_FILES = 100;
const NEXT_BEGIN = Buffer.from('\nbegin');

/** The bytes of the first block of a body that is declared as uuencode; without a block the input itself, with a defect. */
export function decodeUuencode(bytes: Buffer, defects: Defects): Buffer {
  for (const block of findBlocks(bytes)) {
    if (!block.isComplete) defects.add('uuencode_damaged');
    return block.content;
  }
  defects.add('uuencode_damaged');
  return bytes;
}

/** Takes the uuencoded files out of a plain text, as email clients do. A text without such files is returned unchanged. */
export function extractUuencoded(
  text: Buffer,
  defects: Defects,
): { readonly text: Buffer; readonly files: readonly UuencodedFile[] } {
  const blocks: Block[] = [];
  for (const block of findBlocks(text)) {
    if (blocks.length === MAX_FILES) {
      defects.add('parts_too_many');
      break;
    }
    blocks.push(block);
  }
  if (blocks.length === 0) return { text, files: [] };
  const pieces: Buffer[] = [];
  let position = 0;
  for (const block of blocks) {
    if (!block.isComplete) defects.add('uuencode_damaged');
    pieces.push(text.subarray(position, block.start));
    position = block.end;
  }
  pieces.push(text.subarray(position));
  return { text: Buffer.concat(pieces), files: blocks };
}

/** A `begin` line counts only when a data line follows it, because prose may also begin with that word. */
function* findBlocks(bytes: Buffer): Generator<Block> {
  let at = bytes.subarray(0, 5).toString('latin1') === 'begin' ? 0 : nextBegin(bytes, 0);
  while (at >= 0) {
    const block = readBlock(bytes, at);
    if (block !== null) yield block;
    at = nextBegin(bytes, block === null ? at : block.end - 1);
  }
}

function nextBegin(bytes: Buffer, from: number): number {
  const hit = bytes.indexOf(NEXT_BEGIN, Math.max(0, from));
  return hit < 0 ? -1 : hit + 1;
}

function readBlock(bytes: Buffer, start: number): Block | null {
  const head = /^begin(-base64)? [0-7]{3,4} ([^\r\n]{1,400})\r?\n/.exec(
    bytes.toString('latin1', start, start + 440),
  );
  if (head === null) return null;
  const bodyStart = start + head[0].length;
  const name = (head[2] ?? '').trim();
  return head[1] === undefined
    ? readLines(bytes, start, bodyStart, name)
    : readBase64(bytes, start, bodyStart, name);
}

function readLines(bytes: Buffer, start: number, bodyStart: number, name: string): Block | null {
  let size = 0;
  let isComplete = false;
  let end = bodyStart;
  for (const line of linesFrom(bytes, bodyStart)) {
    if (isEnd(bytes, line)) {
      isComplete = true;
      end = line.next;
      break;
    }
    if (line.end > line.start && !isDataLine(bytes, line.start, line.end)) break;
    if (line.end > line.start) size += sixBits(bytes[line.start]);
    end = line.next;
  }
  if (size === 0) return null;
  // A second pass, so that the file is one piece of memory and not one per line.
  const content = Buffer.allocUnsafe(size);
  let length = 0;
  for (const line of linesFrom(bytes, bodyStart)) {
    if (line.start >= end || isEnd(bytes, line)) break;
    if (line.end > line.start) length += decodeLine(bytes, line, content, length);
  }
  return { name, content, start, end, isComplete };
}

interface Line {
  readonly start: number;
  /** Without the line break. */
  readonly end: number;
  readonly next: number;
}

function* linesFrom(bytes: Buffer, from: number): Generator<Line> {
  for (let start = from; start < bytes.length; ) {
    const newline = bytes.indexOf(LF, start);
    const next = newline < 0 ? bytes.length : newline + 1;
    let end = newline < 0 ? bytes.length : newline;
    if (end > start && bytes[end - 1] === 0x0d) end -= 1;
    yield { start, end, next };
    start = next;
  }
}

function isEnd(bytes: Buffer, { start, end }: Line): boolean {
  return end - start < 6 && bytes.toString('latin1', start, end).trimEnd() === 'end';
}

/** Whether the line's length matches its first character. Trailing spaces, which encode zeros, may be missing. */
function isDataLine(bytes: Buffer, start: number, end: number): boolean {
  if (end - start > 90) return false;
  const digits = Math.ceil(sixBits(bytes[start]) / 3) * 4;
  const length = end - start - 1;
  if (length > digits + 2 || length < digits / 2 - 3) return false;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x20 || byte > 0x60) return false;
  }
  return true;
}

/** @returns bytes written */
function decodeLine(bytes: Buffer, { start, end }: Line, decoded: Buffer, from: number): number {
  const count = sixBits(bytes[start]);
  for (let done = 0, group = start + 1; done < count; done += 3, group += 4) {
    const digit = (offset: number): number => sixBits(group + offset < end ? bytes[group + offset] : 0x20);
    const word = (digit(0) << 18) | (digit(1) << 12) | (digit(2) << 6) | digit(3);
    decoded[from + done] = word >> 16;
    if (done + 1 < count) decoded[from + done + 1] = word >> 8;
    if (done + 2 < count) decoded[from + done + 2] = word;
  }
  return count;
}

/** `begin-base64`, which ends in `====`. */
function readBase64(bytes: Buffer, start: number, bodyStart: number, name: string): Block | null {
  let end = bodyStart;
  let contentEnd = bodyStart;
  let isComplete = false;
  for (const line of linesFrom(bytes, bodyStart)) {
    const text = bytes.toString('latin1', line.start, Math.min(line.end, line.start + 200));
    isComplete = text.startsWith('====');
    if (!isComplete && !/^[A-Za-z0-9+/=]*$/.test(text)) break;
    end = line.next;
    if (isComplete) break;
    contentEnd = line.next;
  }
  const content = Buffer.from(bytes.toString('latin1', bodyStart, contentEnd), 'base64');
  return content.length === 0 ? null : { name, content, start, end, isComplete };
}

function sixBits(byte: number | undefined): number {
  // A backquote replaces a space and encodes zero.
  return ((byte ?? 0x20) - 0x20) & 0x3f;
}
