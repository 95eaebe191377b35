/** Entry point of the page: polls the overview and passes it to each part of the page. */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { wireCharts } from './charts.ts';
import { wireControls } from './controls.ts';
import { wireEmailList } from './email-list.ts';
import { wireEmailView } from './email-view.ts';
import { wireIncidentList } from './incident-list.ts';
import { wireMessageSearch } from './message-search.ts';
import { wireMessages } from './messages-section.ts';
import { showMetrics } from './metrics.ts';
import { wireProcessing } from './processing-section.ts';
import { Refresh } from './refresh.ts';
import { wireRunList } from './run-list.ts';
import { hideStaleBanner, showStaleBanner } from './stale-banner.ts';
import { showState, wireAdvice } from './state-panel.ts';
import { setServerTime, startTicking } from './times.ts';

const onChange = async () => await refresh.now();

wireControls(onChange);
wireAdvice(onChange);
const sections = [
  wireProcessing(onChange),
  wireMessages(onChange),
  wireMessageSearch(onChange),
  wireEmailList(),
  wireCharts(),
  wireRunList(),
  wireIncidentList(),
];

/** Not before the lists are shown: an email that is opened by its URL needs none of them. */
const hasShownLists = wireEmailView(() => void refresh.now());

const refresh = new Refresh({
  onOverview: (overview: OverviewJson) => {
    setServerTime(overview.now);
    hideStaleBanner(overview.now);
    showState(overview);
    showMetrics(overview);
    document.documentElement.dataset['ready'] = '';
    if (hasShownLists()) for (const update of sections) void update(overview);
  },
  onFailure: (problem, retryMs) => showStaleBanner(problem, retryMs, () => void refresh.now()),
});

startTicking();
void refresh.now();
