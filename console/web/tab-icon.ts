/** Shows the state in the title and the icon of the browser tab, so that it is visible from other tabs. */
import type { Tone } from './describe-state.ts';

const COLOURS: Readonly<Record<Tone, string>> = {
  ok: '2f9e5b',
  active: '3b82d6',
  inactive: '8a8a84',
  warning: 'd99a1c',
  critical: 'd64535',
  unknown: 'b9b9b2',
};

let shownLabel = '';
/** Of the opened email. */
let shownSubject: string | null = null;

/** @param subject of the opened email; null for the lists */
export function showSubjectInTab(subject: string | null): void {
  shownSubject = subject;
  writeTitle();
}

function writeTitle(): void {
  document.title = [shownSubject ?? '', shownLabel, 'Email Monitor']
    .filter((part) => part !== '')
    .join(' · ');
}

export function showInTab(label: string, tone: Tone): void {
  shownLabel = label;
  writeTitle();
  const svg =
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>" +
    `<circle cx='8' cy='8' r='7' fill='%23${COLOURS[tone]}'/></svg>`;
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const href = `data:image/svg+xml,${svg}`;
  if (link !== null && link.href !== href) link.href = href;
}
