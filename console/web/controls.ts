/** The Start, Stop and Poll now buttons, and how every button of the page runs its action. */

import type { PollAnswerJson } from '../../shared/schemas/poll.ts';
import type { StatusJson } from '../../shared/schemas/status.ts';
import { spokenCount } from './announcer.ts';
import { MONITOR_API, post } from './api.ts';
import { byId } from './element.ts';
import { formatNumber, pluralize } from './format-number.ts';
import { announce, clearErrors, errorPlaces, showError, showResult } from './notices.ts';
import { mailboxes } from './several-mailboxes.ts';
import { confirmStop } from './stop-dialog.ts';

/** A button that changes the monitor, from an id or created by advice. */
type Control = HTMLButtonElement;
type OnChange = () => Promise<void>;

/** @param onChange called after each action, whether it succeeded or failed */
export function wireControls(onChange: OnChange): void {
  const wire = (id: string, action: (control: Control, onChange: OnChange) => Promise<void>) => {
    const control = byId<Control>(id);
    control.addEventListener('click', () => void action(control, onChange));
  };
  wire('start', startMonitor);
  wire('stop', stopMonitor);
  wire('poll-now', pollNow);
}

export async function startMonitor(control: Control, onChange: OnChange): Promise<void> {
  await changeState(control, 'Starting…', onChange, async () => {
    const status = await post<StatusJson>(`${MONITOR_API}/start`);
    return status.is_running
      ? 'Started. Email that arrived in the meantime is being fetched.'
      : 'The monitor is still stopped.';
  });
}

/** Asks first, because no email is fetched afterwards. */
export async function stopMonitor(control: Control, onChange: OnChange): Promise<void> {
  if (isOff(control) || !(await confirmStop())) return;
  await changeState(control, 'Stopping…', onChange, async () => {
    const status = await post<StatusJson>(`${MONITOR_API}/stop`);
    return status.is_running
      ? 'The monitor is still running.'
      : 'Stopped. Gmail keeps new email until you start the monitor again.';
  });
}

export async function restartMonitor(control: Control, onChange: OnChange): Promise<void> {
  await changeState(control, 'Restarting…', onChange, async () => {
    await post<StatusJson>(`${MONITOR_API}/stop`);
    await post<StatusJson>(`${MONITOR_API}/start`);
    return 'Stopped and started again.';
  });
}

export async function pollNow(control: Control, onChange: OnChange): Promise<void> {
  await runAction(control, 'Polling…', onChange, async () =>
    pollResultText(await post<PollAnswerJson>(`${MONITOR_API}/poll-now`)),
  );
}

/** Turns the buttons that need the server off or on. They keep the focus, and refer to the text that says why. */
export function setControlsOff(areOff: boolean): void {
  byId('controls-off').hidden = !areOff;
  // The result of an earlier action may not hold any more.
  if (areOff) showResult('');
  for (const control of document.querySelectorAll<Control>('[data-needs-answer]')) {
    control.dataset['needsAnswer'] = areOff ? 'off' : '';
    if (areOff) control.setAttribute('aria-describedby', 'controls-off');
    else control.removeAttribute('aria-describedby');
    showWhetherOff(control);
  }
}

/**
 * Runs the action of a button and announces its result or shows its error. The button is `aria-disabled` in the meantime;
 * `disabled` would take the focus away from keyboard users.
 *
 * @param action returns the text to announce
 */
export async function runAction(
  control: Control,
  pendingText: string,
  onChange: OnChange,
  action: () => Promise<string>,
): Promise<void> {
  await run(control, pendingText, onChange, async () => announce(await action()));
}

/** As `runAction`; the result is spoken only if no new state is, which says the same. */
async function changeState(
  control: Control,
  pendingText: string,
  onChange: OnChange,
  action: () => Promise<string>,
): Promise<void> {
  const before = spokenCount();
  let result = '';
  const show = async () => {
    result = await action();
    showResult(result);
  };
  await run(control, pendingText, onChange, show);
  if (result !== '' && spokenCount() === before) announce(result);
}

async function run(
  control: Control,
  pendingText: string,
  onChange: OnChange,
  work: () => Promise<void>,
): Promise<void> {
  if (isOff(control)) return;
  const name = control.textContent ?? '';
  // Before the row may be rendered again.
  const places = errorPlaces(control);
  control.dataset['pending'] = '';
  showWhetherOff(control);
  control.textContent = pendingText;
  clearErrors();
  showResult('');
  try {
    await work();
  } catch (error) {
    showError(name, error, places);
  } finally {
    delete control.dataset['pending'];
    showWhetherOff(control);
    control.textContent = name;
    await onChange();
  }
}

function isOff(control: Control): boolean {
  return control.getAttribute('aria-disabled') === 'true';
}

function showWhetherOff(control: Control): void {
  const { needsAnswer, pending } = control.dataset;
  if (needsAnswer === 'off' || pending !== undefined) control.setAttribute('aria-disabled', 'true');
  else control.removeAttribute('aria-disabled');
}

/** Outcomes of a poll that did not run. */
const NOT_RUN: Readonly<Record<string, string>> = {
  busy: 'Another run is already in progress. It also fetches what is new now.',
  not_due: 'The next run is not due yet.',
  stopped: 'The monitor is stopped.',
  paused: 'Nothing is fetched while all mailboxes are paused. Resume one first.',
  not_configured: 'No Gmail credentials are configured.',
};

export function pollResultText({
  dead,
  dispatched,
  failed,
  failed_mailboxes: failedMailboxes = 0,
  mailboxes: all = 0,
  new_emails: storedCount,
  outcome,
}: PollAnswerJson): string {
  const notRun = NOT_RUN[outcome];
  if (notRun !== undefined) return notRun;
  if (outcome === 'dispatched')
    return `${pluralize(dispatched ?? 0, 'run')} of mailboxes begun. Their emails appear below as they are stored.`;
  const parts = [storedCount === 0 ? 'Nothing new' : `${pluralize(storedCount, 'new email')} stored`];
  if (failed > 0) parts.push(`${pluralize(failed, 'attempt')} failed`);
  if (dead > 0) parts.push(`${pluralize(dead, 'message')} now dead`);
  if (failedMailboxes > 0) parts.push(`${formatNumber(failedMailboxes)} of ${mailboxes(all)} failed`);
  const more = outcome === 'out_of_time' ? ' The run reached its time limit; the next run continues.' : '';
  return `${parts.join(', ')}.${more}`;
}
