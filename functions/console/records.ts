/** Dead messages and their way back, runs, incidents: pages by `?before=` and `?limit=`, the newest first. */
import * as dead from '../../shared/console/dead.ts';
import { listIncidents } from '../../shared/console/incidents.ts';
import { listRuns } from '../../shared/console/runs.ts';
import { AppError } from '../../shared/errors.ts';
import { json } from '../../shared/http.ts';
import type { DeadPage, IncidentPage, Retried, RunPage } from '../../shared/schemas/records.ts';
import type { FunctionContext } from '../context.ts';
import type { Handle } from './data.ts';
import { idOf, pageAsk } from './parameters.ts';

export function showDead({ db }: FunctionContext): Handle {
  return async ({ query }) => {
    const { rows, nextBefore } = await dead.listDead(db, pageAsk(query));
    return json<DeadPage>(200, { messages: rows, next_before: nextBefore });
  };
}

/** They are fetched by the next cycle. */
export function retryAll({ db }: FunctionContext): Handle {
  return async () => json<Retried>(200, { retried: await dead.retryAll(db) });
}

/** `retried` 0: it is not dead any more. */
export function retryOne({ db }: FunctionContext): Handle {
  return async (_request, [id = '']) => {
    const retried = await dead.retryOne(db, idOf(id));
    if (retried === null) throw new AppError('not_found', 'There is no message of this ledger id.');
    return json<Retried>(200, { retried });
  };
}

export function showRuns({ db }: FunctionContext): Handle {
  return async ({ query }) => {
    const { rows, nextBefore } = await listRuns(db, pageAsk(query));
    return json<RunPage>(200, { runs: rows, next_before: nextBefore });
  };
}

export function showIncidents({ db }: FunctionContext): Handle {
  return async ({ query }) => {
    const { rows, nextBefore } = await listIncidents(db, pageAsk(query));
    return json<IncidentPage>(200, { incidents: rows, next_before: nextBefore });
  };
}
