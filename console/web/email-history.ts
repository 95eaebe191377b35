/** What happened to an email, as a list with times. A time that was not recorded is said to be unknown, or its event is left out. */

import type { OpenedEmailJson } from '../../shared/schemas/emails.ts';
import type { EmailProcessingJson } from '../../shared/schemas/processing.ts';
import { type Child, element, fill } from './element.ts';
import { isAhead, isRetryAhead } from './email-processing.ts';
import { pluralize } from './format-number.ts';
import { fullTimeElement } from './times.ts';

interface HistoryEvent {
  /** Null: unknown. */
  readonly at: string | null;
  readonly text: Child[];
}

const SOURCES: Readonly<Record<NonNullable<OpenedEmailJson['discovery']>['source'], string>> = {
  history: 'Discovered in the history that Gmail reports to a poll or after a push.',
  newest: 'Discovered in the listing of the newest messages.',
  initial: 'Discovered in the listing of the first start.',
  backfill: 'Discovered by a backfill.',
  gap: 'Discovered by the listing of a gap in the history.',
  reconciliation: 'Discovered by a reconciliation.',
};

export function emailHistory(email: OpenedEmailJson): {
  readonly root: HTMLElement;
  readonly show: (email: OpenedEmailJson) => void;
} {
  const list = element('ol', { class: 'history' });
  const show = (shown: OpenedEmailJson) => fill(list, ...sorted(eventsOf(shown)).map(renderEvent));
  show(email);
  const root = element(
    'section',
    { 'aria-labelledby': 'email-history-title' },
    element('h3', { id: 'email-history-title' }, 'History'),
    list,
  );
  return { root, show };
}

function renderEvent({ at, text }: HistoryEvent): HTMLLIElement {
  return element(
    'li',
    {},
    at === null ? element('span', { class: 'muted' }, 'Time unknown') : fullTimeElement(at),
    element('span', {}, ...text),
  );
}

/** By time. Events without a time come last. */
function sorted(events: readonly HistoryEvent[]): HistoryEvent[] {
  return [...events].sort((a, b) => timeOf(a) - timeOf(b));
}

function timeOf({ at }: HistoryEvent): number {
  return at === null ? Number.MAX_SAFE_INTEGER : Date.parse(at);
}

function eventsOf(email: OpenedEmailJson): HistoryEvent[] {
  const { processed, processing, received_at, stored_at, updated_at } = email;
  const completedAt = processing.find(({ consumer }) => consumer === 'extraction')?.completed_at ?? null;
  return [
    { at: received_at, text: ['Received by Gmail.'] },
    ...discoveryEvents(email),
    { at: stored_at, text: ['Stored.'] },
    ...processing.flatMap(queueEvents),
    // `processed` and what the parser returned have one time together: that of the last change of either.
    ...(isSameMoment(updated_at, stored_at) || isSameMoment(updated_at, completedAt)
      ? []
      : [
          {
            at: updated_at,
            text: ['Last change of ', element('code', {}, 'processed'), ' or of the parsed columns.'],
          },
        ]),
    ...(processed && completedAt === null
      ? [{ at: null, text: ['Marked as ', element('code', {}, 'processed'), '.'] }]
      : []),
  ];
}

/** One transaction writes both times, at its begin and at its end. */
function isSameMoment(iso: string, other: string | null): boolean {
  return other !== null && Math.abs(Date.parse(iso) - Date.parse(other)) < 1_000;
}

function discoveryEvents({ discovery }: OpenedEmailJson): HistoryEvent[] {
  if (discovery === null) return [{ at: null, text: ['Discovered. The ledger does not say how.'] }];
  const { attempt_count: count, discovered_at, last_attempt_at: lastAt, source } = discovery;
  const events: HistoryEvent[] = [{ at: discovered_at, text: [SOURCES[source]] }];
  if (count > 0)
    events.push({
      at: lastAt,
      text: [`Last of ${pluralize(count, 'failed attempt')} to fetch and store it.`],
    });
  else if (lastAt !== null)
    events.push({ at: lastAt, text: ['The last failed attempt to fetch and store it.'] });
  return events;
}

/** The queue keeps the present state only: it does not say when an email was claimed, or failed before the last time. */
function queueEvents(one: EmailProcessingJson): HistoryEvent[] {
  const consumer = element('code', {}, one.consumer);
  const of = (at: string | null, ...text: Child[]): HistoryEvent => ({
    at,
    text: [consumer.cloneNode(true), ': ', ...text],
  });
  const { completed_at, due_at, failure_count: failures, queued_at, state, worker } = one;
  const events: HistoryEvent[] = [];
  if (queued_at !== null) events.push(of(queued_at, 'queued.'));
  if (failures > 0)
    events.push(
      state === 'dead'
        ? of(due_at, `failed for the last of ${pluralize(failures, 'time')}; dead.`)
        : of(null, `failed ${pluralize(failures, 'time')}.`),
    );
  if (state === 'claimed')
    events.push(
      of(due_at, `the claim of ${worker ?? 'a worker'} ${isAhead(due_at) ? 'expires' : 'expired'}.`),
    );
  if (state === 'waiting' && isRetryAhead(one)) events.push(of(due_at, 'next attempt.'));
  if (completed_at !== null)
    events.push(
      of(completed_at, state === 'completed' && worker !== null ? `completed by ${worker}.` : 'completed.'),
    );
  return events;
}
