/**
 * The heading, colour and reason of each state. The reason is the sentence below the heading. No text here contains an age, so
 * that it changes only when the state does.
 */
import type { MailboxStatusJson } from '../../shared/schemas/mailbox-status.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { State } from '../../shared/schemas/state.ts';
import { pluralize } from './format-number.ts';
import { formatClock, formatTime } from './format-time.ts';
import { hasSeveral, headline, stateSummary, uncheckedCount } from './several-mailboxes.ts';

/**
 * `ok`: nothing to do. `active`: working towards `ok`. `inactive`: stopped by an operator. `warning`: an operator should
 * look. `critical`: an operator must act. `unknown`: no answer, or none yet.
 */
export type Tone = 'ok' | 'active' | 'inactive' | 'warning' | 'critical' | 'unknown';

export interface StateDescription {
  /** Of the status, or `no_answer`, or `loading`. */
  readonly state: string;
  readonly label: string;
  readonly tone: Tone;
  /** Commands are between backticks. */
  readonly reason: string;
}

interface StateTexts {
  readonly tone: Tone;
  readonly label: (overview: OverviewJson, mailbox: MailboxStatusJson | null) => string;
  readonly reason: (overview: OverviewJson, mailbox: MailboxStatusJson | null) => string;
}

/** `unchecked`: `watching`, but Gmail's own list was never compared. */
type HeadingState = State | 'unchecked';

const STATES: Readonly<Record<HeadingState, StateTexts>> = {
  not_configured: {
    tone: 'critical',
    label: () => 'Not set up',
    reason: () => 'There are no usable Gmail credentials, so no email can be fetched.',
  },
  reauth_required: {
    tone: 'critical',
    label: () => 'Locked out',
    reason: ({ status }, mailbox) =>
      `Google rejects the refresh token, so no email is fetched. ${errorText(mailbox, status.last_error)}`,
  },
  access_denied: {
    tone: 'critical',
    label: () => 'Locked out',
    reason: ({ status }, mailbox) =>
      `The mailbox cannot be read, so no email is fetched. ${errorText(mailbox, status.last_error)}`,
  },
  stopped: {
    tone: 'inactive',
    label: ({ status }, mailbox) => (status.is_running && mailbox?.is_paused ? 'Paused' : 'Stopped'),
    reason: ({ status }, mailbox) => {
      const unknown = 'No email is fetched, and how much waits is not known. Gmail keeps new email, and';
      if (!mailbox?.is_paused) return `${unknown} Start fetches all of it.`;
      const who = `${mailbox.email_address} is paused. ${unknown}`;
      return `${who} ${status.is_running ? 'Resume fetches' : 'Start and Resume fetch'} all of it.`;
    },
  },
  backing_off: {
    tone: 'critical',
    label: ({ now }, mailbox) => {
      const nextAt = mailbox?.next_poll_at ?? null;
      return `Failing (next try ${nextAt === null || nextAt <= now ? 'now' : `at ${formatClock(nextAt)}`})`;
    },
    reason: ({ status }, mailbox) =>
      `${failuresText(mailbox?.failure_count ?? 1)} ${errorText(mailbox, status.last_error)}`,
  },
  not_polling: {
    tone: 'critical',
    label: () => 'Not polling',
    reason: ({ status }, mailbox) => {
      if (status.advice_items.some((item) => item.code === 'runs_not_ending'))
        return 'Runs begin but do not end, so the state of the mailbox is unknown.';
      const lastAt = mailbox?.last_run_at ?? status.last_poll_at;
      return `No run has begun${lastAt === null ? '' : ` since ${formatTime(lastAt)}`}, although the monitor is on.`;
    },
  },
  fetch_failing: {
    tone: 'critical',
    label: () => 'Some mail cannot be fetched',
    reason: ({ status }, mailbox) => {
      const failing = mailbox?.failing ?? status.mailboxes.find((one) => one.failing !== null)?.failing;
      if (!failing) return '';
      const next =
        failing.next_attempt_at === null ? '' : ` Next attempt: ${formatTime(failing.next_attempt_at)}.`;
      const error = failing.error_detail ?? failing.error_code ?? '';
      // The advice about dead messages has it.
      const remediation = failing.dead_count > 0 ? '' : ` ${failing.remediation}`;
      return `${pluralize(failing.count, 'message')} cannot be fetched or stored; other messages are not affected.${next} ${asSentence(error)}${remediation}`;
    },
  },
  watch_failing: {
    tone: 'warning',
    label: () => 'Push is failing',
    reason: (_overview, mailbox) =>
      `Push does not work, so new email is found by polling. ${asSentence(mailbox?.watch?.error?.detail ?? '')}`,
  },
  starting: {
    tone: 'active',
    label: () => 'Starting',
    reason: () => 'The monitor is on, and no run has succeeded yet.',
  },
  catching_up: {
    tone: 'active',
    label: () => 'Catching up',
    reason: (_overview, mailbox) => catchingUpText(mailbox),
  },
  unchecked: {
    tone: 'active',
    label: () => 'Not checked yet',
    reason: () => 'All email found so far is stored. Gmail’s own list is not compared with it yet.',
  },
  watching: {
    tone: 'ok',
    label: () => 'Watching',
    reason: ({ status }, mailbox) => {
      if (status.advice.length > 0) return 'All email is stored, but something needs your attention.';
      return mailbox?.watch?.topic
        ? 'Nothing is waiting. New email arrives by push and is stored within seconds.'
        : 'Nothing is waiting. The next poll finds new email.';
    },
  },
};

