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
/** Charsets of fonts, by `\fcharset`. Any other number means that of the document. */
const FONT_CHARSETS: ReadonlyMap<number, string> = new Map([
  [77, 'macintosh'],
  [128, 'cp932'],
  [129, 'cp949'],
  [134, 'cp936'],
  [136, 'cp950'],
  [161, 'cp1253'],
  [162, 'cp1254'],
  [163, 'cp1258'],
  [177, 'cp1255'],
  [178, 'cp1256'],
  [186, 'cp1257'],
  [204, 'cp1251'],
  [222, 'cp874'],
  [238, 'cp1250'],
]);
const DOCUMENT_CHARSETS: ReadonlyMap<string, string> = new Map([
  ['mac', 'macintosh'],
  ['pc', 'cp437'],
  ['pca', 'cp850'],
]);
const MAX_DEPTH = 500;
/** Fonts of one document. Outlook writes a few dozen. */
const MAX_FONTS = 1_000;
const MAX_LENGTH = 10 * 1024 * 1024;

interface Group {
  readonly isRead: boolean;
  readonly isFontTable: boolean;
  /** The font of the text, and of the entry of the font table. */
  readonly font: number;
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
  #group: Group = { isRead: true, isFontTable: false, font: -1, fallbackLength: 1 };
  #charset = 'windows-1252';
  readonly #fontCharsets = new Map<number, string>();
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
      else if (word === 'bin') token.lastIndex += Math.max(0, Number(number ?? 0));
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
    } else if ((word === 'f' && number !== null) || word === 'plain') {
      this.#flush();
      this.#group = { ...this.#group, font: number ?? -1 };
    } else if (word === 'fcharset' && number !== null) {
      const charset = FONT_CHARSETS.get(number);
      const isKept = this.#group.isFontTable && this.#fontCharsets.size < MAX_FONTS;
      if (isKept && charset !== undefined) this.#fontCharsets.set(this.#group.font, charset);
    } else if (UNREAD.has(word)) {
      this.#group = { ...this.#group, isRead: false, isFontTable: word === 'fonttbl' };
    } else {
      this.#charset = DOCUMENT_CHARSETS.get(word) ?? this.#charset;
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
    const text = decodeText(
      Buffer.from(this.#bytes),
      this.#fontCharsets.get(this.#group.font) ?? this.#charset,
      this.#defects,
    );
    this.#bytes = [];
    this.#append(text);
  }
}
