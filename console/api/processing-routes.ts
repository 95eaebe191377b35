/**
 * Routes for the emails of consumers. GET dead-emails lists the dead ones, paged by `?before=` and `?limit=`. POST queues them
 * again: one by consumers/NAME/emails/ID/requeue, all of a consumer by consumers/NAME/requeue-dead.
 */

import type { AppContext } from '../../shared/control/app-context.ts';
import { CONSUMER_NAME } from '../../shared/db-accounts.ts';
import { AppError } from '../../shared/errors.ts';
import { json } from '../../shared/http.ts';
import type { DeadEmailPage, Requeued } from '../../shared/schemas/processing.ts';
import { listDeadEmails } from './processing-queries.ts';
import { recordList } from './record-access.ts';
import type { Handler } from './request-parameters.ts';
import { integerParameter, pageRequest } from './request-parameters.ts';
import { requeueDeadEmails, requeueEmail } from './requeue-emails.ts';

const MAX_EMAIL_ID = 2_147_483_647;

export function showDeadEmails({ db }: AppContext): Handler {
  return async (request, _params, log) => {
    const { nextBeforeId, rows } = await listDeadEmails(db, pageRequest(request.query));
    recordList(request, log, { emailIds: [...new Set(rows.map(({ id }) => id))], isSearch: false });
    return json<DeadEmailPage>(200, { emails: rows, next_before: nextBeforeId });
  };
}

export function requeueOne({ db }: AppContext): Handler {
  return async (_request, [consumer = '', id = '']) => {
    await requeueEmail(db, consumerParameter(consumer), integerParameter(id, 'id', 1, MAX_EMAIL_ID));
    return json<Requeued>(200, { requeued: 1 });
  };
}

/** At most 10,000 with one request. */
export function requeueAllDead({ db }: AppContext): Handler {
  return async (_request, [consumer = '']) =>
    json<Requeued>(200, { requeued: await requeueDeadEmails(db, consumerParameter(consumer)) });
}

/** @throws {AppError} bad_request */
function consumerParameter(segment: string): string {
  if (CONSUMER_NAME.test(segment)) return segment;
  throw new AppError('bad_request', 'The path has no valid consumer name.');
}
