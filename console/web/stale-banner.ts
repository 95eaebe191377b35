/** Says since when the figures are old, while the server cannot be asked. */
import type { Problem } from './api.ts';
import { button, byId, element, fill, setText } from './element.ts';
import { showInTab } from './tab-icon.ts';
import { withInlineCode } from './inline-code.ts';
import { ageElement, formatDuration, timeElement } from './times.ts';

let freshAt: string | null = null;

export function hideStaleBanner(now: string): void {
  freshAt = now;
  delete document.documentElement.dataset['stale'];
  const box = byId('stale');
  if (!box.hidden) {
    box.hidden = true;
    fill(box);
  }
  setText(byId('fresh-mark'), 'Live');
}

export function showStaleBanner(problem: Problem, nextMs: number, tryNow: () => void): void {
  document.documentElement.dataset['stale'] = '';
  showInTab('No answer', 'unknown');
  setText(byId('fresh-mark'), freshAt === null ? 'No figures' : 'Old figures');
  const box = byId('stale');
  const hadFocus = box.contains(document.activeElement);
  const again = button('Try now', tryNow);
  fill(
    box,
    element('p', { class: 'error-title' }, problem.title),
    element(
      'p',
      {},
      ...withInlineCode(problem.detail),
      ...(freshAt === null
        ? [' There are no figures yet.']
        : [' The figures are of ', timeElement(freshAt), ', ', ageElement(freshAt), '.']),
      ` It is asked again every ${formatDuration(nextMs)}.`,
    ),
    element('p', { class: 'remediation' }, ...withInlineCode(problem.remediation)),
    again,
  );
  box.hidden = false;
  if (hadFocus) again.focus();
}
