/** GET overview: the status and metrics at the top of the page, of `?mailbox=ADDRESS` or of all. GET charts?hours=N: hourly data, 48 hours by default. */

import type { AppContext } from '../../shared/control/app-context.ts';
import { createMonitor } from '../../shared/control/monitor.ts';
import { readStatus } from '../../shared/control/status/status-response.ts';
import { credentialFingerprint } from '../../shared/credentials.ts';
import { json } from '../../shared/http.ts';
import { mailboxParameter } from '../../shared/mailbox-confirmation.ts';
import type { Charts, Overview } from '../../shared/schemas/overview.ts';
import { readCharts } from './chart-queries.ts';
import { readOverviewMetrics } from './overview-queries.ts';
import type { Handler } from './request-parameters.ts';
import { integerParameter } from './request-parameters.ts';

const DEFAULT_HOURS = 48;
/** Two reads of half this time and the wait between them: the page calls data that is older than 4.5 seconds not known. */
const SCHEDULER_TIMEOUT_MS = 2_500;
/** Two weeks. */
const MAX_HOURS = 336;

export function showOverview(context: AppContext): Handler {
  const { config, db } = context;
  const monitor = createMonitor(context, SCHEDULER_TIMEOUT_MS);
  const fingerprint = config.gmail === null ? null : credentialFingerprint(config.gmail);
  return async ({ query }) => {
    const address = mailboxParameter(query);
    const [status, metrics] = await Promise.all([
      readStatus(monitor, address),
      readOverviewMetrics(db, fingerprint, config.quotaUnitsPerMinute, address),
    ]);
    return json<Overview>(200, {
      now: metrics.now,
      status,
      freshness: metrics.freshness,
      quota: {
        // Each mailbox has its own.
        minute_limit: config.quotaUnitsPerMinute * (address === null ? Math.max(1, status.mailbox_count) : 1),
        minute_used: metrics.minute_used,
        today_used: metrics.today_used,
      },
      dead_count: metrics.dead_count,
      incidents_open_count: metrics.incidents_open_count,
    });
  };
}

export function showCharts({ db }: AppContext): Handler {
  return async ({ query }) => {
    const hourCount = integerParameter(query['hours'] ?? DEFAULT_HOURS, 'hours', 1, MAX_HOURS);
    return json<Charts>(200, await readCharts(db, hourCount));
  };
}
