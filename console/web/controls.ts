/** Start, stop, poll now. A button that works says so, cannot be pressed twice, and keeps the focus. */

import type { PollAnswerJson } from '../../shared/schemas/poll.ts';
import type { StatusJson } from '../../shared/schemas/status.ts';
import { post, MONITOR_API } from './api.ts';
import { byId } from './element.ts';
import { announce, clearErrors, showError } from './notices.ts';
import { pluralize } from './format-number.ts';

/** @param onChange asked for once the server has answered, well or not */
export function wireControls(onChange: () => Promise<void>): void {
  wire('start', 'Starting…', onChange, async () => {
    const status = await post<StatusJson>(`${MONITOR_API}/start`);
    return status.is_running
      ? 'Started. What has arrived meanwhile is fetched now.'
      : 'The monitor is still stopped.';
  });
  wire('stop', 'Stopping…', onChange, async () => {
    const status = await post<StatusJson>(`${MONITOR_API}/stop`);
    return status.is_running
      ? 'The monitor still runs.'
      : 'Stopped. Gmail keeps what arrives until you start again.';
  });
  wire('poll-now', 'Polling…', onChange, async () => {
    return reportText(await post<PollAnswerJson>(`${MONITOR_API}/poll-now`));
  });
}

function wire(id: string, pending: string, onChange: () => Promise<void>, work: () => Promise<string>): void {
  const control = byId<HTMLButtonElement>(id);
  control.addEventListener('click', () => void whileBusy(control, pending, onChange, work));
}

/**
 * Runs the work of a button. Not `disabled` meanwhile: that would take the focus away from whoever uses the keyboard.
 */
export async function whileBusy(
  control: HTMLButtonElement,
  pending: string,
  onChange: () => Promise<void>,
  work: () => Promise<string>,
): Promise<void> {
  if (control.getAttribute('aria-disabled') === 'true') return;
  const name = control.textContent ?? '';
  control.setAttribute('aria-disabled', 'true');
  control.textContent = pending;
  clearErrors();
  announce('');
  try {
    announce(await work());
  } catch (error) {
    showError(name, fault);
  } finally {
    control.removeAttribute('aria-disabled');
    control.textContent = name;
    await onChange();
  }
}

const OUTCOMES: Readonly<Record<string, string>> = {
  busy: 'A cycle runs already; it sees what is new before it ends.',
  not_due: 'Not due yet.',
  stopped: 'The monitor is stopped.',
  not_configured: 'There are no Gmail credentials.',
};

export function reportText({ dead, failed, new_emails: stored, outcome }: PollAnswerJson): string {
  const said = OUTCOMES[outcome];
  if (said !== undefined) return said;
  const parts = [stored === 0 ? 'Nothing new' : `${pluralize(stored, 'new email')} stored`];
  if (failed > 0) parts.push(`${pluralize(failed, 'attempt')} failed`);
  if (dead > 0) parts.push(`${pluralize(dead, 'message')} dead`);
  const more = outcome === 'out_of_time' ? ' Time ran out; the next cycle goes on.' : '';
  return `${parts.join(', ')}.${more}`;
}
