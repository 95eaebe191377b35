/** GET overview: all that the page shows at a glance. GET charts?hours=N: two days by the hour unless said. */

import type { AppContext } from '../../shared/control/app-context.ts';
import { createMonitor } from '../../shared/control/monitor.ts';
import { readStatus } from '../../shared/control/status.ts';
import { credentialFingerprint } from '../../shared/credentials.ts';
import { json } from '../../shared/http.ts';
import type { Charts, Overview } from '../../shared/schemas/overview.ts';
import { readCharts } from './chart-queries.ts';
import { readFigures } from './overview-queries.ts';
import { whole } from './parameters.ts';
import type { Handle } from './routes.ts';

const HOURS = { usual: 48, most: 336 };

export function showOverview(context: AppContext): Handle {
  const { config, db } = context;
  const monitor = createMonitor(context);
  const fingerprint = config.gmail === null ? null : credentialFingerprint(config.gmail);
  return async () => {
    const [status, figures] = await Promise.all([
      readStatus(monitor),
      readFigures(db, fingerprint, config.quotaUnitsPerMinute),
    ]);
    return json<Overview>(200, {
      now: figures.now,
      status,
      freshness: figures.freshness,
      quota: {
        minute_limit: config.quotaUnitsPerMinute,
        minute_used: figures.minute_used,
        today_used: figures.today_used,
      },
      dead_count: status.mailboxes.reduce((sum, { failing }) => sum + (failing?.dead_count ?? 0), 0),
      incidents_open_count: figures.incidents_open_count,
    });
  };
}

export function showCharts({ db }: AppContext): Handle {
  return async ({ query }) =>
    json<Charts>(200, await readCharts(db, whole(query['hours'] ?? HOURS.usual, 'hours', 1, HOURS.most)));
}
