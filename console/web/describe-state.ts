/** The label, colour and reason of each state. The reason is the sentence below the label. */
import type { MailboxStatusJson } from '../../shared/schemas/mailbox-status.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { pluralize } from './format-number.ts';
import { formatTime } from './times.ts';

/**
 * `ok`: nothing to do. `active`: working towards `ok`. `inactive`: stopped by an operator. `warning`: an operator should
 * look. `critical`: an operator must act.
 */
export type Tone = 'ok' | 'active' | 'inactive' | 'warning' | 'critical';

interface StateDescription {
  readonly label: string;
  readonly tone: Tone;
  readonly reason: (overview: OverviewJson, mailbox: MailboxStatusJson | null) => string;
}

const STATES: Readonly<Record<string, StateDescription>> = {
  watching: {
    label: 'Watching',
    tone: 'ok',
    reason: (_overview, mailbox) =>
      mailbox?.watch?.topic
        ? 'Nothing is waiting. New email arrives by push and is stored within seconds.'
        : 'Nothing is waiting. The next poll finds new email.',
  },
  catching_up: {
    label: 'Catching up',
    tone: 'active',
    reason: (_overview, mailbox) => {
      const pendingCount = mailbox?.ledger.pending ?? 0;
      const listing = mailbox?.is_listing === true ? 'Older email is still being listed. ' : '';
      if (pendingCount === 0) return listing;
      const verb = pendingCount === 1 ? 'is' : 'are';
      return `${listing}${pluralize(pendingCount, 'message')} ${verb} waiting to be fetched; new email is fetched first.`;
    },
  },
  starting: {
    label: 'Starting',
    tone: 'active',
    reason: () => 'The monitor is on, and no run has succeeded yet.',
  },
  stopped: {
    label: 'Stopped',
    tone: 'inactive',
    reason: () =>
      'No email is fetched, and the number of waiting messages is unknown. Gmail keeps new email, and Start fetches all of it.',
  },
  backing_off: {
    label: 'Retrying',
    tone: 'critical',
    reason: (_overview, mailbox) =>
      `${failuresText(mailbox?.failure_count ?? 1)} ${asSentence(mailbox?.last_error?.detail ?? '')}`,
  },
  not_polling: {
    label: 'Not polling',
    tone: 'critical',
    reason: ({ status }, mailbox) => {
      if (status.advice_items.some((item) => item.code === 'runs_not_ending'))
        return 'Runs begin but do not end, so the state of the mailbox is unknown.';
      const lastAt = mailbox?.last_run_at ?? status.last_poll_at;
      return `No run has begun${lastAt === null ? '' : ` since ${formatTime(lastAt)}`}, although the monitor is on.`;
    },
  },
  fetch_failing: {
    label: 'Messages failing',
    tone: 'critical',
    reason: (_overview, mailbox) => {
      const failing = mailbox?.failing;
      if (!failing) return '';
      const next =
        failing.next_attempt_at === null ? '' : ` Next attempt: ${formatTime(failing.next_attempt_at)}.`;
      const error = failing.error_detail ?? failing.error_code ?? '';
      return `${pluralize(failing.count, 'message')} cannot be fetched or stored; other messages are not affected.${next} ${asSentence(error)}`;
    },
  },
  watch_failing: {
    label: 'Polling only',
    tone: 'warning',
    reason: (_overview, mailbox) =>
      `Push does not work, so new email is found by polling. ${asSentence(mailbox?.watch?.error?.detail ?? '')}`,
  },
  reauth_required: {
    label: 'Token rejected',
    tone: 'critical',
    reason: (_overview, mailbox) =>
      `Google rejects the refresh token, so no email is fetched. ${asSentence(mailbox?.last_error?.detail ?? '')}`,
  },
  access_denied: {
    label: 'Access denied',
    tone: 'critical',
    reason: (_overview, mailbox) =>
      `The mailbox cannot be read, so no email is fetched. ${asSentence(mailbox?.last_error?.detail ?? '')}`,
  },
  not_configured: {
    label: 'Not set up',
    tone: 'critical',
    reason: () => 'There are no usable Gmail credentials, so no email can be fetched.',
  },
};

/** The state to show. Advice turns `ok` and `active` into `warning`, because an operator should read it. */
export function describeState(overview: OverviewJson): {
  readonly label: string;
  readonly tone: Tone;
  readonly reason: string;
} {
  const { status } = overview;
  const mailbox = currentMailbox(overview);
  const known = STATES[status.state];
  // The server may be newer than this page and report a state that the page does not know.
  if (known === undefined) return { label: status.state, tone: 'warning', reason: '' };
  const needsAttention = (known.tone === 'ok' || known.tone === 'active') && status.advice.length > 0;
  return {
    label: known.label,
    tone: needsAttention ? 'warning' : known.tone,
    reason: known.reason(overview, mailbox),
  };
}

/**
 * The mailbox of the configured credentials. Without credentials, the only known mailbox. Null before the first contact with
 * Gmail.
 */
export function currentMailbox({ status }: OverviewJson): MailboxStatusJson | null {
  const { mailboxes, state } = status;
  const only = state === 'not_configured' && mailboxes.length === 1 ? mailboxes[0] : undefined;
  return mailboxes.find((mailbox) => mailbox.is_current) ?? only ?? null;
}

function failuresText(count: number): string {
  return count === 1 ? 'The last run failed.' : `The last ${pluralize(count, 'run')} failed.`;
}

function asSentence(text: string): string {
  return text === '' || /[.!?]$/.test(text) ? text : `${text}.`;
}
