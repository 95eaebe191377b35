/**
 * Splits the text of an address header into mailboxes. It finds addresses first and reads the text around them as names,
 * so that punctuation within a name does not split it. Encoded words are one unit here: `addresses.ts` decodes them.
 */

import { maskOpaque } from './address-masks.ts';
import { addressesWithin, bareMailboxes, type Mailbox, unquoted } from './mailbox-text.ts';

export function splitMailboxes(text: string): Mailbox[] {
  // Web applications escape what they take for HTML.
  return new MailboxSplitter(text.replace(/&lt;([^\s<>&"@]+@[^\s<>&"@]+)&gt;/g, '<$1>')).split();
}

class MailboxSplitter {
  readonly #text: string;
  /** The text with everything opaque (encoded words, quoted strings, comments) covered: same length, no punctuation. */
  readonly #shape: string;
  readonly #found: Mailbox[] = [];
  /** `root@server` is an address when the header has no brackets. */
  readonly #takesHosts: boolean;
  /** Where the name of the next mailbox begins. */
  #nameStart = 0;
  #pieceStart = 0;
  /** True after the bracket of an address, up to the next separator. */
  #isAfterAddress = false;
  /** True when the next mailbox's name already has words before a separator. */
  #hasPending = false;
  readonly #semicolon: NextIndex;
  readonly #memberAt: NextIndex;
  readonly #labelAt: NextIndex;

  constructor(text: string) {
    this.#text = text;
    this.#shape = maskOpaque(text);
    this.#takesHosts = !this.#shape.includes('<');
    this.#semicolon = new NextIndex(this.#shape, ';');
    this.#memberAt = new NextIndex(text, '@');
    this.#labelAt = new NextIndex(text, '@');
  }

  split(): Mailbox[] {
    const shape = this.#shape;
    for (const { 0: mark, index } of shape.matchAll(/[,;:<]/g)) {
      if (index < this.#pieceStart) continue;
      if (mark === ':') this.#openGroup(index);
      else if (mark === '<') this.#closeByBracket(index);
      else this.#closePiece(index, index + 1);
    }
    this.#closePiece(shape.length, shape.length);
    this.#leavePending(shape.length);
    return this.#found;
  }

  /** `team: a@example.com;`: the label is dropped. A colon without a following member or semicolon is part of a name. */
  #openGroup(colon: number): void {
    const end = this.#semicolon.from(colon);
    if (end === this.#shape.length || this.#isAfterAddress) return;
    const blank = /\s*/y;
    blank.lastIndex = colon + 1;
    const isEmpty = colon + 1 + (blank.exec(this.#shape)?.[0].length ?? 0) === end;
    if (!isEmpty && this.#memberAt.from(colon) > end) return;
    if (this.#labelAt.from(this.#pieceStart) < colon) return;
    this.#leavePending(this.#pieceStart);
    this.#nameStart = colon + 1;
    this.#pieceStart = colon + 1;
  }

  #closeByBracket(open: number): void {
    const close = endOfBracket(this.#shape, open);
    if (close === null) return;
    const addresses = addressesWithin(this.#text.slice(open + 1, close.contentEnd));
    const [first, ...others] = addresses;
    if (first === undefined) return;
    let nameEnd = open;
    while (nameEnd > this.#nameStart && this.#shape[nameEnd - 1] === '<') nameEnd -= 1;
    this.#found.push({ name: unquoted(this.#text.slice(this.#nameStart, nameEnd)), address: first });
    for (const address of others) this.#found.push({ name: '', address });
    this.#hasPending = false;
    this.#nameStart = close.end;
    this.#pieceStart = close.end;
    this.#isAfterAddress = true;
  }

  /** Ends at a separator, or at the end of the text. */
  #closePiece(end: number, next: number): void {
    const piece = this.#text.slice(this.#pieceStart, end);
    const isBlank = piece.trim() === '';
    const bare = isBlank ? [] : bareMailboxes(piece, this.#takesHosts);
    if (this.#isAfterAddress) {
      if (bare.length > 0) this.#found.push(...bare);
      else this.#addTrailing(piece);
      this.#nameStart = next;
    } else if (bare.length > 0) {
      this.#leavePending(this.#pieceStart);
      this.#found.push(...bare);
      this.#nameStart = next;
    } else if (!isBlank) {
      this.#hasPending = true;
    } else if (!this.#hasPending) {
      this.#nameStart = next;
    }
    this.#isAfterAddress = false;
    this.#pieceStart = next;
  }

  /** Words or a comment after an address in brackets are its name when it has no other. */
  #addTrailing(piece: string): void {
    const last = this.#found.at(-1);
    const words = unquoted(
      piece
        .trim()
        .replace(/^\((.*)\)$/s, '$1')
        .replace(/^[:>]+/, ''),
    );
    if (last === undefined || last.name !== '' || words === '') return;
    this.#found[this.#found.length - 1] = { ...last, name: words };
  }

  /** Adds words without an address as a name. */
  #leavePending(end: number): void {
    const name = unquoted(this.#text.slice(this.#nameStart, end));
    if (name !== '' && this.#nameStart < end) this.#found.push({ name, address: null });
    this.#nameStart = end;
    this.#hasPending = false;
  }
}

/** Finds the next index of a character for increasing offsets. The text is searched only once in total. */
class NextIndex {
  readonly #text: string;
  readonly #character: string;
  #index = -1;

  constructor(text: string, character: string) {
    this.#text = text;
    this.#character = character;
  }

  /** The length of the text when there is none. */
  from(start: number): number {
    if (this.#index < start) {
      const found = this.#text.indexOf(this.#character, start);
      this.#index = found < 0 ? this.#text.length : found;
    }
    return this.#index;
  }
}

/** `<ann@example.com>`; without its end, up to white space or a separator. Null for a `<` before another one. */
function endOfBracket(shape: string, open: number): { contentEnd: number; end: number } | null {
  const match = /[<>]|$/g;
  match.lastIndex = open + 1;
  const next = match.exec(shape);
  if (next === null || next[0] === '<') return null;
  if (next[0] === '>') {
    const behind = /^>+/.exec(shape.slice(next.index, next.index + 16))?.[0].length ?? 1;
    return { contentEnd: next.index, end: next.index + behind };
  }
  const separator = /[\s,;]|$/g;
  separator.lastIndex = open + 1;
  const end = separator.exec(shape)?.index ?? shape.length;
  return { contentEnd: end, end };
}
