/** The consumers of the queue with their backlog, and their dead emails, each of which can be processed again. */

import type { ConsumerStatusJson } from '../../shared/schemas/consumer-status.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { DeadEmailJson, DeadEmailPageJson, Requeued } from '../../shared/schemas/processing.ts';
import { CONSOLE_API, get, post } from './api.ts';
import { runAction } from './controls.ts';
import { button, byId, element } from './element.ts';
import { emailOpener, subjectText } from './email-row.ts';
import { formatNumber, pluralize } from './format-number.ts';
import { KeyedList } from './keyed-list.ts';
import { keepErrors, rowErrors } from './notices.ts';
import { wirePagedSection } from './paged-section.ts';
import { ageElement, clockElement, elapsedElement } from './times.ts';

const INITIAL_ROW_COUNT = 25;

/** @param onChange called after each action, whether it succeeded or failed */
export function wireProcessing(onChange: () => Promise<void>): (overview: OverviewJson) => Promise<void> {
  const root = byId('processing');
  const consumers = new KeyedList<ConsumerStatusJson>(
    byId('consumer-list'),
    ({ name }) => name,
    renderConsumer,
  );
  const requeueButtons = new KeyedList<Pick<ConsumerStatusJson, 'name'>>(
    byId('requeue-dead'),
    ({ name }) => name,
    ({ name }) =>
      button(
        `Process all dead of ${name} again`,
        (self) => void requeue(self, `${name}/requeue-dead`, onChange),
      ),
  );
  const dead = byId('dead-email-list');
  const list = new KeyedList<DeadEmailJson>(
    dead,
    ({ consumer, id }) => `${consumer} ${id}`,
    (email, previous) => renderDeadEmail(email, previous, onChange),
  );
  const section = wirePagedSection<DeadEmailJson>({
    name: 'processing',
    initialRowCount: INITIAL_ROW_COUNT,
    dependsOn: ({ status }) =>
      status.consumers.map(({ dead_count: count, dead_emails: newest, name }) => [name, count, newest]),
    read: async (query) => {
      const page = await get<DeadEmailPageJson>(`${CONSOLE_API}/dead-emails?${query}`);
      return { rows: page.emails, nextBeforeId: page.next_before };
    },
    show: (emails) =>
      keepFocus(dead, () => {
        keepErrors(dead, () => list.show(emails));
      }),
  });
  return async (overview) => {
    const all = overview.status.consumers;
    keepErrors(root, () => {
      root.hidden = all.length === 0;
    });
    if (root.hidden) return;
    consumers.show(all);
    keepFocus(byId('requeue-dead'), () =>
      requeueButtons.show(all.filter((one) => one.dead_count > 1).map(({ name }) => ({ name }))),
    );
    await section.update(overview);
  };
}

/** When the focused row is gone, keyboard users continue at the heading. */
function keepFocus(parent: HTMLElement, update: () => void): void {
  const hadFocus = parent.contains(document.activeElement);
  update();
  if (hadFocus && !parent.contains(document.activeElement)) byId('processing-title').focus();
}

function renderConsumer(consumer: ConsumerStatusJson): HTMLTableRowElement {
  const { dead_count: dead, is_adding_older: isAddingOlder, name, oldest_queued_at: oldestAt } = consumer;
  return element(
    'tr',
    {},
    element(
      'th',
      { scope: 'row' },
      element('code', {}, name),
      isAddingOlder ? element('span', {}, ' Its next claims queue older emails.') : null,
    ),
    element('td', { class: 'number' }, countText(consumer, 'waiting_count')),
    element('td', { class: 'number' }, countText(consumer, 'claimed_count')),
    element('td', { class: dead > 0 ? 'number code' : 'number' }, countText(consumer, 'dead_count')),
    element(
      'td',
      { class: 'number' },
      ...(oldestAt === null
        ? ['–']
        : ['since ', clockElement(oldestAt), ' (', elapsedElement(oldestAt), ')']),
    ),
  );
}

/** `10,000+` for a count that stopped there. */
function countText(
  consumer: ConsumerStatusJson,
  name: 'waiting_count' | 'claimed_count' | 'dead_count',
): string {
  return `${formatNumber(consumer[name])}${consumer.capped_counts.includes(name) ? '+' : ''}`;
}

function renderDeadEmail(
  email: DeadEmailJson,
  previous: Element | null,
  onChange: () => Promise<void>,
): HTMLLIElement {
  const { consumer, error, id, worker } = email;
  return element(
    'li',
    {},
    emailOpener(email),
    element(
      'p',
      { class: 'row-head' },
      element('code', {}, consumer),
      element(
        'span',
        { class: 'muted' },
        `, ${pluralize(email.failure_count, 'failure')}, the last `,
        ageElement(email.failed_at),
        worker === null ? null : `, last worker ${worker}`,
      ),
    ),
    error === null ? null : element('p', {}, error),
    button('Process again', (self) => void requeue(self, `${consumer}/emails/${id}/requeue`, onChange), {
      'aria-label': `Process again: ${subjectText(email)} (${consumer})`,
    }),
    rowErrors(previous),
  );
}

/** @param path below consumers/ */
async function requeue(
  control: HTMLButtonElement,
  path: string,
  onChange: () => Promise<void>,
): Promise<void> {
  await runAction(control, 'Queueing…', onChange, async () => {
    const { requeued } = await post<Requeued>(`${CONSOLE_API}/consumers/${path}`);
    return requeued === 0
      ? 'Nothing to process again: no longer dead.'
      : `${pluralize(requeued, 'email')} queued again. The workers of the consumer get ${requeued === 1 ? 'it' : 'them'} next.`;
  });
}
