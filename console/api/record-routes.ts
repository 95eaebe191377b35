/**
 * Routes for dead messages, runs and incidents. Lists are paged by `?before=` and `?limit=`, the newest first. Dead messages can
 * be requeued or given up.
 */

import type { AppContext } from '../../shared/control/app-context.ts';
import { AppError } from '../../shared/errors.ts';
import { json } from '../../shared/http.ts';
import type { DeadPage, GivenUp, IncidentPage, Retried, RunPage } from '../../shared/schemas/records.ts';
import { giveUpOne, listDeadLetters, requeueAll, requeueOne } from './dead-letter-queries.ts';
import { listIncidents } from './incident-queries.ts';
import type { Handler } from './request-parameters.ts';
import { idParameter, pageRequest } from './request-parameters.ts';
import { listRuns } from './run-queries.ts';

export function showDead({ db }: AppContext): Handler {
  return async ({ query }) => {
    const { nextBeforeId, rows } = await listDeadLetters(db, pageRequest(query));
    return json<DeadPage>(200, { messages: rows, next_before: nextBeforeId });
  };
}

/** Requeues all dead messages; the next run fetches them. */
export function retryAll({ db }: AppContext): Handler {
  return async () => json<Retried>(200, { retried: await requeueAll(db) });
}

/** `retried` is 0 when the message is no longer dead. */
export function retryOne({ db }: AppContext): Handler {
  return async (_request, [id = '']) => {
    const retried = await requeueOne(db, idParameter(id));
    if (retried === null) throw messageNotFound();
    return json<Retried>(200, { retried });
  };
}

/** `given_up` is 0 when the message is no longer dead or was given up before. */
export function giveUp({ db }: AppContext): Handler {
  return async (_request, [id = '']) => {
    const count = await giveUpOne(db, idParameter(id));
    if (count === null) throw messageNotFound();
    return json<GivenUp>(200, { given_up: count });
  };
}

function messageNotFound(): AppError {
  return new AppError('not_found', 'There is no message with this ledger id.');
}

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
