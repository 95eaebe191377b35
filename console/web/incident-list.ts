/** Incidents: problems that an operator may need to look into later, open or closed. */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { IncidentJson, IncidentPageJson } from '../../shared/schemas/records.ts';
import { actionButtons } from './actions.ts';
import { CONSOLE_API, get } from './api.ts';
import { byId, type Child, element, setText } from './element.ts';
import { formatNumber } from './format-number.ts';
import { withInlineCode } from './inline-code.ts';
import { KeyedList } from './keyed-list.ts';
import { wirePagedSection } from './paged-section.ts';
import { formatDuration, timeElement } from './times.ts';

const INITIAL_ROW_COUNT = 10;

const TITLES: Readonly<Record<string, string>> = {
  history_expired: 'Gmail history expired',
  missing_found: 'Missing messages found',
};

export function wireIncidentList(): (overview: OverviewJson) => Promise<void> {
  const list = new KeyedList<IncidentJson>(
    byId('incident-list'),
    (incident) => String(incident.id),
    renderIncident,
  );
  const section = wirePagedSection<IncidentJson>({
    name: 'incidents',
    initialRowCount: INITIAL_ROW_COUNT,
    dependsOn: ({ incidents_open_count: openCount, status }) => [openCount, status.last_poll_at],
    read: async (query) => {
      const page = await get<IncidentPageJson>(`${CONSOLE_API}/incidents?${query}`);
      return { rows: page.incidents, nextBeforeId: page.next_before };
    },
    show: (incidents) => {
      list.show(incidents);
      setText(byId('incident-count'), incidents.length === 0 ? 'No incidents.' : '');
    },
  });
  return async (overview) => await section.update(overview);
}

function renderIncident(incident: IncidentJson): HTMLLIElement {
  const { action, closed_at: closedAt, explanation, kind, opened_at: openedAt } = incident;
  const { remediation_text: remediation } = incident;
  const counts = countsText(incident.detail);
  return element(
    'li',
    { class: closedAt === null ? 'is-open' : null },
    element(
      'p',
      { class: 'row-head' },
      element('strong', {}, TITLES[kind] ?? kind),
      ' ',
      element('span', { class: 'muted' }, timeElement(openedAt), ...closingText(openedAt, closedAt)),
    ),
    explanation === null ? null : element('p', {}, ...withInlineCode(explanation)),
    counts === '' ? null : element('p', { class: 'muted' }, counts),
    remediation === null || closedAt !== null
      ? null
      : element('p', { class: 'remediation' }, ...withInlineCode(remediation)),
    ...(action === null || closedAt !== null ? [] : actionButtons({ action, known: [] })),
  );
}

function closingText(openedAt: string, closedAt: string | null): Child[] {
  if (closedAt === null) return [', still open'];
  return [`, closed after ${formatDuration(Date.parse(closedAt) - Date.parse(openedAt))}`];
}

/** `missing_count: 3` becomes "missing: 3". Ids and other values are left out; the database has them. */
function countsText(detail: IncidentJson['detail']): string {
  return Object.entries(detail)
    .filter((entry): entry is [string, number] => entry[0].endsWith('_count') && typeof entry[1] === 'number')
    .map(([name, value]) => `${name.replace(/_count$/, '').replaceAll('_', ' ')}: ${formatNumber(value)}`)
    .join(', ');
}
