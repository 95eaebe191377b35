/** The console's page: asks for the overview, and lets each part show its own. */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { wireCharts } from './charts.ts';
import { wireControls } from './controls.ts';
import { wireDeadMessages } from './dead-messages.ts';
import { wireEmailDialog } from './email-dialog.ts';
import { wireEmails } from './emails.ts';
import { showFigures } from './figures.ts';
import { wireIncidents } from './incidents.ts';
import { Refresh } from './refresh.ts';
import { wireRuns } from './runs.ts';
import { showFresh, showStale } from './staleness.ts';
import { showState, wireAdvice } from './state-panel.ts';
import { beginTicking, learnServerTime } from './times.ts';

const onChange = async () => await refresh.now();

wireControls(onChange);
wireAdvice(onChange);
wireEmailDialog();
const sections = [wireDeadMessages(onChange), wireEmails(), wireCharts(), wireRuns(), wireIncidents()];

const refresh = new Refresh({
  onOverview: (overview: OverviewJson) => {
    learnServerTime(overview.now);
    showFresh(overview.now);
    showState(overview);
    showFigures(overview);
    document.documentElement.dataset['ready'] = '';
    for (const update of sections) void update(overview);
  },
  onFailure: (problem, nextMs) => showStale(problem, nextMs, () => void refresh.now()),
});

beginTicking();
void refresh.now();
