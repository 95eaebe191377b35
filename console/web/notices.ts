/**
 * Reports the result of an action. A success is shown below the buttons and announced politely. An error is shown in a box with title,
 * detail and remediation, which remains until the operator dismisses it or tries another action.
 */
import type { AdviceAction } from '../../shared/schemas/actions.ts';
import { speak } from './announcer.ts';
import { Problem } from './api.ts';
import { button, byId, element, fill, setText } from './element.ts';
import { withInlineCode } from './inline-code.ts';

/** Buttons for the action of an error; `wireActionButtons` in `actions.ts` sets it. */
let buttonsFor: (action: AdviceAction) => readonly HTMLButtonElement[] = () => [];

export function setErrorButtons(create: typeof buttonsFor): void {
  buttonsFor = create;
}

/** Shows a text below the buttons, without speaking it. Replaces the previous one. */
export function showResult(text: string): void {
  setText(byId('result'), text);
}

export function announce(text: string): void {
  showResult(text);
  speak(text);
}

export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(
    'Error in this page',
    error instanceof Error ? error.message : String(error),
    'Reload the page. If the error persists, report it with this message.',
  );
}

/** Where the errors of a control or of a list appear: in its row, otherwise in its section. Empty: at the top of the page. */
export function errorPlaces(origin: Element): readonly Element[] {
  const row = origin.closest('li')?.querySelector('.errors');
  const section = origin.closest('section')?.querySelector(':scope > .errors');
  return [row, section].filter((place) => place instanceof Element);
}

/** The row or the section may be gone or hidden by now. */
function visiblePlace(places: readonly Element[]): Element {
  return places.find((place) => place.checkVisibility()) ?? byId('errors');
}

/** The place for the errors of a row. A new row takes it, with its error, from the row that it replaces. */
export function rowErrors(previous: Element | null): Element {
  return previous?.querySelector('.errors') ?? element('div', { class: 'errors' });
}

/** Runs an update of `root`. An error that it removes or hides moves to the section, or to the top of the page. */
export function keepErrors(root: Element, update: () => void): void {
  const errors = [...root.querySelectorAll('.error')];
  update();
  for (const error of errors) if (!error.checkVisibility()) visiblePlace(errorPlaces(root)).append(error);
}

/**
 * @param action that failed, as in "Poll now"
 * @param places of `errorPlaces`; the top of the page unless given
 */
export function showError(action: string, error: unknown, places: readonly Element[] = []): void {
  const place = visiblePlace(places);
  const { action: fix, code, remediation, detail, title } = toProblem(error);
  // The detail of a bad request says all: title and remediation are the same for each.
  const [heading, ...more] = code === 'bad_request' ? [detail] : [title, detail, remediation];
  const previousFocus = document.activeElement;
  const box = element(
    'div',
    { class: 'error' },
    element('p', { class: 'error-title' }, `${action}: `, ...withInlineCode(heading)),
    ...more.map((text, at) =>
      element('p', { class: at === 1 ? 'remediation' : null }, ...withInlineCode(text)),
    ),
    ...(fix === null ? [] : buttonsFor(fix)),
    button('Dismiss', () => {
      const hadFocus = box.contains(document.activeElement);
      box.remove();
      if (hadFocus && previousFocus instanceof HTMLElement && previousFocus.isConnected)
        previousFocus.focus();
    }),
  );
  showResult('');
  fill(place, box);
  // No alert, because a row that is rendered again would speak it again.
  if (place.role !== 'alert') speak([...box.querySelectorAll('p')].map(spokenText).join(' '));
  // The button may be far below.
  box.scrollIntoView({ block: 'nearest' });
}

/** A title has no full stop, at which a screen reader pauses. */
function spokenText({ textContent: text }: Element): string {
  return text.endsWith('.') ? text : `${text}.`;
}

export function clearErrors(): void {
  for (const place of document.querySelectorAll('.errors')) fill(place);
}
