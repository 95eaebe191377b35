/** Dead messages: those that failed every attempt. Each is shown with its error and remediation, and can be retried or given up. */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { PollAnswerJson } from '../../shared/schemas/poll.ts';
import type { DeadMessageJson, DeadPageJson, GivenUp, Retried } from '../../shared/schemas/records.ts';
import { CONSOLE_API, get, MONITOR_API, post } from './api.ts';
import { pollResultText, runAction } from './controls.ts';
import { button, byId, element } from './element.ts';
import { pluralize } from './format-number.ts';
import { withInlineCode } from './inline-code.ts';
import { KeyedList } from './keyed-list.ts';
import { wirePagedSection } from './paged-section.ts';
import { ageElement } from './times.ts';

const INITIAL_ROW_COUNT = 25;

/** @param onChange called after each retry or give-up, whether it succeeded or failed */
export function wireDeadMessageList(
  onChange: () => Promise<void>,
): (overview: OverviewJson) => Promise<void> {
  const root = byId('dead-messages');
  const retryAll = byId<HTMLButtonElement>('retry-all');
  const list = new KeyedList<DeadMessageJson>(
    byId('dead-list'),
    (message) => String(message.ledger_id),
    (message) => renderMessage(message, onChange),
  );
  const section = wirePagedSection<DeadMessageJson>({
    name: 'dead-messages',
    initialRowCount: INITIAL_ROW_COUNT,
    dependsOn: ({ dead_count: count, status }) => [count, count === 0 ? null : status.last_poll_at],
    read: async (query) => {
      const page = await get<DeadPageJson>(`${CONSOLE_API}/dead?${query}`);
      return { rows: page.messages, nextBeforeId: page.next_before };
    },
    show: (messages) => {
      const parent = byId('dead-list');
      const hadFocus = parent.contains(document.activeElement);
      list.show(messages);
      // The focused row is gone: keyboard users continue at the heading.
      if (hadFocus && !parent.contains(document.activeElement)) byId('dead-messages-title').focus();
    },
  });
  retryAll.addEventListener('click', () => void retry(retryAll, `${CONSOLE_API}/dead/retry`, onChange));
  return async (overview) => {
    const hadFocus = root.contains(document.activeElement);
    root.hidden = overview.dead_count === 0;
    retryAll.hidden = overview.dead_count < 2;
    // The focused element is now hidden with the section.
    if (root.hidden && hadFocus) byId('poll-now').focus();
    await section.update(overview);
  };
}

function renderMessage(message: DeadMessageJson, onChange: () => Promise<void>): HTMLLIElement {
  const { attempt_count: attemptCount, remediation, error_code: code, error_detail: detail } = message;
  const lastAttemptAt = message.last_attempt_at;
  return element(
    'li',
    {},
    element(
      'p',
      { class: 'row-head' },
      element('code', { class: 'code' }, code ?? 'unknown'),
      ' ',
      element('span', { class: 'muted' }, 'Gmail ID '),
      element('code', {}, message.gmail_message_id),
      element('span', { class: 'muted' }, `, ${pluralize(attemptCount, 'attempt')}`),
      ...(lastAttemptAt === null
        ? []
        : [element('span', { class: 'muted' }, ', last attempt ', ageElement(lastAttemptAt))]),
    ),
    detail === null ? null : element('p', {}, detail),
    remediation === null ? null : element('p', { class: 'remediation' }, ...withInlineCode(remediation)),
    message.given_up_at === null
      ? button('Give up', (self) => void giveUp(self, message, onChange), {
          'aria-label': `Give up message ${message.gmail_message_id}`,
        })
      : element(
          'p',
          { class: 'muted' },
          'Given up ',
          ageElement(message.given_up_at),
          '. It is not retried automatically.',
        ),
    button('Retry', (self) => void retry(self, `${CONSOLE_API}/dead/${message.ledger_id}/retry`, onChange), {
      'aria-label': `Retry message ${message.gmail_message_id}`,
    }),
  );
}

async function giveUp(
  control: HTMLButtonElement,
  message: DeadMessageJson,
  onChange: () => Promise<void>,
): Promise<void> {
  await runAction(control, 'Giving up…', onChange, async () => {
    const { given_up: count } = await post<GivenUp>(`${CONSOLE_API}/dead/${message.ledger_id}/give-up`);
    return count === 0
      ? 'Nothing changed: the message is no longer dead, or was already given up.'
      : 'Given up. The message no longer counts as failing.';
  });
}

async function retry(control: HTMLButtonElement, path: string, onChange: () => Promise<void>): Promise<void> {
  await runAction(control, 'Retrying…', onChange, async () => {
    const { retried } = await post<Retried>(path);
    if (retried === 0) return 'Nothing to retry: no longer dead.';
    return pollResultText(await post<PollAnswerJson>(`${MONITOR_API}/poll-now`));
  });
}
