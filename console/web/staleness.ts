/** Says since when the figures are old, while the server cannot be asked. */
import type { Problem } from './api.ts';
import { button, byId, element, fill, setText } from './element.ts';
import { showInTab } from './icon.ts';
import { withCommands } from './remediations.ts';
import { ageOf, durationText, timeOf } from './times.ts';

let freshAt: string | null = null;

export function showFresh(now: string): void {
  freshAt = now;
  delete document.documentElement.dataset['stale'];
  const box = byId('stale');
  if (!box.hidden) {
    box.hidden = true;
    fill(box);
  }
  setText(byId('fresh-mark'), 'Live');
}

export function showStale(problem: Problem, nextMs: number, tryNow: () => void): void {
  document.documentElement.dataset['stale'] = '';
  showInTab('No answer', 'unknown');
  setText(byId('fresh-mark'), freshAt === null ? 'No figures' : 'Old figures');
  const box = byId('stale');
  const hadFocus = box.contains(document.activeElement);
  const again = button('Try now', tryNow);
  fill(
    box,
    element('p', { class: 'fault-title' }, problem.title),
    element(
      'p',
      {},
      ...withCommands(problem.detail),
      ...(freshAt === null
        ? [' There are no figures yet.']
        : [' The figures are of ', timeOf(freshAt), ', ', ageOf(freshAt), '.']),
      ` It is asked again every ${durationText(nextMs)}.`,
    ),
    element('p', { class: 'remediation' }, ...withCommands(problem.remediation)),
    again,
  );
  box.hidden = false;
  if (hadFocus) again.focus();
}
