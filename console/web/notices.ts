/**
 * What a call did, said where everybody sees and hears it: a result in the polite live region, a fault as a box
 * with title, detail and remediation that stays until it is dismissed.
 */
import { Problem } from './api.ts';
import { button, byId, element, fill } from './element.ts';
import { withInlineCode } from './inline-code.ts';

/** Said once; the next one takes its place. */
export function announce(text: string): void {
  const place = byId('result');
  // The same words again are said again.
  fill(place);
  fill(place, text);
}

export function toProblem(fault: unknown): Problem {
  if (fault instanceof Problem) return fault;
  return new Problem(
    'The page has a fault',
    fault instanceof Error ? fault.message : String(error),
    'Reload the page; if it stays, report it with these words.',
  );
}

/** @param what was tried, as in "Poll now" */
export function showError(what: string, fault: unknown): void {
  const { remediation, detail, title } = toProblem(error);
  const before = document.activeElement;
  const box = element(
    'div',
    { class: 'fault' },
    element('p', { class: 'error-title' }, `${what}: ${title}`),
    element('p', {}, ...withInlineCode(detail)),
    element('p', { class: 'remediation' }, ...withInlineCode(remediation)),
    button('Dismiss', () => {
      const hadFocus = box.contains(document.activeElement);
      box.remove();
      if (hadFocus && before instanceof HTMLElement && before.isConnected) before.focus();
    }),
  );
  fill(byId('result'));
  fill(byId('faults'), box);
}

export function clearErrors(): void {
  fill(byId('faults'));
}
