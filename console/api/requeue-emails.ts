/** Queues emails of a consumer again, for an operator: the SQL function `requeue_email` with its errors as AppError. */

import type { Queryable } from '../../shared/db/database.ts';
import { messageOf, sqlStateOf } from '../../shared/db/pg-error.ts';
import { onlyRow } from '../../shared/db/rows.ts';
import { statement } from '../../shared/db/statement.ts';
import { AppError, type ErrorCode } from '../../shared/errors.ts';

// $1 consumer text, $2 email id int
const REQUEUE = statement('select from requeue_email($1::text, $2::integer)', {});

/** In one transaction, so that no email stays locked for long. */
const BATCH = 500;
/** An operator can call again. */
const MAX_BATCHES = 20;
/** An email of the batch was claimed or erased after the batch was selected. The console's account may not lock it. */
const CHANGED = ['QE001', 'QE004'];

// $1 consumer text, $2 emails int
// Always one row.
const REQUEUE_DEAD = statement(
  `
select count(*)::integer as count
from (
  select q.email_id
  from email_queue q
  where q.consumer = $1::text
    and q.state = 'dead'
  order by q.email_id
  limit $2::integer
) dead
cross join lateral requeue_email($1::text, dead.email_id)`,
  { count: 'integer' },
);

/** The SQLSTATEs of the queue, see the migration that creates it. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  QE001: 'email_claimed',
  QE004: 'not_found',
  QE005: 'bad_request',
};

/**
 * Queues an email again with no failures, whether it is dead, waits, or is completed. May run twice.
 *
 * @throws {AppError} email_claimed, not_found when the email was erased, bad_request when the consumer does not exist,
 *   database_denied, database_unavailable
 */
export async function requeueEmail(db: Queryable, consumer: string, emailId: number): Promise<void> {
  await db.query(REQUEUE, [consumer, emailId]).catch(throwMapped);
}

/**
 * Queues the dead emails of a consumer again, at most 10,000, lowest id first. Skips those that are erased, or queued again and
 * claimed, while it runs.
 *
 * @returns how many
 * @throws {AppError} bad_request, database_denied, database_unavailable; emails of earlier batches are queued then
 */
export async function requeueDeadEmails(db: Queryable, consumer: string): Promise<number> {
  let total = 0;
  let size = BATCH;
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    try {
      const { count } = await onlyRow(db, REQUEUE_DEAD, [consumer, size]);
      total += count;
      if (count < size) break;
    } catch (error) {
      if (!CHANGED.includes(sqlStateOf(error))) throwMapped(error);
      // The batch was rolled back. The next one is selected without that email, and is shorter, so that less can change.
      size = Math.ceil(size / 2);
    }
  }
  return total;
}

function throwMapped(error: unknown): never {
  const code = CODES[sqlStateOf(error)];
  if (code === undefined) throw error;
  const why = code === 'not_found' ? ' It was erased, or it was never stored.' : '';
  throw new AppError(code, `${messageOf(error)}${why}`, { cause: error });
}
