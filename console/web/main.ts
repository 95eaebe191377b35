/** The console's page: asks for the overview, and lets each part show its own. */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { wireCharts } from './charts.ts';
import { wireControls } from './controls.ts';
import { wireDeadMessages } from './dead-message-list.ts';
import { wireEmailDialog } from './email-dialog.ts';
import { wireEmails } from './email-list.ts';
import { showMetrics } from './metrics.ts';
import { wireIncidents } from './incident-list.ts';
import { Refresh } from './refresh.ts';
import { wireRuns } from './run-list.ts';
import { hideStaleBanner, showStaleBanner } from './stale-banner.ts';
import { showState, wireAdvice } from './state-panel.ts';
import { startTicking, setServerTime } from './times.ts';

const onChange = async () => await refresh.now();

wireControls(onChange);
wireAdvice(onChange);
wireEmailDialog();
const sections = [wireDeadMessages(onChange), wireEmails(), wireCharts(), wireRuns(), wireIncidents()];

const refresh = new Refresh({
  onOverview: (overview: OverviewJson) => {
    setServerTime(overview.now);
    hideStaleBanner(overview.now);
    showState(overview);
    showMetrics(overview);
    document.documentElement.dataset['ready'] = '';
    for (const update of sections) void update(overview);
  },
  onFailure: (problem, nextMs) => showStaleBanner(problem, nextMs, () => void refresh.now()),
});

startTicking();
void refresh.now();
