/** The Start, Stop and Poll now buttons. A pending button shows its progress, ignores clicks and keeps the focus. */

import type { PollAnswerJson } from '../../shared/schemas/poll.ts';
import type { StatusJson } from '../../shared/schemas/status.ts';
import { MONITOR_API, post } from './api.ts';
import { byId } from './element.ts';
import { pluralize } from './format-number.ts';
import { announce, clearErrors, showError } from './notices.ts';

/** @param onChange called after each action, whether it succeeded or failed */
export function wireControls(onChange: () => Promise<void>): void {
  wire('start', 'Starting…', onChange, async () => {
    const status = await post<StatusJson>(`${MONITOR_API}/start`);
    return status.is_running
      ? 'Started. Email that arrived in the meantime is being fetched.'
      : 'The monitor is still stopped.';
  });
  wire('stop', 'Stopping…', onChange, async () => {
    const status = await post<StatusJson>(`${MONITOR_API}/stop`);
    return status.is_running
      ? 'The monitor is still running.'
      : 'Stopped. Gmail keeps new email until you start the monitor again.';
  });
  wire('poll-now', 'Polling…', onChange, async () => {
    return pollResultText(await post<PollAnswerJson>(`${MONITOR_API}/poll-now`));
  });
}

function wire(
  id: string,
  pendingText: string,
  onChange: () => Promise<void>,
  action: () => Promise<string>,
): void {
  const control = byId<HTMLButtonElement>(id);
  control.addEventListener('click', () => void runAction(control, pendingText, onChange, action));
}

/**
 * Runs the action of a button and announces its result or shows its error. The button is `aria-disabled` in the meantime;
 * `disabled` would take the focus away from keyboard users.
 *
 * @param action returns the text to announce
 */
export async function runAction(
  control: HTMLButtonElement,
  pendingText: string,
  onChange: () => Promise<void>,
  action: () => Promise<string>,
): Promise<void> {
  if (control.getAttribute('aria-disabled') === 'true') return;
  const name = control.textContent ?? '';
  control.setAttribute('aria-disabled', 'true');
  control.textContent = pendingText;
  clearErrors();
  announce('');
  try {
    announce(await action());
  } catch (error) {
    showError(name, error);
  } finally {
    control.removeAttribute('aria-disabled');
    control.textContent = name;
    await onChange();
  }
}

/** Outcomes of a poll that did not run. */
const NOT_RUN: Readonly<Record<string, string>> = {
  busy: 'Another run is already in progress. It also fetches what is new now.',
  not_due: 'The next run is not due yet.',
  stopped: 'The monitor is stopped.',
  not_configured: 'No Gmail credentials are configured.',
};

export function pollResultText({ dead, failed, new_emails: storedCount, outcome }: PollAnswerJson): string {
  const notRun = NOT_RUN[outcome];
  if (notRun !== undefined) return notRun;
  const parts = [storedCount === 0 ? 'Nothing new' : `${pluralize(storedCount, 'new email')} stored`];
  if (failed > 0) parts.push(`${pluralize(failed, 'attempt')} failed`);
  if (dead > 0) parts.push(`${pluralize(dead, 'message')} now dead`);
  const more = outcome === 'out_of_time' ? ' The run reached its time limit; the next run continues.' : '';
  return `${parts.join(', ')}.${more}`;
}
