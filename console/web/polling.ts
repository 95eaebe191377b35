/** Whether the next poll of a mailbox will come, and how the state of its messages says so. */
import type { OverviewJson } from '../../shared/schemas/overview.ts';

/** `blocked`: the top of the page says why. */
export type Polling = 'on' | 'stopped' | 'paused' | 'blocked';

const BLOCKED_STATES: ReadonlySet<string> = new Set([
  'not_configured',
  'reauth_required',
  'access_denied',
  'backing_off',
  'not_polling',
]);

/** @param address of the mailbox. The overview has the hundred worst ones, so any other is in no worse state than the last. */
export function pollingOf({ status }: OverviewJson, address: string): Polling {
  if (!status.is_running) return 'stopped';
  const { mailboxes } = status;
  const mailbox = mailboxes.find((one) => one.email_address === address) ?? mailboxes.at(-1);
  if (mailbox === undefined) return BLOCKED_STATES.has(status.state) ? 'blocked' : 'on';
  if (mailbox.is_paused) return 'paused';
  return BLOCKED_STATES.has(mailbox.state) ? 'blocked' : 'on';
}

const NOT_POLLED = {
  stopped: 'The monitor is stopped: press “Start” or “Poll now”.',
  paused: 'The mailbox is paused: press “Resume” in the list of mailboxes.',
  blocked: 'The monitor cannot poll this mailbox now: see the top of this page.',
} as const;

export function nextText(polling: Polling, whenPolling: string): string {
  return ` ${polling === 'on' ? whenPolling : NOT_POLLED[polling]}`;
}

const SHORT = {
  on: '',
  stopped: ' (the monitor is stopped)',
  paused: ' (the mailbox is paused)',
  blocked: ' (the monitor cannot poll this mailbox now)',
} as const;

/** After the time of an attempt. */
export function inBrackets(polling: Polling): string {
  return SHORT[polling];
}
