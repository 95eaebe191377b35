/** Covers what is opaque in the text of an address header, so that its punctuation separates nothing. */

import { findWords } from './encoded-words.ts';

/** The text with encoded words, quoted strings and comments replaced by `x`. It has the same length. */
export function maskOpaque(text: string): string {
  return maskComments(maskQuotes(maskEncodedWords(text)));
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
