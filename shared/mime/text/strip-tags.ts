/**
 * Extracts the text of HTML in one pass: removes tags, scripts and comments, puts blocks on lines and separates cells by tabs.
 * Used for HTML that is too large for the library, and to compare the two forms of a message. Linear for any input.
 */

import { decodeHTML } from 'entities/decode';

const LT = 0x3c;
const GT = 0x3e;
const AMPERSAND = 0x26;
const SPACE = 0x20;
const TAB = 0x09;
const LF = 0x0a;

const BLOCKS: ReadonlySet<string> = new Set(
  'address article aside blockquote br caption center dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr legend li main nav ol option p pre section summary table tbody tfoot thead tr ul'.split(
    ' ',
  ),
);
const CELLS: ReadonlySet<string> = new Set(['td', 'th']);
/** Elements whose content is not shown. */
const UNREAD: ReadonlySet<string> = new Set(['head', 'script', 'style', 'template', 'title']);

/** White space is collapsed as in a browser; the result is trimmed. */
export function stripTags(html: string): string {
  return withoutInvisible(new Stripper(Buffer.from(html, 'utf8')).strip());
}

/** Without soft hyphens, zero-width spaces and the like: senders let long item numbers wrap at them. */
export function withoutInvisible(text: string): string {
  return text.replace(/[\u034f\u00ad\u200b\u2060\ufeff]/g, '');
}

class Stripper {
  readonly #html: Buffer;
  /** At most six bytes for `&nGt;`: every tag and every other character reference has a shorter replacement. */
  readonly #text: Buffer;
  #length = 0;
  /** Where the text of the open cell begins; -1 after its end. */
  #cellStart = -1;
  /** Set when the rest has no end of a tag, or of a comment, so that it is not searched again. */
  #noTagEnd = false;
  #noCommentEnd = false;
  readonly #noElementEnd = new Set<string>();

  constructor(html: Buffer) {
    this.#html = html;
    this.#text = Buffer.allocUnsafe(Math.ceil(html.length * 1.2) + 1);
  }

  strip(): string {
    const html = this.#html;
    let at = 0;
    while (at < html.length) {
      const byte = html[at] ?? 0;
      if (byte === LT) at = this.#readTag(at);
      else if (byte === AMPERSAND) at = this.#readCharacter(at);
      else {
        if (byte <= SPACE) this.#putWhite(SPACE);
        else this.#put(byte);
        at += 1;
      }
    }
    return this.#text.toString('utf8', 0, this.#length).trim();
  }

  #put(byte: number): void {
    this.#text[this.#length] = byte;
    this.#length += 1;
  }

  /** A line break replaces a tab, and a tab replaces a space. Lines do not begin with white space. */
  #putWhite(white: number): void {
    const last = this.#length === 0 ? LF : this.#text[this.#length - 1];
    if (white === LF) {
      while (this.#length > 0 && isWhite(this.#text[this.#length - 1]) && this.#text[this.#length - 1] !== LF)
        this.#length -= 1;
      if (this.#length > 0 && this.#text[this.#length - 1] !== LF) this.#put(LF);
    } else if (white === TAB) {
      if (last === SPACE) this.#length -= 1;
      if (last !== LF && last !== TAB) this.#put(TAB);
    } else if (!isWhite(last)) {
      this.#put(SPACE);
    }
  }

  /** A cell is separated by a tab. The line breaks of a block at its beginning or end would split the row. */
  #putCell(isEnd: boolean): void {
    const isBroken = this.#length > this.#cellStart && this.#text[this.#length - 1] === LF;
    if (isEnd && isBroken && this.#cellStart >= 0) this.#length -= 1;
    this.#putWhite(TAB);
    this.#cellStart = isEnd ? -1 : this.#length;
  }

  /** @returns the offset to continue at */
  #readTag(at: number): number {
    const html = this.#html;
    const next = html[at + 1] ?? 0;
    if (next === 0x21 && html[at + 2] === 0x2d && html[at + 3] === 0x2d && !this.#noCommentEnd) {
      const end = html.indexOf('-->', at + 4);
      if (end >= 0) return end + 3;
      this.#noCommentEnd = true;
    }
    const isTag = next === 0x2f || next === 0x21 || next === 0x3f || isLetter(next);
    if (!isTag || this.#noTagEnd) {
      this.#put(LT);
      return at + 1;
    }
    const end = html.indexOf(GT, at + 1);
    if (end < 0) {
      this.#noTagEnd = true;
      this.#put(LT);
      return at + 1;
    }
    const name =
      /^[a-z][a-z0-9]*/i
        .exec(html.toString('latin1', next === 0x2f ? at + 2 : at + 1, at + 14))?.[0]
        .toLowerCase() ?? '';
    if (CELLS.has(name)) this.#putCell(next === 0x2f);
    else if (BLOCKS.has(name) && (name === 'tr' || this.#length !== this.#cellStart)) this.#putWhite(LF);
    if (next !== 0x2f && UNREAD.has(name)) return this.#endOfElement(name, end + 1);
    return end + 1;
  }

  #endOfElement(name: string, from: number): number {
    if (this.#noElementEnd.has(name)) return from;
    const html = this.#html;
    for (let at = html.indexOf('</', from); at >= 0; at = html.indexOf('</', at + 2)) {
      if (html.toString('latin1', at + 2, at + 2 + name.length).toLowerCase() === name) return at;
    }
    this.#noElementEnd.add(name);
    return from;
  }

  /** @returns the offset to continue at */
  #readCharacter(at: number): number {
    // The longest name has 31 characters.
    const near = this.#html.toString('latin1', at, at + 34);
    const reference = /^&(?:#x?[\da-f]{1,8}|[a-z][a-z\d]{1,31});?/i.exec(near)?.[0] ?? '&';
    const text = decodeHTML(reference).replace('\u00a0', ' ');
    if (text.length === 1 && text <= ' ') this.#putWhite(SPACE);
    else this.#length += this.#text.write(text, this.#length, 'utf8');
    return at + reference.length;
  }
}

function isWhite(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === LF;
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}
