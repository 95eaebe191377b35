/** Shows since when the data on the page is outdated, while the server is not responding. */
import type { Problem } from './api.ts';
import { button, byId, element, fill, setText } from './element.ts';
import { withInlineCode } from './inline-code.ts';
import { showInTab } from './tab-icon.ts';
import { ageElement, formatDuration, timeElement } from './times.ts';

/** Server time of the last overview; null before the first one. */
let updatedAt: string | null = null;

/** @param now server time of the overview that has just arrived */
export function hideStaleBanner(now: string): void {
  updatedAt = now;
  delete document.documentElement.dataset['stale'];
  const banner = byId('stale');
  if (!banner.hidden) {
    banner.hidden = true;
    fill(banner);
  }
  setText(byId('freshness'), 'Live');
}

/** @param retryMs time until the next attempt */
export function showStaleBanner(problem: Problem, retryMs: number, tryNow: () => void): void {
  document.documentElement.dataset['stale'] = '';
  showInTab('No connection', 'unknown');
  setText(byId('freshness'), updatedAt === null ? 'No data' : 'Outdated');
  const banner = byId('stale');
  const hadFocus = banner.contains(document.activeElement);
  const retry = button('Try now', tryNow);
  fill(
    banner,
    element('p', { class: 'error-title' }, problem.title),
    element(
      'p',
      {},
      ...withInlineCode(problem.detail),
      ...(updatedAt === null
        ? [' No data has been loaded yet.']
        : [' The data on this page is from ', timeElement(updatedAt), ' (', ageElement(updatedAt), ').']),
      ` Retrying every ${formatDuration(retryMs)}.`,
    ),
    element('p', { class: 'remediation' }, ...withInlineCode(problem.remediation)),
    retry,
  );
  banner.hidden = false;
  if (hadFocus) retry.focus();
}
