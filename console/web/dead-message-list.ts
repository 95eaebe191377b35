/** Dead messages, each with its error, its remediation and a way to try it again. */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { PollAnswerJson } from '../../shared/schemas/poll.ts';
import type { DeadMessageJson, DeadPageJson, GivenUp, Retried } from '../../shared/schemas/records.ts';
import { CONSOLE_API, get, post, MONITOR_API } from './api.ts';
import { reportText, whileBusy } from './controls.ts';
import { button, byId, element } from './element.ts';
import { KeyedList } from './keyed-list.ts';
import { pluralize } from './format-number.ts';
import { wirePagedSection } from './paged-section.ts';
import { withInlineCode } from './inline-code.ts';
import { ageElement } from './times.ts';

const FIRST = 25;

/** @param onChange asked for once a retry has ended */
export function wireDeadMessages(onChange: () => Promise<void>): (overview: OverviewJson) => Promise<void> {
  const root = byId('dead-messages');
  const retryAll = byId<HTMLButtonElement>('retry-all');
  const list = new KeyedList<DeadMessageJson>(
    byId('dead-list'),
    (message) => String(message.ledger_id),
    (message) => row(message, onChange),
  );
  const section = wirePagedSection<DeadMessageJson>({
    name: 'dead-messages',
    first: FIRST,
    dependsOn: ({ dead_count: count, status }) => [count, count === 0 ? null : status.last_poll_at],
    read: async (query) => {
      const page = await get<DeadPageJson>(`${CONSOLE_API}/dead?${query}`);
      return { rows: page.messages, nextBeforeId: page.next_before };
    },
    show: (messages) => {
      const place = byId('dead-list');
      const hadFocus = place.contains(document.activeElement);
      list.show(messages);
      // The row that had it is gone: whoever uses the keyboard goes on from here.
      if (hadFocus && !place.contains(document.activeElement)) byId('dead-messages-title').focus();
    },
  });
  retryAll.addEventListener('click', () => void retry(retryAll, `${CONSOLE_API}/dead/retry`, onChange));
  return async (overview) => {
    const hadFocus = root.contains(document.activeElement);
    root.hidden = overview.dead_count === 0;
    retryAll.hidden = overview.dead_count < 2;
    // What had the focus is gone with its message.
    if (root.hidden && hadFocus) byId('poll-now').focus();
    await section.update(overview);
  };
}

function row(message: DeadMessageJson, onChange: () => Promise<void>): HTMLLIElement {
  const { attempt_count: attempts, remediation, error_code: code, error_detail: detail } = message;
  const last = message.last_attempt_at;
  return element(
    'li',
    {},
    element(
      'p',
      { class: 'row-head' },
      element('code', { class: 'code' }, code ?? 'unknown'),
      ' ',
      element('span', { class: 'quiet' }, 'Gmail id '),
      element('code', {}, message.gmail_message_id),
      element('span', { class: 'quiet' }, `, ${pluralize(attempts, 'attempt')}`),
      ...(last === null ? [] : [element('span', { class: 'quiet' }, ', the last ', ageElement(last))]),
    ),
    detail === null ? null : element('p', {}, detail),
    remediation === null ? null : element('p', { class: 'remediation' }, ...withInlineCode(remediation)),
    message.given_up_at === null
      ? button('Give up', (self) => void giveUp(self, message, onChange), {
          'aria-label': `Give up message ${message.gmail_message_id}`,
        })
      : element('p', { class: 'quiet' }, 'Given up ', ageElement(message.given_up_at), ': it is not tried again.'),
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
  await whileBusy(control, 'Giving up…', onChange, async () => {
    const { given_up: count } = await post<GivenUp>(`${CONSOLE_API}/dead/${message.ledger_id}/give-up`);
    return count === 0
      ? 'It is no longer dead, or was given up before.'
      : 'Given up. It no longer counts as failing.';
  });
}

async function retry(control: HTMLButtonElement, path: string, onChange: () => Promise<void>): Promise<void> {
  await whileBusy(control, 'Retrying…', onChange, async () => {
    const { retried } = await post<Retried>(path);
    if (retried === 0) return 'It is no longer dead: another operator has retried it.';
    return reportText(await post<PollAnswerJson>(`${MONITOR_API}/poll-now`));
  });
}
