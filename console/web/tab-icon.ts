/** The page's title and icon say the state too: the page stands in a tab among others. */
import type { Tone } from './describe-state.ts';

const COLOURS: Readonly<Record<Tone | 'unknown', string>> = {
  well: '2f9e5b',
  busy: '3b82d6',
  off: '8a8a84',
  care: 'd99a1c',
  bad: 'd64535',
  unknown: 'b9b9b2',
};

export function showInTab(word: string, tone: Tone | 'unknown'): void {
  document.title = `${word} · Email Monitor`;
  const picture =
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>" +
    `<circle cx='8' cy='8' r='7' fill='%23${COLOURS[tone]}'/></svg>`;
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const href = `data:image/svg+xml,${picture}`;
  if (link !== null && link.href !== href) link.href = href;
}
