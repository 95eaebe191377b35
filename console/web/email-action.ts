/**
 * Buttons of the view of one email. The result or the error of an action appears next to its button, because the notices of the
 * page are far above it.
 */
import { button, type Child, element, fill } from './element.ts';
import { withInlineCode } from './inline-code.ts';
import { toProblem } from './notices.ts';

/** Where the result of an action appears. A screen reader announces it. */
export function outcomeElement(): HTMLElement {
  return element('div', { class: 'outcome', role: 'status' });
}

/**
 * Runs the action of a button, which ignores further clicks and keeps the focus in the meantime.
 *
 * @param action returns what to show as its result
 */
export async function runEmailAction(
  control: HTMLButtonElement,
  outcome: HTMLElement,
  action: () => Promise<readonly Child[]>,
): Promise<void> {
  if (control.getAttribute('aria-disabled') === 'true') return;
  control.setAttribute('aria-disabled', 'true');
  fill(outcome);
  try {
    fill(outcome, ...(await action()));
  } catch (error) {
    const { detail, remediation, title } = toProblem(error);
    fill(
      outcome,
      element(
        'div',
        { class: 'error' },
        element('p', { class: 'error-title' }, title),
        element('p', {}, ...withInlineCode(detail)),
        element('p', { class: 'remediation' }, ...withInlineCode(remediation)),
      ),
    );
  } finally {
    control.removeAttribute('aria-disabled');
  }
}

/** A button that asks before it acts: it is replaced by a warning and two buttons. */
export function confirmedButton(
  text: string,
  options: {
    readonly label: string;
    readonly warning: string;
    readonly run: (control: HTMLButtonElement) => void;
  },
): HTMLElement {
  const box = element('div', { class: 'confirmed' });
  const close = () => {
    fill(box, ask);
    ask.focus();
  };
  const ask = button(
    text,
    () => {
      const confirm = button(`${text} anyway`, (self) => options.run(self));
      const question = element('div', {}, element('p', {}, options.warning));
      question.append(element('div', { class: 'buttons' }, confirm, button('Cancel', close)));
      question.addEventListener('keydown', (event) => {
        if (event.key !== 'Escape') return;
        // Escape would also leave the email.
        event.preventDefault();
        close();
      });
      fill(box, question);
      confirm.focus();
    },
    { 'aria-label': options.label },
  );
  fill(box, ask);
  return box;
}
