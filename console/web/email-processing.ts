/** The state of an opened email in the queue of each consumer. */

import type { EmailProcessingJson } from '../../shared/schemas/processing.ts';
import { type Child, element } from './element.ts';
import { pluralize } from './format-number.ts';
import { ageElement, fullTimeElement, serverNowMs } from './times.ts';

export function emailProcessing(processing: readonly EmailProcessingJson[]): HTMLElement {
  return element(
    'div',
    { class: 'processing' },
    element('h3', {}, 'Processing'),
    element(
      'dl',
      { class: 'facts' },
      ...processing.flatMap((one) => [
        element('dt', {}, element('code', {}, one.consumer)),
        element(
          'dd',
          {},
          ...stateText(one),
          ...failuresText(one),
          one.error === null ? null : element('p', {}, one.error),
        ),
      ]),
    ),
  );
}

function stateText(one: EmailProcessingJson): Child[] {
  const { completed_at: completedAt, due_at: dueAt, queued_at: queuedAt, worker } = one;
  const before = completedAt === null ? [] : ['; completed before, ', fullTimeElement(completedAt)];
  const since = queuedAt === null ? [] : [', queued ', ageElement(queuedAt)];
  if (one.state === 'completed')
    return [
      'completed',
      ...(completedAt === null ? [] : [' ', fullTimeElement(completedAt)]),
      ...(worker === null ? [] : [` by ${worker}`]),
    ];
  if (one.state === 'not_queued') return ['not queued'];
  if (one.state === 'dead')
    return [
      element('span', { class: 'code' }, 'dead'),
      ...(dueAt === null ? [] : [', failed ', ageElement(dueAt)]),
      ...before,
    ];
  if (one.state === 'claimed')
    return [
      `claimed by ${worker ?? 'a worker'}`,
      ...(dueAt === null ? [] : [isAhead(dueAt) ? ', expires ' : ', expired ', ageElement(dueAt)]),
      ...since,
      ...before,
    ];
  const next = dueAt === null || !isAhead(dueAt) ? [] : [', next attempt ', ageElement(dueAt)];
  return ['waiting', ...since, ...next, ...before];
}

function isAhead(iso: string): boolean {
  return Date.parse(iso) > serverNowMs();
}

function failuresText({ failure_count: count, state, worker }: EmailProcessingJson): Child[] {
  if (count === 0) return [];
  const last = state === 'dead' && worker !== null ? `, the last worker was ${worker}` : '';
  return [`; ${pluralize(count, 'failure')}${last}`];
}
