/**
 * Reports the result of an action. A success is announced in the polite live region. An error is shown in a box with title,
 * detail and remediation, which remains until the operator dismisses it.
 */
import { Problem } from './api.ts';
import { button, byId, element, fill } from './element.ts';
import { withInlineCode } from './inline-code.ts';

/** Replaces the previous announcement. */
export function announce(text: string): void {
  const region = byId('result');
  // Emptied first, so that a screen reader also repeats an unchanged text.
  fill(region);
  fill(region, text);
}

export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(
    'Error in this page',
    error instanceof Error ? error.message : String(error),
    'Reload the page. If the error persists, report it with this message.',
  );
}

/** @param action that failed, as in "Poll now" */
export function showError(action: string, error: unknown): void {
  const { remediation, detail, title } = toProblem(error);
  const previousFocus = document.activeElement;
  const box = element(
    'div',
    { class: 'error' },
    element('p', { class: 'error-title' }, `${action}: ${title}`),
    element('p', {}, ...withInlineCode(detail)),
    element('p', { class: 'remediation' }, ...withInlineCode(remediation)),
    button('Dismiss', () => {
      const hadFocus = box.contains(document.activeElement);
      box.remove();
      if (hadFocus && previousFocus instanceof HTMLElement && previousFocus.isConnected)
        previousFocus.focus();
    }),
  );
  fill(byId('result'));
  fill(byId('errors'), box);
}

export function clearErrors(): void {
  fill(byId('errors'));
}
