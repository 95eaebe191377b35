/**
 * HTML as a person reads it, by html-to-text: links and pictures by their text, tables by lines and tabs. The library takes
 * long for hostile input, so it gets a bounded part of one email; what is beyond goes through `strip-tags.ts`.
 */

import type { HtmlToTextOptions } from 'html-to-text';
import type { Defects } from '../parsed-email.ts';
import { stripTags } from './strip-tags.ts';

/** What the library may get of one email: it takes some 5 us for each tag. */
const MAX_BYTES = 256 * 1024;
const MAX_TAGS = 3_000;
/** Elements within elements. Mail programs stay below fifty. */
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

/** Takes what it uses from the budget. */
export async function htmlToText(html: string, budget: HtmlBudget, defects: Defects): Promise<string> {
  const tags = html.length > budget.bytes ? Number.POSITIVE_INFINITY : countTags(html, budget.tags);
  if (tags > budget.tags) {
    defects.add('html_simplified');
    return stripTags(html);
  }
  budget.bytes -= html.length;
  budget.tags -= tags;
  // Loaded late: an email of plain text does not need it.
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
    { selector: 'hr', format: 'skip' },
    { selector: 'head', format: 'skip' },
    { selector: 'title', format: 'skip' },
    { selector: 'style', format: 'skip' },
    { selector: 'script', format: 'skip' },
    { selector: 'table', format: 'block' },
    { selector: 'tr', format: 'row' },
    { selector: 'td', format: 'cell' },
    { selector: 'th', format: 'cell' },
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
  ],
};

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
/** Elements that senders leave open; nesting of theirs needs another element between them. */
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
