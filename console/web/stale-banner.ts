/** Says what to do while there is no answer. The heading says "No answer", since when, and why. */
import type { Problem } from './api.ts';
import { button, byId, element, fill, setText } from './element.ts';
import { withInlineCode } from './inline-code.ts';
import { ageElement, formatDuration } from './times.ts';

export function hideStaleBanner(): void {
  delete document.documentElement.dataset['stale'];
  const banner = byId('stale');
  if (!banner.hidden) {
    banner.hidden = true;
    fill(banner);
  }
  setText(byId('freshness'), 'Live');
}

/** The page waits for an answer, and shows its old data in the meantime. */
export function showOutdated(): void {
  document.documentElement.dataset['stale'] = '';
  setText(byId('freshness'), 'Loading…');
}

/**
 * @param since server time of the last answer; null before the first one
 * @param retryMs time until the next attempt
 */
export function showStaleBanner(
  problem: Problem,
  since: string | null,
  retryMs: number,
  tryNow: () => void,
): void {
  document.documentElement.dataset['stale'] = '';
  setText(byId('freshness'), since === null ? 'No data' : 'Outdated');
  const banner = byId('stale');
  const hadFocus = banner.contains(document.activeElement);
  const retry = button('Try now', tryNow);
  fill(
    banner,
    element('p', { class: 'remediation' }, ...withInlineCode(problem.remediation)),
    element(
      'p',
      {},
      ...(since === null ? [] : ['The last answer came ', ageElement(since), '. ']),
      `Retrying every ${formatDuration(retryMs)}.`,
    ),
    retry,
  );
  banner.hidden = false;
  if (hadFocus) retry.focus();
}
