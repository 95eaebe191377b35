/** Relative links of the project's Markdown files lead to files and headings that exist. */
import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from 'vitest';
import { projectTexts } from './sources.ts';

const ROOT = join(import.meta.dirname, '../..');
const LINK = /\]\(([^)\s]+)\)/g;

/** GitHub's anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** @returns the targets of links in `text` that do not exist; `path` is that of the file */
function brokenLinks(path: string, text: string, texts: ReadonlyMap<string, string>): string[] {
  return [...text.matchAll(LINK)].flatMap(([, target = '']) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [file = '', anchor] = target.split('#');
    const linked = file === '' ? path : posix.join(posix.dirname(path), file);
    if (!existsSync(join(ROOT, linked))) return [`${path}: ${target}`];
    if (anchor === undefined) return [];
    const headings = [...(texts.get(linked) ?? '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      anchorOf(heading),
    );
    return headings.includes(anchor) ? [] : [`${path}: ${target}`];
  });
}

test('each relative link of a Markdown file leads to a file or a heading that exists', () => {
  const texts = projectTexts();
  const documents = [...texts].filter(([path]) => path.endsWith('.md'));
  expect(documents.length).toBeGreaterThan(5);
  expect(documents.flatMap(([path, text]) => brokenLinks(path, text, texts))).toEqual([]);
});

test('brokenLinks reports a missing file and a missing heading', () => {
  const texts = new Map([['README.md', '# One title\n[a](#one-title) [b](#two) [c](missing.md)']]);
  expect(brokenLinks('README.md', texts.get('README.md') ?? '', texts)).toEqual([
    'README.md: #two',
    'README.md: missing.md',
  ]);
});
