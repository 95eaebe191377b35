/** Below the state: what is known about the completeness of the stored email, and the quota. */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { describeCompleteness, storedOf } from './completeness.ts';
import { byId, type Child, element, fill } from './element.ts';
import type { Figure, Text } from './figure.ts';
import { formatNumber, pluralize } from './format-number.ts';
import { ageElement, clockElement, elapsedElement } from './times.ts';

let shown = '';

/** @param lostSince server time of the last answer while there is no newer one; null while the data is current */
export function showMetrics(overview: OverviewJson, lostSince: string | null): void {
  // Without `now`: the displayed ages update on their own.
  const json = JSON.stringify([{ ...overview, now: '' }, lostSince]);
  if (json === shown) return;
  shown = json;
  const { comparison, dead, missing, sentence, waiting } = describeCompleteness(overview, lostSince);
  fill(byId('completeness'), ...toChildren(sentence));
  fill(byId('reconciliation'), ...toChildren(comparison));
  show('waiting', 'Waiting to be fetched', waiting);
  show('missing', 'Missing', missing);
  show('dead', 'Dead messages', dead);
  const old: Text = lostSince === null ? [] : [' (old data, from ', { as: 'clock', at: lostSince }, ')'];
  show('stored', 'Stored in total', storedOf(overview, old));
  showQuota(overview, old);
}

function showQuota({ quota }: OverviewJson, old: Text): void {
  const { minute_limit: limit, minute_used: used, today_used: today } = quota;
  const share = used === null || limit === 0 ? 0 : Math.min(1, used / limit);
  const note: Text =
    used === null
      ? [`of ${formatNumber(limit)} units per minute`, ...old]
      : [
          `${formatNumber(used)} of ${formatNumber(limit)} units per minute${today === null ? '' : `; ${pluralize(today, 'unit')} today (UTC)`}`,
          ...old,
        ];
  show('quota', 'Gmail quota in use', {
    value: [used === null ? 'not used yet' : `${Math.round(share * 100)} %`],
    note,
  });
}

function show(id: string, label: string, { note, tone, value }: Figure): void {
  const box = byId(id);
  box.classList.toggle('is-critical', tone === 'critical');
  box.classList.toggle('is-active', tone === 'active');
  // A text is smaller than a number.
  box.classList.toggle('is-text', !/^\d/.test(String(value[0] ?? '')));
  fill(
    box,
    element('dt', {}, label),
    element('dd', { class: 'value' }, ...toChildren(value)),
    element('dd', { class: 'note' }, ...toChildren(note)),
  );
}

const ELEMENTS = { ago: ageElement, clock: clockElement, elapsed: elapsedElement };

function toChildren(text: Text): Child[] {
  return text.map((part) => (typeof part === 'string' ? part : ELEMENTS[part.as](part.at)));
}
