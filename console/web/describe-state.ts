/** What each state is called, how it is coloured, and why it is so: the sentence under the word. */
import type { MailboxStatusJson } from '../../shared/schemas/mailbox-status.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { pluralize } from './format-number.ts';
import { formatTime } from './times.ts';

/** `well`: nothing to do. `busy`: works, and will be well. `off`: by a person's will. `care`: look. `bad`: act. */
export type Tone = 'well' | 'busy' | 'off' | 'care' | 'bad';

interface StateWords {
  readonly word: string;
  readonly tone: Tone;
  readonly reason: (overview: OverviewJson, mailbox: MailboxStatusJson | null) => string;
}

const STATES: Readonly<Record<string, StateWords>> = {
  watching: {
    word: 'Watching',
    tone: 'well',
    reason: (_overview, mailbox) =>
      mailbox?.watch?.topic
        ? 'Nothing waits. New mail is announced by push and stored within seconds.'
        : 'Nothing waits. New mail is found at the next poll.',
  },
  catching_up: {
    word: 'Catching up',
    tone: 'busy',
    reason: (_overview, mailbox) => {
      const pending = mailbox?.ledger.pending ?? 0;
      const listing = mailbox?.is_listing === true ? 'A listing of older mail is being read. ' : '';
      if (pending === 0) return listing;
      return `${listing}${pluralize(pending, 'message')} ${pending === 1 ? 'waits' : 'wait'} to be fetched; live mail goes first.`;
    },
  },
  starting: {
    word: 'Starting',
    tone: 'busy',
    reason: () => 'It is on, and its first cycle has not ended yet.',
  },
  stopped: {
    word: 'Stopped',
    tone: 'off',
    reason: () =>
      'Nothing is fetched, and how much waits is unknown. Gmail keeps what arrives, and Start fetches all of it.',
  },
  backing_off: {
    word: 'Retrying',
    tone: 'bad',
    reason: (_overview, mailbox) =>
      `${failures(mailbox?.failure_count ?? 1)} ${sentence(mailbox?.last_error?.detail ?? '')}`,
  },
  not_polling: {
    word: 'Not polling',
    tone: 'bad',
    reason: ({ status }, mailbox) => {
      if (status.advice_items.some((item) => item.code === 'runs_not_ending'))
        return 'Runs begin but do not end, so nothing is known of the mailbox.';
      const last = mailbox?.last_run_at ?? status.last_poll_at;
      return `No run has begun${last === null ? '' : ` since ${formatTime(last)}`}, although the monitor is on.`;
    },
  },
  fetch_failing: {
    word: 'Messages failing',
    tone: 'bad',
    reason: (_overview, mailbox) => {
      const failing = mailbox?.failing;
      if (!failing) return '';
      const next =
        failing.next_attempt_at === null
          ? ''
          : ` The next attempt is at ${formatTime(failing.next_attempt_at)}.`;
      const why = failing.error_detail ?? failing.error_code ?? '';
      return `${pluralize(failing.count, 'message')} cannot be fetched; the others are stored.${next} ${sentence(why)}`;
    },
  },
  watch_failing: {
    word: 'Polling only',
    tone: 'care',
    reason: (_overview, mailbox) =>
      `Push does not work; mail is found by polling. ${sentence(mailbox?.watch?.error?.detail ?? '')}`,
  },
  reauth_required: {
    word: 'Locked out',
    tone: 'bad',
    reason: (_overview, mailbox) =>
      `Gmail no longer takes the credentials, so nothing is fetched. ${sentence(mailbox?.last_error?.detail ?? '')}`,
  },
  access_denied: {
    word: 'Denied',
    tone: 'bad',
    reason: (_overview, mailbox) =>
      `Gmail denies access, so nothing is fetched. ${sentence(mailbox?.last_error?.detail ?? '')}`,
  },
  not_configured: {
    word: 'Not set up',
    tone: 'bad',
    reason: () => 'There are no Gmail credentials, so nothing can be fetched.',
  },
};

/** What an operator has to see first. A mailbox that is watched while advice stands is not simply well. */
export function describeState(overview: OverviewJson): {
  readonly word: string;
  readonly tone: Tone;
  readonly reason: string;
} {
  const { status } = overview;
  const mailbox = currentMailbox(overview);
  const known = STATES[status.state];
  // Newer code than this page: the name says more than nothing.
  if (known === undefined) return { word: status.state, tone: 'care', reason: '' };
  const calls = (known.tone === 'well' || known.tone === 'busy') && status.advice.length > 0;
  return { word: known.word, tone: calls ? 'care' : known.tone, reason: known.reason(overview, mailbox) };
}

/** The one that the credentials reach, or without any the only one that is known; null before the first contact. */
export function currentMailbox({ status }: OverviewJson): MailboxStatusJson | null {
  const { mailboxes, state } = status;
  const only = state === 'not_configured' && mailboxes.length === 1 ? mailboxes[0] : undefined;
  return mailboxes.find((mailbox) => mailbox.is_current) ?? only ?? null;
}

function failures(count: number): string {
  return count === 1 ? 'The last cycle failed.' : `The last ${pluralize(count, 'cycle')} failed.`;
}

function sentence(text: string): string {
  return text === '' || /[.!?]$/.test(text) ? text : `${text}.`;
}
