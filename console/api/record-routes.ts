/** Dead messages, runs and incidents: pages by `?before=` and `?limit=`, the newest first; requeue and give up. */

import type { AppContext } from '../../shared/control/app-context.ts';
import { AppError } from '../../shared/errors.ts';
import { json } from '../../shared/http.ts';
import type { DeadPage, GivenUp, IncidentPage, Retried, RunPage } from '../../shared/schemas/records.ts';
import { giveUpOne, listDeadLetters, requeueAll, requeueOne } from './dead-letter-queries.ts';
import { listIncidents } from './incident-queries.ts';
import { idOf, pageAsk } from './parameters.ts';
import type { Handle } from './routes.ts';
import { listRuns } from './run-queries.ts';

export function showDead({ db }: AppContext): Handle {
  return async ({ query }) => {
    const { rows, nextBefore } = await listDeadLetters(db, pageAsk(query));
    return json<DeadPage>(200, { messages: rows, next_before: nextBefore });
  };
}

/** The next run fetches them. */
export function retryAll({ db }: AppContext): Handle {
  return async () => json<Retried>(200, { retried: await requeueAll(db) });
}

/** `retried` 0: it is no longer dead. */
export function retryOne({ db }: AppContext): Handle {
  return async (_request, [id = '']) => {
    const retried = await requeueOne(db, idOf(id));
    if (retried === null) throw noSuchMessage();
    return json<Retried>(200, { retried });
  };
}

/** `given_up` 0: it is no longer dead, or was given up before. */
export function giveUp({ db }: AppContext): Handle {
  return async (_request, [id = '']) => {
    const count = await giveUpOne(db, idOf(id));
    if (count === null) throw noSuchMessage();
    return json<GivenUp>(200, { given_up: count });
  };
}

function noSuchMessage(): AppError {
  return new AppError('not_found', 'There is no message with this ledger id.');
}

export function showRuns({ db }: AppContext): Handle {
  return async ({ query }) => {
    const { rows, nextBefore } = await listRuns(db, pageAsk(query));
    return json<RunPage>(200, { runs: rows, next_before: nextBefore });
  };
}

export function showIncidents({ db }: AppContext): Handle {
  return async ({ query }) => {
    const { rows, nextBefore } = await listIncidents(db, pageAsk(query));
    return json<IncidentPage>(200, { incidents: rows, next_before: nextBefore });
  };
}
