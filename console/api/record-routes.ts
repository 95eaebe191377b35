/** Routes for runs and incidents. Lists are paged by `?before=` and `?limit=`, the newest first. */

import type { AppContext } from '../../shared/control/app-context.ts';
import { json } from '../../shared/http.ts';
import type { IncidentPage, RunPage } from '../../shared/schemas/records.ts';
import { listIncidents } from './incident-queries.ts';
import type { Handler } from './request-parameters.ts';
import { pageRequest } from './request-parameters.ts';
import { listRuns } from './run-queries.ts';

export function showRuns({ db }: AppContext): Handler {
  return async ({ query }) => {
    const { nextBeforeId, rows } = await listRuns(db, pageRequest(query));
    return json<RunPage>(200, { runs: rows, next_before: nextBeforeId });
  };
}

export function showIncidents({ db }: AppContext): Handler {
  return async ({ query }) => {
    const { nextBeforeId, rows } = await listIncidents(db, pageRequest(query));
    return json<IncidentPage>(200, { incidents: rows, next_before: nextBeforeId });
  };
}
