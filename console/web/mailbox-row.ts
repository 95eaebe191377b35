/** Renders one mailbox: its state in words, figures, the error with its remediation, and what an operator can do. */
import type { MailboxStatusJson } from '../../shared/schemas/mailbox-status.ts';
import type { MailboxChange } from '../../shared/schemas/mailboxes.ts';
import type { State } from '../../shared/schemas/state.ts';
import { CONSOLE_API, postJson } from './api.ts';
import { runAction } from './controls.ts';
import type { Tone } from './describe-state.ts';
import { button, byId, type Child, element, fill } from './element.ts';
import { SHOW_EMAILS } from './email-filters.ts';
import { formatNumber } from './format-number.ts';
import { withInlineCode } from './inline-code.ts';
import { rowErrors } from './notices.ts';
import { confirmRemove } from './stop-dialog.ts';
import { ageElement } from './times.ts';

type OnChange = () => Promise<void>;

const STATES: Readonly<Record<State, readonly [string, Tone]>> = {
  not_configured: ['Not monitored', 'inactive'],
  reauth_required: ['Locked out', 'critical'],
  access_denied: ['Locked out', 'critical'],
  stopped: ['Stopped', 'inactive'],
  backing_off: ['Failing', 'critical'],
  not_polling: ['Not polled', 'critical'],
  fetch_failing: ['Some mail cannot be fetched', 'critical'],
  watch_failing: ['Push is failing', 'warning'],
  starting: ['Starting', 'active'],
  catching_up: ['Catching up', 'active'],
  watching: ['Watching', 'ok'],
};

/** Until the first comparison with Gmail's own list, it is not known whether mail is missing. */
const UNCHECKED: readonly [string, Tone] = ['Not checked yet', 'active'];

/**
 * @param previous the row that the new one replaces; its error moves to the new one
 * @param onChange called after each action, whether it succeeded or failed
 */
export function renderMailbox(
  mailbox: MailboxStatusJson,
  previous: Element | null,
  onChange: OnChange,
): HTMLLIElement {
  const { email_address: address, failing, is_paused: isPaused, last_error: error, ledger } = mailbox;
  const isUnchecked = mailbox.state === 'watching' && mailbox.reconciliation === null;
  const known: readonly [string, Tone] | undefined = isUnchecked ? UNCHECKED : STATES[mailbox.state];
  const [label, tone] = known ?? [mailbox.state, 'warning'];
  const text = isPaused ? (mailbox.state === 'stopped' ? 'Paused' : `${label}, paused`) : label;
  const problem = error ?? mailbox.watch?.error ?? null;
  const buttons = buttonsOf(mailbox, onChange);
  return element(
    'li',
    { class: 'mailbox-row' },
    element(
      'p',
      { class: 'mailbox-head' },
      element('bdi', { class: 'subject' }, address),
      element('span', { class: 'mailbox-state', 'data-tone': tone }, text),
    ),
    element(
      'p',
      { class: 'muted' },
      `${waitingText(mailbox)}, ${formatNumber(ledger.stored)} stored`,
      failing === null ? null : `, ${formatNumber(failing.count)} failing`,
      ...lastSuccess(mailbox),
    ),
    problem === null ? null : element('p', {}, problem.detail ?? problem.code),
    problem === null || problem.remediation === null
      ? null
      : element('p', { class: 'remediation' }, ...withInlineCode(problem.remediation)),
    buttons.length === 0 ? null : element('div', { class: 'buttons' }, ...buttons),
    rowErrors(previous),
  );
}

function waitingText({ ledger, waiting_count: count }: MailboxStatusJson): string {
  if (count !== null) return `${formatNumber(count)} waiting`;
  return ledger.pending === 0
    ? 'what waits is not known'
    : `${formatNumber(ledger.pending)} found, what else waits is not known`;
}

function lastSuccess({ last_success_at: at }: MailboxStatusJson): Child[] {
  return at === null ? [', no run has succeeded yet'] : [', last success ', ageElement(at)];
}

function buttonsOf(
  { access, email_address: address, is_paused: isPaused }: MailboxStatusJson,
  onChange: OnChange,
) {
  const emails = button(
    'Emails',
    () => document.dispatchEvent(new CustomEvent(SHOW_EMAILS, { detail: { address } })),
    { 'aria-label': `Show the emails of ${address}` },
  );
  if (access === null) return [emails];
  const change = async (
    self: HTMLButtonElement,
    verb: 'pause' | 'resume' | 'remove',
    pending: string,
    done: string,
  ) =>
    await runAction(self, pending, onChange, async () => {
      fill(byId('mailbox-next'));
      const path = `${CONSOLE_API}/mailboxes/${verb}`;
      const { next_step: next } = await postJson<MailboxChange>(path, { email_address: address });
      const text = `${address} ${done}${next === null ? '' : ` ${next}`}`;
      fill(byId('mailbox-next'), ...withInlineCode(text));
      return text;
    });
  const pause = isPaused
    ? button('Resume', (self) => void change(self, 'resume', 'Resuming…', 'is resumed.'), {
        'aria-label': `Resume ${address}`,
      })
    : button('Pause', (self) => void change(self, 'pause', 'Pausing…', 'is paused.'), {
        'aria-label': `Pause ${address}`,
      });
  if (access === 'environment') return [emails, pause];
  const remove = button(
    'Remove',
    async (self) => {
      if (await confirmRemove(address)) await change(self, 'remove', 'Removing…', 'is removed.');
    },
    { 'aria-label': `Remove ${address}` },
  );
  return [emails, pause, remove];
}
