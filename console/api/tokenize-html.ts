/**
 * Splits HTML into tags and text, in the manner of the tokenizer in the HTML standard. Comments, doctypes and the content of
 * scripts and of other elements without markup are omitted. Takes linear time, whatever the input is.
 * https://html.spec.whatwg.org/multipage/parsing.html#tokenization
 */

export type HtmlToken =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'start';
      /** In lower case. */
      readonly name: string;
      /** By name in lower case; the first of several counts. Character references are not decoded. */
      readonly attributes: ReadonlyMap<string, string>;
    }
  | { readonly kind: 'end'; readonly name: string };

/** Their content is not markup, and is omitted except that of `style`. */
const RAW_TEXT = new Set('iframe noembed noframes script style textarea title xmp'.split(' '));

const SPACE = /[\t\n\f\r ]/;
const NAME_END = /[\t\n\f\r />]/g;
const ATTRIBUTE_NAME_END = /[\t\n\f\r />=]/g;
const VALUE_END = /[\t\n\f\r >]/g;
const COMMENT_END = /--!?>/g;

export function* tokenizeHtml(html: string): Generator<HtmlToken> {
  let at = 0;
  while (at < html.length) {
    const open = indexOrEnd(html, html.indexOf('<', at));
    if (open > at) yield { kind: 'text', text: html.slice(at, open) };
    const isEnd = html[open + 1] === '/';
    const nameAt = isEnd ? open + 2 : open + 1;
    if (/[a-z]/i.test(html[nameAt] ?? '')) {
      const tag = readTag(html, nameAt);
      // An unfinished tag at the end of the text is not a tag.
      if (tag === null) return;
      at = tag.end;
      if (isEnd) {
        yield { kind: 'end', name: tag.name };
        continue;
      }
      yield { kind: 'start', name: tag.name, attributes: tag.attributes };
      if (RAW_TEXT.has(tag.name)) {
        const close = endOfRawText(html, at, tag.name);
        if (tag.name === 'style') yield { kind: 'text', text: html.slice(at, close) };
        at = close;
      }
    } else if (html.startsWith('<!--', open)) {
      at = indexAfter(COMMENT_END, html, open + 2);
    } else if (/[!?/]/.test(html[open + 1] ?? '')) {
      at = indexOrEnd(html, html.indexOf('>', open)) + 1;
    } else if (open < html.length) {
      yield { kind: 'text', text: '<' };
      at = open + 1;
    } else {
      at = open;
    }
  }
}

interface Tag {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** Index after `>`. */
  readonly end: number;
}

/** @returns null when the text ends inside the tag */
function readTag(html: string, nameAt: number): Tag | null {
  let at = indexOf(NAME_END, html, nameAt);
  const name = html.slice(nameAt, at).toLowerCase();
  const attributes = new Map<string, string>();
  for (;;) {
    while (at < html.length && (SPACE.test(html[at] ?? '') || html[at] === '/')) at += 1;
    if (at >= html.length) return null;
    if (html[at] === '>') return { name, attributes, end: at + 1 };
    // The first character belongs to the name, even if it is `=`.
    const end = indexOf(ATTRIBUTE_NAME_END, html, at + 1);
    const attribute = html.slice(at, end).toLowerCase();
    at = afterSpace(html, end);
    let value = '';
    if (html[at] === '=') {
      at = afterSpace(html, at + 1);
      const quote = html[at];
      if (quote === '"' || quote === "'") {
        const close = html.indexOf(quote, at + 1);
        if (close < 0) return null;
        value = html.slice(at + 1, close);
        at = close + 1;
      } else {
        const valueEnd = indexOf(VALUE_END, html, at);
        value = html.slice(at, valueEnd);
        at = valueEnd;
      }
    }
    if (!attributes.has(attribute)) attributes.set(attribute, value);
  }
}

function endOfRawText(html: string, from: number, name: string): number {
  return indexOf(new RegExp(`</${name}(?=[\\t\\n\\f\\r />])`, 'gi'), html, from);
}

function afterSpace(html: string, from: number): number {
  let at = from;
  while (at < html.length && SPACE.test(html[at] ?? '')) at += 1;
  return at;
}

/** @returns the length of the text when there is no match */
function indexOf(pattern: RegExp, html: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.exec(html)?.index ?? html.length;
}

function indexAfter(pattern: RegExp, html: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.exec(html) === null ? html.length : pattern.lastIndex;
}

function indexOrEnd(html: string, index: number): number {
  return index < 0 ? html.length : index;
}