/** Advice turns `ok` and `active` into `warning`, because an operator should read it. */
export function describeState(overview: OverviewJson): StateDescription {
  const { status } = overview;
  const mailbox = currentMailbox(overview);
  const state = headingState(overview, mailbox);
  const texts: StateTexts | undefined = STATES[state];
  // The server may be newer than this page and report a state that the page does not know.
  if (texts === undefined) return { state, label: state, tone: 'warning', reason: '' };
  const isSeveral = hasSeveral(overview) && state !== 'not_configured';
  const needsAttention = (texts.tone === 'ok' || texts.tone === 'active') && status.advice.length > 0;
  return {
    state,
    label: isSeveral ? headline(overview, state) : texts.label(overview, mailbox),
    tone: needsAttention ? 'warning' : texts.tone,
    reason: isSeveral ? stateSummary(overview) : texts.reason(overview, mailbox).trim(),
  };
}

/**
 * @param since server time of the last answer; null before the first one
 * @param problem why there is no answer, in short
 */
export function describeNoAnswer(since: string | null, problem: string, detail: string): StateDescription {
  const from = since === null ? 'No data has been loaded yet.' : `Since ${formatTime(since)}.`;
  return {
    state: 'no_answer',
    label: 'No answer',
    tone: 'critical',
    reason: `${from} ${asSentence(problem)} ${asSentence(detail)}`,
  };
}

/** @param since server time of the last answer; null before the first one */
export function describeLoading(since: string | null): StateDescription {
  const reason = since === null ? '' : `The data below is from ${formatTime(since)}.`;
  return { state: 'loading', label: 'Loading…', tone: 'unknown', reason };
}

/**
 * The monitored mailbox; of several, one in the worst state. Without credentials, the only known mailbox. Null before the first contact with
 * Gmail.
 */
export function currentMailbox({ status }: OverviewJson): MailboxStatusJson | null {
  const { mailboxes, state } = status;
  const only = state === 'not_configured' && mailboxes.length === 1 ? mailboxes[0] : undefined;
  return mailboxes.find((mailbox) => mailbox.is_current) ?? only ?? null;
}

/**
 * `status.state` describes the current mailbox. The heading says more: dead messages of former mailboxes are not stored
 * either, and before the first reconciliation it is not known whether messages are missing.
 */
function headingState(overview: OverviewJson, mailbox: MailboxStatusJson | null): HeadingState {
  const { dead_count: deadCount, status } = overview;
  const { state } = status;
  const isFetching = ['watch_failing', 'starting', 'catching_up', 'watching'].includes(state);
  if (isFetching && deadCount > 0) return 'fetch_failing';
  if (state !== 'watching') return state;
  if (hasSeveral(overview) ? uncheckedCount(overview) > 0 : mailbox?.reconciliation === null)
    return 'unchecked';
  return state;
}

function catchingUpText(mailbox: MailboxStatusJson | null): string {
  const pendingCount = mailbox?.ledger.pending ?? 0;
  const missingCount = mailbox?.reconciliation?.missing_count ?? 0;
  const parts: string[] = [];
  if (mailbox?.is_listing === true) parts.push('Older email is not completely listed yet.');
  if (pendingCount > 0)
    parts.push(
      `${pluralize(pendingCount, 'message')} ${pendingCount === 1 ? 'is' : 'are'} waiting to be fetched; new email is fetched first.`,
    );
  if (missingCount > 0)
    parts.push(
      `The last check found ${pluralize(missingCount, 'message')} missing; the next one confirms that all are stored.`,
    );
  if (parts.length > 0) return parts.join(' ');
  return 'The history of the mailbox is not read to its end yet, so it is not known how much waits.';
}

function errorText(mailbox: MailboxStatusJson | null, lastError: string | null): string {
  return asSentence(mailbox?.last_error?.detail ?? (mailbox === null ? lastError : null) ?? '');
}

function failuresText(count: number): string {
  return count === 1 ? 'The last run failed.' : `The last ${pluralize(count, 'run')} failed.`;
}

function asSentence(text: string): string {
  return text === '' || /[.!?]$/.test(text) ? text : `${text}.`;
}
