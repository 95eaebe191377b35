/** The latest runs: what triggered each, its outcome and its duration. */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { RunJson, RunPageJson } from '../../shared/schemas/records.ts';
import { CONSOLE_API, get } from './api.ts';
import { byId, element, setText } from './element.ts';
import { formatNumber } from './format-number.ts';
import { KeyedList } from './keyed-list.ts';
import { wirePagedSection } from './paged-section.ts';
import { formatDuration, timeElement } from './times.ts';

const INITIAL_ROW_COUNT = 12;

const OUTCOME_LABELS: Readonly<Record<string, string>> = { out_of_time: 'out of time' };

export function wireRunList(): (overview: OverviewJson) => Promise<void> {
  const list = new KeyedList<RunJson>(byId('run-list'), (run) => String(run.id), renderRun);
  const section = wirePagedSection<RunJson>({
    name: 'runs',
    initialRowCount: INITIAL_ROW_COUNT,
    dependsOn: ({ status }) => [status.last_poll_at, status.emails_processed_total],
    read: async (query) => {
      const { next_before: nextBeforeId, runs } = await get<RunPageJson>(`${CONSOLE_API}/runs?${query}`);
      return { rows: runs, nextBeforeId };
    },
    show: (runs) => {
      list.show(runs);
      setText(byId('run-count'), runs.length === 0 ? 'No runs yet.' : '');
    },
  });
  return async (overview) => await section.update(overview);
}

function renderRun(run: RunJson): HTMLTableRowElement {
  const { duration_ms: durationMs, error_code: errorCode, outcome } = run;
  return element(
    'tr',
    { class: outcome === 'failed' ? 'is-critical' : null },
    element('td', {}, timeElement(run.started_at)),
    element('td', {}, run.trigger),
    element(
      'td',
      {},
      outcome === null ? 'not finished' : (OUTCOME_LABELS[outcome] ?? outcome),
      ...(errorCode === null ? [] : [' ', element('code', {}, errorCode)]),
    ),
    element('td', { class: 'number' }, formatNumber(run.stored_count)),
    element('td', { class: 'number' }, durationMs === null ? '–' : formatDuration(durationMs)),
    element('td', { class: 'number units' }, formatNumber(run.quota_units)),
  );
}
