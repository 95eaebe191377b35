/**
 * Converts HTML to readable text with html-to-text: links by their text, tables as lines and tabs. The library is slow for
 * hostile input, so its input is bounded for each email; the rest is converted by `strip-tags.ts`.
 */

import type { HtmlToTextOptions } from 'html-to-text';
import type { Defects } from '../parsed-email.ts';
import { stripTags, withoutInvisible } from './strip-tags.ts';

/** Input limits of the library for one email. Its time grows with the number of tags. */
const MAX_BYTES = 256 * 1024;
const MAX_TAGS = 3_000;
/** Nested elements. Email clients stay below fifty. */
const MAX_DEPTH = 100;

export interface HtmlBudget {
  bytes: number;
  tags: number;
}

export function htmlBudget(): HtmlBudget {
  return { bytes: MAX_BYTES, tags: MAX_TAGS };
}

type Convert = (html: string) => string;
let converter: Promise<Convert> | null = null;

/** Converts HTML to text and subtracts its size from the budget. */
export async function htmlToText(html: string, budget: HtmlBudget, defects: Defects): Promise<string> {
  const tags = html.length > budget.bytes ? Number.POSITIVE_INFINITY : countTags(html, budget.tags);
  if (tags > budget.tags) {
    defects.add('html_simplified');
    return stripTags(html);
  }
  budget.bytes -= html.length;
  budget.tags -= tags;
  // Loaded lazily: a plain-text email does not need it.
  converter ??= loadConverter();
  const convert = await converter;
  try {
    return tidy(convert(withDepthCut(html)));
  } catch {
    defects.add('html_simplified');
    return stripTags(html);
  }
}

async function loadConverter(): Promise<Convert> {
  const { compile } = await import('./html-library.ts');
  return compile(OPTIONS);
}

/** As the library passes the rows of a table. */
type Rows = readonly (readonly { readonly text: string }[])[];

const OPTIONS: HtmlToTextOptions = {
  wordwrap: false,
  // By default, a zero-width space is white space.
  whitespaceCharacters: ' \t\r\n\f',
  limits: { maxInputLength: MAX_BYTES },
  formatters: {
    line: (element, walk, builder) => {
      builder.openBlock({ leadingLineBreaks: 1 });
      walk(element.children, builder);
      builder.closeBlock({ trailingLineBreaks: 1 });
    },
    // Each row is a table of the library: it collects the text of a cell without the line breaks around its blocks.
    row: (element, walk, builder) => {
      const areCells = element.children.map(({ name }) => name === 'td' || name === 'th');
      builder.openTable();
      builder.openTableRow();
      for (const [index, node] of element.children.entries()) {
        builder.openTableCell();
        walk(areCells[index] ? node.children : [node], builder);
        builder.closeTableCell();
      }
      builder.closeTableRow();
      const tableToString = ([row = []]: Rows) =>
        // White space, comments and hidden fields between the cells are no columns.
        rowText(row.map(({ text }) => text.trim()).filter((text, index) => areCells[index] || text !== ''));
      builder.closeTable({ tableToString, leadingLineBreaks: 1, trailingLineBreaks: 1 });
    },
    // A cell outside a row, or in a cell that is not closed. Without the tab, `A-100` and `40` are read as `A-10040`.
    cell: (element, walk, builder) => {
      builder.addLiteral('\t');
      walk(element.children, builder);
    },
  },
  selectors: [
    { selector: 'a', options: { ignoreHref: true } },
    { selector: 'img', format: 'skip' },
    { selector: 'title', format: 'skip' },
    { selector: 'style', format: 'skip' },
    { selector: 'script', format: 'skip' },
    { selector: 'table', format: 'block' },
    // Programs show the text of a form with its line breaks: `white-space: pre-line` and the like.
    ...['div', 'p'].flatMap((name) =>
      ['white-space:pre', 'white-space: pre'].map((style) => ({
        selector: `${name}[style*="${style}" i]`,
        format: 'pre',
        options: { leadingLineBreaks: 1, trailingLineBreaks: 1 },
      })),
    ),
    { selector: 'tr', format: 'row' },
    { selector: 'td', format: 'cell' },
    { selector: 'th', format: 'cell' },
    // Blocks that the library does not know, and list items outside a list.
    ...'address caption center dd details dl dt fieldset figcaption figure hr legend li option summary'
      .split(' ')
      .map((selector) => ({ selector, format: 'line' })),
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
  ],
};

/**
 * The cells of one row with tabs between them. A nested table begins on a new line, and so does the second of two blocks that are
 * next to each other, such as addresses. A cell without others keeps its paragraphs.
 */
function rowText(cells: readonly string[]): string {
  const filled = cells.filter((text) => text !== '');
  if (filled.length < 2) return filled.join('');
  let before = '';
  return cells
    .map((text, index) => {
      // An empty cell is often the space between two blocks.
      if (text === '') return index === 0 ? '' : '\t';
      const isNested = before.lastIndexOf('\t') > before.lastIndexOf('\n') || /^.*\t/.test(text);
      const isBlock = before.includes('\n') && text.includes('\n');
      const separator = index === 0 ? '' : isNested || isBlock ? '\n' : '\t';
      before = text;
      return separator + text.replace(/\n{2,}/g, '\n');
    })
    .join('');
}

/** Without invisible characters, the tabs of empty cells, and stacks of empty lines. */
function tidy(text: string): string {
  return withoutInvisible(text)
    .split('\n')
    .map((line) => line.replaceAll('\u00a0', ' ').trim())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

function countTags(html: string, most: number): number {
  let count = 0;
  for (let at = html.indexOf('<'); at >= 0 && count <= most; at = html.indexOf('<', at + 1)) count += 1;
  return count;
}

const VOID: ReadonlySet<string> = new Set(
  'area base br col embed hr img input link meta param source track wbr'.split(' '),
);
/** Elements that senders often leave open. They nest only inside other elements. */
const OFTEN_OPEN: ReadonlySet<string> = new Set('dd dt li option p td th tr'.split(' '));

/** The HTML without the tags beyond a depth: the library's time grows with it. */
function withDepthCut(html: string): string {
  let depth = 0;
  return html.replace(
    /<(\/?)([a-z][a-z0-9]*)([^<>]*)>/gi,
    (tag, slash: string, name: string, rest: string) => {
      const lower = name.toLowerCase();
      if (VOID.has(lower) || OFTEN_OPEN.has(lower) || rest.endsWith('/')) return tag;
      if (slash === '') depth += 1;
      const isWithin = depth <= MAX_DEPTH;
      if (slash !== '' && depth > 0) depth -= 1;
      return isWithin ? tag : ' ';
    },
  );
}
