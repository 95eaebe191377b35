/**
 * Splits the text of an address header into mailboxes. It finds addresses first and reads the text around them as names,
 * so that punctuation within a name does not split it. Encoded words are one unit here: `addresses.ts` decodes them.
 */

import { findWords } from './encoded-words.ts';

export interface Mailbox {
  /** Unquoted, encoded words as they are; empty for none. */
  readonly name: string;
  /** Null when the text contains no address. */
  readonly address: string | null;
}

const ATOM = String.raw`[^\s"(),:;<>@[\\\]]`;
const ADDRESS = new RegExp(String.raw`^(?:"(?:[^"\\]|\\.)*"|${ATOM}+)@(\[[^\s[\]]+\]|${ATOM}+)$`);

/** An address alone or in brackets. Its domain may have one label (`root@server`), but not only digits. */
export function isAddress(text: string): boolean {
  const domain = ADDRESS.exec(text)?.[1];
  if (domain === undefined || /^[.-]|[.-]$|\.\./.test(domain)) return false;
  return domain.startsWith('[') || /\p{L}/u.test(domain) || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(domain);
}

/** An address among other words: its domain must look like one, because `2 pcs@4.50` is not an address. */
function isSureAddress(text: string): boolean {
  return isAddress(text) && /\.(?:\p{L}{2,}|xn--[\w-]+)$|\]$/iu.test(text);
}

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
    this.#shape = maskComments(maskQuotes(maskEncodedWords(text)));
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

/** What is between brackets, without a source route, `mailto:` and white space around `@` and dots. */
function addressesWithin(content: string): string[] {
  const text = content
    .replace(/\s+/g, ' ')
    .replace(/^ ?(?:@[^:@]*:|mailto:)/i, '')
    .replace(/\([^()]*\)/g, '')
    .replace(/ ?([@.]) ?/g, '$1')
    .trim()
    .replace(/^'(.*)'$/, '$1');
  if (isAddress(text)) return [text];
  if (isAddress(text.replace(/^"(.*)"$/, '$1'))) return [text.slice(1, -1)];
  return bareMailboxes(text, false).flatMap(({ address }) => address ?? []);
}

/**
 * Mailboxes of a piece without brackets; none when it has no address.
 *
 * @param takesHosts whether a piece that is nothing but `root@server` is an address
 */
function bareMailboxes(piece: string, takesHosts: boolean): Mailbox[] {
  if (!piece.includes('@')) return [];
  const comment = /\(([^()]*)\)\s*$/.exec(piece.slice(-1_000));
  const alone = (comment === null ? piece : piece.slice(0, piece.length - comment[0].length)).trim();
  const plain = alone
    .replace(/^mailto:/i, '')
    .replace(/^'(.*)'$|^"([^"]*)"$/, '$1$2')
    .replace(/\.$/, '');
  if (takesHosts ? isAddress(plain) : isSureAddress(plain))
    return [{ name: comment?.[1]?.trim() ?? '', address: plain }];

  // White space around @ and dots is obsolete syntax; behind the dot of `Dr.`, it ends a name.
  const tight = plain.replace(/\s+/g, ' ').replace(/ ?@ ?| [.] /g, (separator) => separator.trim());
  if (isSureAddress(tight)) return [{ name: comment?.[1]?.trim() ?? '', address: tight }];

  const addresses: string[] = [];
  const rest = piece.replace(/[^\s"'(),:;<>[\]]+/g, (token) => {
    const address = token.endsWith('.') ? token.slice(0, -1) : token;
    if (!isSureAddress(address)) return token;
    addresses.push(address);
    return '';
  });
  const words = rest.replace(/[<>]|\(\s*\)|\[\s*\]|"\s*"|'\s*'|mailto:/gi, ' ');
  // One comment may contain others. Between the addresses of a quoted list, only separators remain.
  const name = /[^\s"'(),:;[\]]/.test(words)
    ? unquoted(words).replace(/^\(([^()]*(?:\([^()]*\)[^()]*)*)\)$/, '$1')
    : '';
  return addresses.map((address, index) => ({ name: index === 0 ? name : '', address }));
}

/** A name without the quotes around it. A quote within it, as of inches, stays. */
function unquoted(raw: string): string {
  const name = withoutSeparators(raw).replace(/^\\"(.*)\\"$|^<([^<>]+)>$/s, '$1$2');
  const inner = name.slice(1, -1);
  if (name.length > 1 && name.startsWith('"') && name.endsWith('"') && !/"\s+"/.test(inner))
    return unescaped(inner).trim();
  return name.replace(
    /(^|\s)"((?:[^"\\]|\\.)*)"(?=\s|$)/g,
    (_, before: string, text: string) => before + unescaped(text),
  );
}

function withoutSeparators(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && /[\s,;]/.test(text[start] ?? '')) start += 1;
  while (end > start && /[\s,;]/.test(text[end - 1] ?? '')) end -= 1;
  return text.slice(start, end);
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, '$1');
}

function covered(text: string, start: number, end: number): string {
  return text.slice(start, end).replace(/[^\s]/g, 'x');
}

function maskEncodedWords(text: string): string {
  let result = '';
  let position = 0;
  for (const { start, end } of findWords(text)) {
    result += text.slice(position, start) + 'x'.repeat(end - start);
    position = end;
  }
  return result + text.slice(position);
}

/**
 * A quote opens at the beginning of a word and closes at the end of one; any other, and one that never closes, is a character
 * of the name.
 */
function maskQuotes(text: string): string {
  let result = '';
  let position = 0;
  let open = -1;
  for (const { 0: mark, index } of text.matchAll(/\\.|"/gs)) {
    if (mark !== '"') continue;
    if (open >= 0 && isWordEnd(text, index + 1)) {
      result += text.slice(position, open) + covered(text, open, index + 1);
      position = index + 1;
      open = -1;
    } else if (isWordStart(text, index)) {
      open = index;
    }
  }
  return result + text.slice(position);
}

function isWordStart(text: string, at: number): boolean {
  return at === 0 || /[\s,;:<(]/.test(text[at - 1] ?? '');
}

function isWordEnd(text: string, at: number): boolean {
  return at >= text.length || /[\s,;:<>()@]/.test(text[at] ?? '');
}

/** Parentheses that pair up and have no address in brackets between them. */
function maskComments(text: string): string {
  const open: number[] = [];
  const pairs: [number, number][] = [];
  for (const { 0: mark, index } of text.matchAll(/[()<]/g)) {
    if (mark === '<') open.length = 0;
    else if (mark === '(') open.push(index);
    else {
      const start = open.pop();
      if (start !== undefined && open.length === 0) pairs.push([start, index + 1]);
    }
  }
  let result = '';
  let position = 0;
  for (const [start, end] of pairs) {
    result += text.slice(position, start) + covered(text, start, end);
    position = end;
  }
  return result + text.slice(position);
}
