/** Entry point of the page: polls the overview and passes it to each part of the page. */

import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { wireActionButtons } from './actions.ts';
import { wireCharts } from './charts.ts';
import { checkNow, showCheckResult } from './check-now.ts';
import { setControlsOff, wireControls } from './controls.ts';
import { describeLoading, describeNoAnswer } from './describe-state.ts';
import { byId } from './element.ts';
import { wireEmailList } from './email-list.ts';
import { wireEmailView } from './email-view.ts';
import { wireIncidentList } from './incident-list.ts';
import { wireMailboxes } from './mailboxes-section.ts';
import { wireMessageSearch } from './message-search.ts';
import { wireMessages } from './messages-section.ts';
import { showMetrics } from './metrics.ts';
import { wireProcessing } from './processing-section.ts';
import { Refresh } from './refresh.ts';
import { wireRunList } from './run-list.ts';
import { hideStaleBanner, showOutdated, showStaleBanner } from './stale-banner.ts';
import { showState } from './state-panel.ts';
import { SteadyState } from './steady-state.ts';
import { setServerTime, startTicking } from './times.ts';

const onChange = async () => await refresh.now();

wireControls(onChange);
wireActionButtons(onChange);
byId('check-now').addEventListener('click', (event) => {
  void checkNow(event.currentTarget as HTMLButtonElement, onChange);
});
const sections = [
  wireProcessing(onChange),
  wireMessages(onChange),
  wireMessageSearch(onChange),
  wireEmailList(),
  wireMailboxes(onChange),
  wireCharts(),
  wireRunList(),
  wireIncidentList(),
];

/** Not before the lists are shown: an email that is opened by its URL needs none of them. */
const hasShownLists = wireEmailView(() => void refresh.now());
/** The last answer. */
let known: OverviewJson | null = null;
const steadyState = new SteadyState();

const refresh = new Refresh({
  onOverview: (overview) => {
    known = overview;
    setServerTime(overview.now);
    hideStaleBanner();
    setControlsOff(false);
    showState(steadyState.of(overview, Date.now()), overview);
    showMetrics(overview, null);
    showCheckResult(overview);
    document.documentElement.dataset['ready'] = '';
    // A hidden page shows its state in the title only.
    if (hasShownLists() && document.visibilityState === 'visible')
      for (const update of sections) void update(overview);
  },
  onReturn: () => {
    showOutdated();
    showState(describeLoading(known?.now ?? null), null);
    if (known !== null) showMetrics(known, known.now);
  },
  onNoAnswer: (problem, retryMs) => {
    const since = known?.now ?? null;
    showStaleBanner(problem, since, retryMs, () => void refresh.now());
    setControlsOff(true);
    showState(describeNoAnswer(since, problem.title, problem.detail), null);
    if (known !== null) showMetrics(known, since);
  },
});

startTicking();
void refresh.now();
