/** Renders one message that is not stored: sender, subject, state in words, its place in Gmail, and what an operator can do. */
import type { GivenUp, MessageJson, Retried } from '../../shared/schemas/messages.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { PollAnswerJson } from '../../shared/schemas/poll.ts';
import { CONSOLE_API, MONITOR_API, post } from './api.ts';
import { pollResultText, runAction } from './controls.ts';
import { button, type Child, element } from './element.ts';
import { senderName, subjectText } from './email-row.ts';
import { gmailLink } from './gmail-link.ts';
import { withInlineCode } from './inline-code.ts';
import { KeyedList } from './keyed-list.ts';
import { describeMessage } from './message-state.ts';
import { keepErrors, rowErrors } from './notices.ts';
import { type Polling, pollingOf } from './polling.ts';
import { timeElement } from './times.ts';

type OnChange = () => Promise<void>;

interface ShownMessage extends MessageJson {
  readonly polling: Polling;
}

export interface MessageList {
  /** When the focused row is gone, keyboard users continue at the heading. */
  show(messages: readonly MessageJson[], overview: OverviewJson | null): void;
}

/** @param onChange called after each action, whether it succeeded or failed */
export function createMessageList(
  parent: HTMLElement,
  heading: HTMLElement,
  onChange: OnChange,
): MessageList {
  const list = new KeyedList<ShownMessage>(
    parent,
    (message) => `${message.email_address} ${message.gmail_message_id}`,
    (message, previous) => renderMessage(message, previous, onChange),
  );
  return {
    show: (messages, overview) => {
      const shown = messages.map((message) => ({
        ...message,
        polling: overview === null ? ('on' as const) : pollingOf(overview, message.email_address),
      }));
      const hadFocus = parent.contains(document.activeElement);
      keepErrors(parent, () => list.show(shown));
      if (hadFocus && !parent.contains(document.activeElement)) heading.focus();
    },
  };
}

function renderMessage(message: ShownMessage, previous: Element | null, onChange: OnChange): HTMLLIElement {
  const { hint, text } = describeMessage(message, message.polling);
  const { error_detail: detail, gmail_message_id: gmailId } = message;
  const hasError = message.is_failing || message.state === 'dead';
  const actions = actionsOf(message, onChange);
  return element(
    'li',
    { class: 'message' },
    renderHead(message),
    element('p', { class: message.is_failing ? 'message-state is-failing' : 'message-state' }, ...text),
    hasError && detail !== null ? element('p', { class: 'muted' }, detail) : null,
    hint === null ? null : element('p', { class: hasError ? 'remediation' : null }, ...withInlineCode(hint)),
    element(
      'p',
      { class: 'muted' },
      'Gmail ID ',
      element('code', {}, gmailId),
      ...(message.state === 'gone' ? [] : [' · ', gmailLink(message.email_address, gmailId)]),
    ),
    actions.length === 0 ? null : element('div', { class: 'buttons' }, ...actions),
    rowErrors(previous),
  );
}

const NO_HEADERS: Readonly<Record<NonNullable<MessageJson['headers_missing']>, string>> = {
  gone: 'Sender and subject are not known: the message is no longer in Gmail.',
  not_asked: 'Sender and subject are not known yet.',
  other_mailbox: 'Sender and subject are not known: Gmail was not asked about this mailbox.',
  failed: 'Sender and subject are not known: Gmail did not return them.',
};

function renderHead(message: MessageJson): HTMLElement {
  const { headers } = message;
  if (headers === null)
    return element(
      'div',
      { class: 'message-head' },
      element('span', { class: 'no-headers' }, NO_HEADERS[message.headers_missing ?? 'not_asked']),
    );
  return element(
    'div',
    { class: 'message-head' },
    element('bdi', { class: 'sender', title: headers.from }, correspondent(message)),
    element('bdi', { class: 'subject' }, subjectText(headers)),
    headers.received_at === null ? null : timeElement(headers.received_at),
  );
}

/** The sender; the recipients of a message that the account has written itself. */
function correspondent({ headers, ignored_rule: rule }: MessageJson): string {
  const to = headers?.to ?? null;
  if ((rule === 'sent' || rule === 'draft') && to !== null) return `To ${to}`;
  const from = headers?.from ?? null;
  const address = /<([^<>]*)>\s*$/.exec(from ?? '')?.[1] ?? from;
  return senderName({ sender: from, sender_address: address });
}

function actionsOf(message: MessageJson, onChange: OnChange): Child[] {
  const { gmail_message_id: id, ledger_id: ledgerId } = message;
  const isDead = message.state === 'dead';
  if (ledgerId === null || !(isDead || message.is_failing)) return [];
  const path = `${CONSOLE_API}/messages/${ledgerId}`;
  return [
    button('Retry', (self) => void retryMessages(self, `${path}/retry`, onChange), {
      'aria-label': `Retry message ${id}`,
    }),
    isDead && message.given_up_at === null
      ? button('Give up', (self) => void giveUp(self, `${path}/give-up`, onChange), {
          'aria-label': `Give up message ${id}`,
        })
      : null,
  ];
}

/** Makes one or all failing messages due, then polls. */
export async function retryMessages(
  control: HTMLButtonElement,
  path: string,
  onChange: OnChange,
): Promise<void> {
  await runAction(control, 'Retrying…', onChange, async () => {
    const { retried } = await post<Retried>(path);
    if (retried === 0) return 'Nothing to retry: no longer failing.';
    return pollResultText(await post<PollAnswerJson>(`${MONITOR_API}/poll-now`));
  });
}

async function giveUp(control: HTMLButtonElement, path: string, onChange: OnChange): Promise<void> {
  await runAction(control, 'Giving up…', onChange, async () => {
    const { given_up: count } = await post<GivenUp>(path);
    return count === 0
      ? 'Nothing changed: the message is no longer dead, or was already given up.'
      : 'Given up. The message no longer counts as failing.';
  });
}
