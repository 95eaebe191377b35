/** The state of an opened email in the queue of each consumer, with a button that has it processed again. */

import type { OpenedEmailJson } from '../../shared/schemas/emails.ts';
import type { EmailProcessingJson, Requeued } from '../../shared/schemas/processing.ts';
import { CONSOLE_API, post } from './api.ts';
import { button, type Child, element, fill } from './element.ts';
import { confirmedButton, outcomeElement, runEmailAction } from './email-action.ts';
import { pluralize } from './format-number.ts';
import { ageElement, fullTimeElement, serverNowMs } from './times.ts';

type Run = (control: HTMLButtonElement, path: string, done: string) => void;

/** @param onChange called after the state has changed; it shows the new state */
export function emailProcessing(
  email: OpenedEmailJson,
  onChange: () => Promise<void>,
): { readonly root: HTMLElement; readonly show: (email: OpenedEmailJson) => void } {
  const outcome = outcomeElement();
  const title = element('h3', { id: 'email-processing-title', tabindex: -1 }, 'Processing');
  const states = element('dl', { class: 'facts' });
  const run: Run = (control, path, done) =>
    void runEmailAction(control, outcome, async () => {
      const { requeued } = await post<Requeued>(`${CONSOLE_API}/${path}`);
      await onChange();
      return [element('p', {}, requeued === 0 ? 'Nothing to do: it was not processed.' : done)];
    });
  const show = (shown: OpenedEmailJson) => {
    const hadFocus = states.contains(document.activeElement);
    fill(
      states,
      ...shown.processing.flatMap((one) => [
        element('dt', {}, element('code', {}, one.consumer)),
        element(
          'dd',
          {},
          ...stateText(one),
          ...failuresText(one),
          one.error === null ? null : element('p', {}, one.error),
          requeueButton(shown, one, run),
        ),
      ]),
      ...processedFact(shown, run),
    );
    // The pressed button is gone: keyboard users continue at the heading.
    if (hadFocus) title.focus({ preventScroll: true });
  };
  show(email);
  const root = element(
    'section',
    { class: 'processing', 'aria-labelledby': title.id },
    title,
    states,
    outcome,
  );
  return { root, show };
}

function requeueButton(email: OpenedEmailJson, one: EmailProcessingJson, run: Run): Child {
  const { completed_at: completedAt, consumer, due_at: dueAt, state } = one;
  // The database refuses it while a worker has the email.
  if (state === 'claimed' && isAhead(dueAt)) return null;
  const label = `Process again (${consumer})`;
  const requeue = (control: HTMLButtonElement) =>
    run(
      control,
      `consumers/${consumer}/emails/${email.id}/requeue`,
      `Queued again. The workers of ${consumer} get it next.`,
    );
  if (state === 'completed' || completedAt !== null)
    return confirmedButton('Process again', {
      label,
      warning: `${consumer} has completed this email. It does the work a second time.`,
      run: requeue,
    });
  return button('Process again', requeue, { 'aria-label': label });
}

/** `processed` follows the queue of the consumer `extraction`. Without it, the column is set by hand. */
function processedFact(email: OpenedEmailJson, run: Run): Child[] {
  const hasQueue = email.processing.some(({ consumer }) => consumer === 'extraction');
  const reset =
    hasQueue || !email.processed
      ? null
      : confirmedButton('Set to not processed', {
          label: 'Set to not processed',
          warning: 'A program that reads unprocessed emails does the work a second time.',
          run: (control) => run(control, `emails/${email.id}/unprocess`, 'The email is not processed now.'),
        });
  return [
    element('dt', {}, element('code', {}, 'processed')),
    element('dd', {}, email.processed ? 'yes' : 'not yet', reset),
  ];
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
  const next = isRetryAhead(one) && dueAt !== null ? [', next attempt ', ageElement(dueAt)] : [];
  return ['waiting', ...since, ...next, ...before];
}

/** A queued email is due at once; after a failure, it waits. */
export function isRetryAhead({ due_at: dueAt, failure_count: failureCount }: EmailProcessingJson): boolean {
  return failureCount > 0 && isAhead(dueAt);
}

export function isAhead(iso: string | null): boolean {
  return iso !== null && Date.parse(iso) > serverNowMs();
}

function failuresText({ failure_count: count, state, worker }: EmailProcessingJson): Child[] {
  if (count === 0) return [];
  const last = state === 'dead' && worker !== null ? `, the last worker was ${worker}` : '';
  return [`; ${pluralize(count, 'failure')}${last}`];
}
