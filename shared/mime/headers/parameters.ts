/**
 * Structured header values, `type/subtype; name=value; ...`, including common errors: RFC 2231
 * continuations and charsets, RFC 2047 words inside quotes, missing quotes, quotes and semicolons within file names,
 * backslashes of Windows paths.
 * One pass over the text, linear in its length.
 */

import { decodeText } from '../encoding/charset.ts';
import type { Defects } from '../parsed-email.ts';
import { decodeWords } from './encoded-words.ts';

export interface StructuredValue {
  /** The text before the first semicolon, lower case, comments removed. */
  readonly value: string;
  /** By lower-case name, decoded. The first of a repeated parameter is used. */
  readonly parameters: ReadonlyMap<string, string>;
}

interface Section {
  readonly number: number;
  readonly encoded: boolean;
  readonly text: string;
}

export function parseStructured(header: string, defects: Defects): StructuredValue {
  // `text / html` is valid. An encoded word as a type or as a whole parameter is not, but some programs write it.
  const text = (/(?:^|;)\s*=\?[^?\s]{1,40}\?[bq]\?/i.test(header) ? decodeWords(header, defects) : header)
    .replace(/^\s*\([^()]*\)\s*/, '')
    .replace(/^([\w-]{1,40})\s{0,9}\/\s{0,9}(?=\w)/, '$1/');
  const value = text
    .slice(0, valueEnd(text))
    .trim()
    .replace(/^"(.*)"$/, '$1')
    .toLowerCase();
  const plain = new Map<string, string>();
  const sections = new Map<string, Section[]>();

  for (const [name, raw] of rawParameters(text)) {
    const match = /^([^*]+)(?:\*(\d{1,4}))?(\*)?$/.exec(name);
    if (match === null) continue;
    const [, base = '', number, star] = match;
    if (number === undefined && star === undefined) {
      if (!plain.has(base)) plain.set(base, raw);
      continue;
    }
    const list = sections.get(base) ?? [];
    list.push({ number: Number(number ?? 0), encoded: star !== undefined, text: raw });
    sections.set(base, list);
  }

  const parameters = new Map<string, string>();
  for (const [name, raw] of plain) parameters.set(name, decodePlain(raw, defects));
  // The RFC 2231 form is exact and overrides the plain form, which exists for old clients.
  for (const [name, list] of sections) {
    const joined = joinSections(list, defects);
    if (joined !== '' || !parameters.has(name)) parameters.set(name, joined);
  }
  return { value, parameters };
}

/** Where the value ends; 0 when the header begins with a parameter, as `filename="order.pdf"` without a type before it. */
function valueEnd(text: string): number {
  const first = /^\s*[^;\s(]*/.exec(text)?.[0] ?? '';
  return /^\s*[\w*-]+=/.test(first) || /^\s*[\w*-]+\s{0,9}=/.test(text.slice(0, 100)) ? 0 : first.length;
}

/** `name=value` pairs after the first semicolon or space, quotes removed, nothing decoded. */
function* rawParameters(text: string): Generator<[string, string]> {
  const start = valueEnd(text);
  const token = /[\s;="]*([^\s=;"]+)\s*(=)?\s*/y;
  token.lastIndex = start;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const name = (match[1] ?? '').toLowerCase();
    if (match[2] === undefined) continue;
    if (text[token.lastIndex] === '"') {
      const isDoubled = text[token.lastIndex + 1] === '"';
      const [value, end] = quotedValue(text, token.lastIndex + 1);
      token.lastIndex = end;
      // Two quotes on each side are not part of the value; escaped ones are.
      yield [name, isDoubled ? withoutStrayQuotes(value) : value];
    } else {
      // `Invoice (1).pdf` is a name; anywhere else a parenthesis opens a comment.
      const isFilename = /^(?:file)?name/.test(name);
      const end = isFilename ? filenameEnd(text, token.lastIndex) : tokenEnd(text, token.lastIndex);
      const value = text.slice(token.lastIndex, end).trim();
      token.lastIndex = end;
      yield [name, isFilename ? withoutStrayQuotes(value) : withoutComment(value)];
    }
  }
}

/** Where an unquoted value ends: at a semicolon, or before another parameter whose semicolon is missing. */
function tokenEnd(text: string, start: number): number {
  const separator = /;|\s[\w*-]{2,40}\s*=/g;
  separator.lastIndex = start;
  return separator.exec(text)?.index ?? text.length;
}

/**
 * Where an unquoted name ends: behind its encoded words, at the next parameter if it then ends in an extension (`PO; 4711.pdf`),
 * else at a semicolon.
 */
