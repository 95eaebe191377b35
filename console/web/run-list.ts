/** The latest runs: who called, what came of it, how long it took. */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { RunJson, RunPageJson } from '../../shared/schemas/records.ts';
import { CONSOLE_API, get } from './api.ts';
import { byId, element, setText } from './element.ts';
import { KeyedList } from './keyed-list.ts';
import { formatNumber } from './format-number.ts';
import { wirePagedSection } from './paged-section.ts';
import { formatDuration, timeElement } from './times.ts';

const FIRST = 12;

const OUTCOMES: Readonly<Record<string, string>> = { out_of_time: 'out of time' };

export function wireRuns(): (overview: OverviewJson) => Promise<void> {
  const list = new KeyedList<RunJson>(byId('run-list'), (run) => String(run.id), row);
  const section = wirePagedSection<RunJson>({
    name: 'runs',
    first: FIRST,
    dependsOn: ({ status }) => [status.last_poll_at, status.emails_processed_total],
    read: async (query) => {
      const { next_before: nextBeforeId, runs } = await get<RunPageJson>(`${CONSOLE_API}/runs?${query}`);
      return { rows: runs, nextBeforeId };
    },
    show: (runs) => {
      list.show(runs);
      setText(byId('run-count'), runs.length === 0 ? 'None yet.' : '');
    },
  });
  return async (overview) => await section.update(overview);
}

function row(run: RunJson): HTMLTableRowElement {
  const { duration_ms: duration, error_code: error, outcome } = run;
  return element(
    'tr',
    { class: outcome === 'failed' ? 'is-bad' : null },
    element('td', {}, timeElement(run.started_at)),
    element('td', {}, run.trigger),
    element(
      'td',
      {},
      outcome === null ? 'not ended' : (OUTCOMES[outcome] ?? outcome),
      ...(error === null ? [] : [' ', element('code', {}, error)]),
    ),
    element('td', { class: 'number' }, formatNumber(run.stored_count)),
    element('td', { class: 'number' }, duration === null ? '–' : formatDuration(duration)),
    element('td', { class: 'number units' }, formatNumber(run.quota_units)),
  );
}
