/** What went wrong in a way that somebody may ask about later, and how it ended. */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { IncidentJson, IncidentPageJson } from '../../shared/schemas/records.ts';
import { CONSOLE_API, get } from './api.ts';
import { byId, type Child, element, setText } from './element.ts';
import { KeyedList } from './keyed-list.ts';
import { formatNumber } from './format-number.ts';
import { wirePagedSection } from './paged-section.ts';
import { withInlineCode } from './inline-code.ts';
import { formatDuration, timeElement } from './times.ts';

const FIRST = 10;

const TITLES: Readonly<Record<string, string>> = {
  history_expired: 'Gmail’s history had expired',
  missing_found: 'Missing mail was found',
};

export function wireIncidents(): (overview: OverviewJson) => Promise<void> {
  const list = new KeyedList<IncidentJson>(byId('incident-list'), (incident) => String(incident.id), row);
  const section = wirePagedSection<IncidentJson>({
    name: 'incidents',
    first: FIRST,
    dependsOn: ({ incidents_open_count: open, status }) => [open, status.last_poll_at],
    read: async (query) => {
      const page = await get<IncidentPageJson>(`${CONSOLE_API}/incidents?${query}`);
      return { rows: page.incidents, nextBeforeId: page.next_before };
    },
    show: (incidents) => {
      list.show(incidents);
      setText(byId('incident-count'), incidents.length === 0 ? 'None yet.' : '');
    },
  });
  return async (overview) => await section.update(overview);
}

function row(incident: IncidentJson): HTMLLIElement {
  const { closed_at: closed, remediation, explanation, kind, opened_at: opened } = incident;
  const counts = countsOf(incident.detail);
  return element(
    'li',
    { class: closed === null ? 'is-open' : null },
    element(
      'p',
      { class: 'row-head' },
      element('strong', {}, TITLES[kind] ?? kind),
      ' ',
      element('span', { class: 'quiet' }, timeElement(opened), ...ending(opened, closed)),
    ),
    explanation === null ? null : element('p', {}, ...withInlineCode(explanation)),
    counts === '' ? null : element('p', { class: 'quiet' }, counts),
    remediation === null || closed !== null
      ? null
      : element('p', { class: 'remediation' }, ...withInlineCode(remediation)),
  );
}

function ending(opened: string, closed: string | null): Child[] {
  if (closed === null) return [', still open'];
  return [`, over after ${formatDuration(Date.parse(closed) - Date.parse(opened))}`];
}

/** `missing_count: 3` as "missing 3"; ids and the rest are in the database. */
function countsOf(detail: IncidentJson['detail']): string {
  return Object.entries(detail)
    .filter((entry): entry is [string, number] => entry[0].endsWith('_count') && typeof entry[1] === 'number')
    .map(([name, value]) => `${name.replace(/_count$/, '').replaceAll('_', ' ')} ${formatNumber(value)}`)
    .join(', ');
}