function filenameEnd(text: string, start: number): number {
  const from = start + (ENCODED_WORDS.exec(text.slice(start, start + 4096))?.[0].length ?? 0);
  const parameter = /;\s*(?:[\w*-]+\s*=|$)/g;
  parameter.lastIndex = from;
  const end = parameter.exec(text)?.index ?? text.length;
  if (/\.[a-z0-9]{1,5}\s*$/i.test(text.slice(start, end).slice(-20))) return end;
  const semicolon = text.indexOf(';', from);
  return semicolon < 0 ? text.length : semicolon;
}

const ENCODED_WORDS = /^(?:\s*=\?[^?\s]{0,80}\?[bq]\?[^"?]{0,400}\?=)+/i;

/** A name without further quotes around it, or one that has no opening quote. */
function withoutStrayQuotes(name: string): string {
  return name.replace(/^\\?"(.+?)\\?"$|^'(.+)'$|^([^"]*)"$/, '$1$2$3');
}

function withoutComment(value: string): string {
  const open = value.indexOf('(');
  return open < 0 ? value : value.slice(0, open).trimEnd();
}

/**
 * The value after the opening quote, and the offset after the closing quote: the first one before a semicolon, another
 * parameter or the end, because some senders do not escape the quotes in `PO "A" 4711.pdf`. Without such a quote, the first.
 */
function quotedValue(text: string, start: number): [string, number] {
  let value = '';
  let from = start;
  let firstQuote: [string, number] | null = null;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') {
      // The quote after `=` opens the value of another parameter, unless an encoded word ends there.
      if (firstQuote !== null && text[at - 1] === '=' && text[at - 2] !== '?') break;
      AFTER_CLOSING_QUOTE.lastIndex = at + 1;
      if (AFTER_CLOSING_QUOTE.test(text)) return [value + text.slice(from, at), at + 1];
      firstQuote ??= [value + text.slice(from, at), at + 1];
    }
    // Only punctuation is escaped; `C:\order.pdf` is a path that was not escaped.
    if (character === '\\' && ESCAPED.has(text[at + 1] ?? '')) {
      value += text.slice(from, at);
      from = at + 1;
      at += 1;
    }
  }
  return firstQuote ?? [value + text.slice(from), text.length];
}

const ESCAPED: ReadonlySet<string> = new Set('"\\,;()<>@=\'');
const AFTER_CLOSING_QUOTE = /[\s;]*$|[\s;]+[\w*-]+\s*=/y;

/** Some senders write the extended form, `UTF-8''K%C3%B6ln.pdf`, and forget the star of its name. */
function decodePlain(raw: string, defects: Defects): string {
  const isExtended =
    /^(?:utf-?8|iso-8859-\d{1,2}|windows-\d{3,4}|[a-z][\w-]{2,40}(?=''))'[a-z-]{0,20}'\S*%[0-9a-f]{2}/i.test(
      raw,
    );
  return isExtended
    ? joinSections([{ number: 0, encoded: true, text: raw }], defects)
    : decodeWords(raw, defects);
}

function joinSections(list: Section[], defects: Defects): string {
  list.sort((left, right) => left.number - right.number);
  const first = list[0];
  const prefix = first?.encoded ? CHARSET_PREFIX.exec(first.text) : null;
  const charset = prefix?.[1] || 'utf-8';
  let result = '';
  // A multi-byte character may be cut between two sections: neighbours are decoded together.
  let pending: Buffer[] = [];
  const flush = (): void => {
    if (pending.length > 0) result += decodeText(Buffer.concat(pending), charset, defects);
    pending = [];
  };
  for (const section of list) {
    const text = section === first && prefix !== null ? section.text.slice(prefix[0].length) : section.text;
    if (section.encoded) {
      pending.push(percentDecode(text));
    } else {
      flush();
      result += text;
    }
  }
  flush();
  // Some senders put encoded words into sections, which RFC 2231 forbids.
  return decodeWords(result, defects);
}

/** `utf-8'de'`; with one quote only, or with escaped quotes, as some senders write it. */
const CHARSET_PREFIX =
  /^([^'%]{0,40})(?:'[^']{0,40}'|%27[\w-]{0,20}%27|(?<=^utf-?8|^iso-8859-\d|^windows-\d{4})')/i;

function percentDecode(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  let length = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const digits = bytes[at] === 0x25 ? bytes.toString('latin1', at + 1, at + 3) : '';
    if (/^[0-9a-f]{2}$/i.test(digits)) {
      bytes[length] = Number.parseInt(digits, 16);
      at += 2;
    } else {
      bytes[length] = bytes[at] ?? 0;
    }
    length += 1;
  }
  return bytes.subarray(0, length);
}
