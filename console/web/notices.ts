/**
 * What a call did, said where everybody sees and hears it: a result in the polite live region, a fault as a box
 * with title, detail and remediation that stays until it is dismissed.
 */
import { Problem } from './api.ts';
import { button, byId, element, fill } from './element.ts';
import { withCommands } from './remediations.ts';

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
    fault instanceof Error ? fault.message : String(fault),
    'Reload the page; if it stays, report it with these words.',
  );
}

/** @param what was tried, as in "Poll now" */
export function showFault(what: string, fault: unknown): void {
  const { remediation, detail, title } = toProblem(fault);
  const before = document.activeElement;
  const box = element(
    'div',
    { class: 'fault' },
    element('p', { class: 'fault-title' }, `${what}: ${title}`),
    element('p', {}, ...withCommands(detail)),
    element('p', { class: 'remediation' }, ...withCommands(remediation)),
    button('Dismiss', () => {
      const hadFocus = box.contains(document.activeElement);
      box.remove();
      if (hadFocus && before instanceof HTMLElement && before.isConnected) before.focus();
    }),
  );
  fill(byId('result'));
  fill(byId('faults'), box);
}

export function clearFaults(): void {
  fill(byId('faults'));
}
