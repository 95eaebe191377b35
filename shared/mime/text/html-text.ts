/**
 * Converts HTML to readable text with html-to-text: links by their text, tables as lines and tabs. The library is slow for
 * hostile input, so its input is bounded for each email; the rest is converted by `strip-tags.ts`.
 */

import type { DomNode, HtmlToTextOptions } from 'html-to-text';
import type { Defects } from '../parsed-email.ts';
import { stripTags } from './strip-tags.ts';

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

const OPTIONS: HtmlToTextOptions = {
  wordwrap: false,
  limits: { maxInputLength: MAX_BYTES },
  formatters: {
    row: (element, walk, builder) => {
      // A line break around `<td><center>40</center></td>` would split the row of the table.
      if (isAloneInCell(element)) {
        walk(element.children, builder);
        return;
      }
      builder.openBlock({ leadingLineBreaks: 1 });
      walk(element.children, builder);
      builder.closeBlock({ trailingLineBreaks: 1 });
    },
    // Without it `A-100` and `40` in two cells are read as `A-10040`.
    cell: (element, walk, builder) => {
      walk(element.children, builder);
      builder.addLiteral('\t');
    },
  },
  selectors: [
    { selector: 'a', options: { ignoreHref: true } },
    { selector: 'img', format: 'skip' },
    { selector: 'title', format: 'skip' },
    { selector: 'style', format: 'skip' },
    { selector: 'script', format: 'skip' },
    { selector: 'table', format: 'block' },
    { selector: 'tr', format: 'row' },
    { selector: 'td', format: 'cell' },
    { selector: 'th', format: 'cell' },
    // Blocks that the library does not know, and list items outside a list.
    ...'address caption center dd details dl dt fieldset figcaption figure hr legend li option summary'
      .split(' ')
      .map((selector) => ({ selector, format: 'row' })),
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
  ],
};

function isAloneInCell(element: DomNode): boolean {
  const { parent } = element;
  if (parent?.name !== 'td' && parent?.name !== 'th') return false;
  return parent.children.every((node) => node === element || node.data?.trim() === '');
}

/** Without the tabs of empty cells and without stacks of empty lines. */
function tidy(text: string): string {
  return text
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
