/**
 * Extracts the readable text of RTF in one pass, without formatting, fonts or images. Sufficient for the bodies that Outlook
 * stores in a winmail.dat, and for HTML wrapped in RTF ([MS-OXRTFEX]), whose text is in the RTF itself.
 */

import { decodeText } from '../encoding/charset.ts';
import type { Defects } from '../parsed-email.ts';

/** Groups without readable text; any group that begins with `\*` is skipped as well. */
const UNREAD: ReadonlySet<string> = new Set(
  'colortbl datastore fonttbl footer footerf footerl footerr generator header headerf headerl headerr info listtable listoverridetable object pict revtbl rsidtbl stylesheet themedata xmlnstbl'.split(
    ' ',
  ),
);
const BREAKS: ReadonlyMap<string, string> = new Map([
  ['par', '\n'],
  ['line', '\n'],
  ['row', '\n'],
  ['sect', '\n'],
  ['page', '\n'],
  ['cell', '\t'],
  ['tab', '\t'],
  ['emdash', '\u2014'],
  ['endash', '\u2013'],
  ['bullet', '\u2022'],
  ['lquote', '\u2018'],
  ['rquote', '\u2019'],
  ['ldblquote', '\u201c'],
  ['rdblquote', '\u201d'],
]);
const MAX_DEPTH = 500;
const MAX_LENGTH = 10 * 1024 * 1024;

interface Group {
  readonly isRead: boolean;
  /** Number of fallback characters after `\u`, for old readers. */
  readonly fallbackLength: number;
}

/** @returns null when there is no text */
export function rtfToText(rtf: Buffer, defects: Defects): string | null {
  return new RtfReader(rtf.toString('latin1'), defects).read();
}

class RtfReader {
  readonly #rtf: string;
  readonly #defects: Defects;
  readonly #groups: Group[] = [];
  #group: Group = { isRead: true, fallbackLength: 1 };
  #charset = 'windows-1252';
  readonly #pieces: string[] = [];
  #length = 0;
  /** Bytes of the charset that are not decoded yet: a character may have several. */
  #bytes: number[] = [];
  #skips = 0;

  constructor(rtf: string, defects: Defects) {
    this.#rtf = rtf;
    this.#defects = defects;
  }

  read(): string | null {
    const token = /\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-f]{2})|\\([^a-z])|([{}])|[\r\n]+|[^\\{}\r\n]+/gis;
    for (
      let match = token.exec(this.#rtf);
      match !== null && this.#length < MAX_LENGTH;
      match = token.exec(this.#rtf)
    ) {
      const [whole, word, number, hex, symbol, brace] = match;
      if (hex !== undefined) this.#putByte(Number.parseInt(hex, 16));
      else if (word !== undefined) this.#readWord(word, number === undefined ? null : Number(number));
      else if (brace !== undefined) this.#changeGroup(brace);
      else if (symbol !== undefined) this.#readSymbol(symbol);
      else if (whole[0] !== '\r' && whole[0] !== '\n') this.#putText(whole);
    }
    this.#flush();
    const text = this.#pieces.join('').replaceAll('\0', '').trim();
    return text === '' ? null : text;
  }

  #changeGroup(brace: string): void {
    this.#flush();
    this.#skips = 0;
    if (brace === '{') {
      if (this.#groups.length < MAX_DEPTH) this.#groups.push(this.#group);
    } else {
      this.#group = this.#groups.pop() ?? this.#group;
    }
  }

  #readSymbol(symbol: string): void {
    if (symbol === '*') this.#group = { ...this.#group, isRead: false };
    else if (symbol === '~') this.#putText(' ');
    else if (symbol === '\n' || symbol === '\r') this.#putText('\n');
    else if (symbol === '_') this.#putText('-');
    else if (symbol === '\\' || symbol === '{' || symbol === '}') this.#putText(symbol);
  }

  #readWord(word: string, number: number | null): void {
    if (word === 'u' && number !== null) {
      this.#flush();
      this.#append(String.fromCharCode(number < 0 ? number + 65_536 : number & 0xffff));
      this.#skips = this.#group.fallbackLength;
    } else if (word === 'uc' && number !== null) {
      this.#group = { ...this.#group, fallbackLength: Math.max(0, Math.min(number, 8)) };
    } else if (word === 'ansicpg' && number !== null) {
      this.#charset = `cp${number}`;
    } else if (UNREAD.has(word)) {
      this.#group = { ...this.#group, isRead: false };
    } else {
      const text = BREAKS.get(word);
      if (text !== undefined) this.#putText(text);
    }
  }

  #putByte(byte: number): void {
    if (this.#skips > 0) this.#skips -= 1;
    else if (this.#group.isRead) this.#bytes.push(byte);
  }

  #putText(text: string): void {
    const rest = text.slice(this.#skips);
    this.#skips = Math.max(0, this.#skips - text.length);
    this.#flush();
    this.#append(rest);
  }

  #append(text: string): void {
    if (!this.#group.isRead || text === '') return;
    this.#pieces.push(text);
    this.#length += text.length;
  }

  #flush(): void {
    if (this.#bytes.length === 0) return;
    const text = decodeText(Buffer.from(this.#bytes), this.#charset, this.#defects);
    this.#bytes = [];
    this.#append(text);
  }
}
