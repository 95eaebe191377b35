/**
 * Routes that change one stored email: POST emails/ID/reprocess parses it again from its raw bytes, and POST emails/ID/unprocess
 * sets `processed` to false. The parser is loaded at the first request that needs it.
 */
import { openLargeBytes } from '../../shared/bucket/large-bytes.ts';
import type { AppContext } from '../../shared/control/app-context.ts';
import { statement } from '../../shared/db/statement.ts';
import { AppError } from '../../shared/errors.ts';
import { json } from '../../shared/http.ts';
import { Semaphore } from '../../shared/limits/semaphore.ts';
import { emailExists } from '../../shared/reprocess/raw-emails.ts';
import type { Reprocessed } from '../../shared/schemas/emails.ts';
import type { Requeued } from '../../shared/schemas/processing.ts';
import { recordAccess } from './record-access.ts';
import { type Handler, integerParameter, jsonBody } from './request-parameters.ts';

const MAX_EMAIL_ID = 2_147_483_647;

/** A large email needs much of the memory of an instance while it is parsed. */
const parsing = new Semaphore(1);

// A trigger queues the email again for the consumer `extraction`, if it exists.
// $1 email id int
const UNPROCESS = statement(`
update incoming_emails
set processed = false
where id = $1::integer
  and processed`);

/** The body may have `reset_processed`. The answer says what changed, and has names of files, so it is recorded as an access. */
export function reprocessEmail(context: AppContext): Handler {
  const { config, db } = context;
  return async (request, [id = ''], log) => {
    const emailId = emailIdParameter(id);
    const resetsProcessed = booleanParameter(
      request.body === undefined ? undefined : jsonBody(request.body)['reset_processed'],
      'reset_processed',
    );
    if (!(await emailExists(context.db, emailId))) throw noEmail();
    await recordAccess(context, request, log, { action: 'reprocess', emailId });
    const { reprocessOne } = await import('./reprocess-one.ts');
    const reprocessed = await parsing.run(
      async () => await reprocessOne({ db, largeBytes: openLargeBytes(config) }, emailId, resetsProcessed),
    );
    if (reprocessed === null) throw noEmail();
    return json<Reprocessed>(200, reprocessed);
  };
}

/** `requeued` is 0 when the email was not processed. */
export function unprocessEmail({ db }: AppContext): Handler {
  return async (_request, [id = '']) => {
    const emailId = emailIdParameter(id);
    const { rowCount } = await db.query(UNPROCESS, [emailId]);
    if (rowCount === 0 && !(await emailExists(db, emailId))) throw noEmail();
    return json<Requeued>(200, { requeued: rowCount });
  };
}

function emailIdParameter(segment: string): number {
  return integerParameter(segment, 'id', 1, MAX_EMAIL_ID);
}

/** @throws {AppError} bad_request */
function booleanParameter(value: unknown, name: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === 'boolean') return value;
  throw new AppError('bad_request', `"${name}" must be true or false.`);
}

function noEmail(): AppError {
  return new AppError('not_found', 'There is no email with this id. It was erased, or it was never stored.');
}
