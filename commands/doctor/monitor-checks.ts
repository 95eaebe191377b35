/** Does the system run, and does anything in it need a person? By the same body that `status` answers. */

import { RUNS_NOT_ENDING } from '../../shared/control/advice.ts';
import type { Queryable } from '../../shared/db/database.ts';
import { findRejectedListings } from '../../shared/db/rejected-listings.ts';
import { remediationFor, requiresOperator } from '../../shared/errors.ts';
import type { MailboxStatus } from '../../shared/schemas/mailbox-status.ts';
import type { Status } from '../../shared/schemas/status.ts';
import { type Finding, fail, ok, skip, unseen, warn } from './finding.ts';

/** Longer than a message in trouble is tried, and than the backlog of a year of orders takes. */
const OLD_PENDING_MS = 12 * 3_600_000;
/** Reconciliations come every quarter of an hour; a large backlog may delay them for a while. */
const STALE_RECONCILIATION_MS = 3 * 3_600_000;

/** @param cureOfJob what makes a job that is missing or out of order */
export function schedulerFinding({ scheduler, is_running: isRunning }: Status, cureOfJob?: string): Finding {
  const name = 'scheduler_job';
  if (scheduler === null)
    return skip(name, 'SCHEDULER_JOB is not set: start and stop only set the is_running flag');
  if (scheduler.error !== null) {
    const { detail, remediation, code } = scheduler.error;
    // Who may not look does not know that it is broken.
    return code === 'scheduler_denied'
      ? warn(name, `cannot be looked at: ${detail ?? code}`, remediation)
      : fail(name, detail ?? code, remediation);
  }
  if (scheduler.state === 'missing')
    return fail(
      name,
      `${scheduler.job} does not exist`,
      cureOfJob ?? remediationFor('scheduler_job_missing'),
    );
  const said = `${scheduler.state}, and the monitor is ${isRunning ? 'on' : 'off'}`;
  if (scheduler.agrees === true) return ok(name, `${said}, every ${scheduler.schedule}`);
  const isBroken = scheduler.state === 'disabled' || scheduler.state === 'update_failed';
  const agree = `POST ${isRunning ? 'start' : 'stop'}, which makes them agree.`;
  return fail(name, said, isBroken ? (cureOfJob ?? 'Run `terraform apply`: start cannot resume it.') : agree);
}

/** The mailbox that the configured credentials reach; null before the first contact. */
export function currentOf({ mailboxes }: Pick<Status, 'mailboxes'>): MailboxStatus | null {
  return mailboxes.find((one) => one.is_current) ?? null;
}

export function cyclesFinding(status: Status): Finding {
  const name = 'cycles';
  const { last_poll_at: lastAt } = status;
  if (!status.is_running) {
    const said = lastAt === null ? 'none yet, ' : `the last ${lastAt.toISOString()}, `;
    return warn(name, `${said}the monitor is stopped`, 'POST start: what arrived meanwhile is caught up.');
  }
  if (status.state === 'not_polling') {
    const killed = status.advice_items.find((item) => item.code === RUNS_NOT_ENDING);
    if (killed !== undefined) return fail(name, 'runs begin but do not end', killed.text);
    const remediation =
      'See that the scheduler job runs and may call the poll function; its log says why not.';
    return fail(
      name,
      lastAt === null ? 'none, though it is on' : `none since ${lastAt.toISOString()}`,
      remediation,
    );
  }
  return lastAt === null
    ? warn(name, 'none yet', 'POST poll-now, if you cannot wait for the scheduler.')
    : ok(name, `the last ${lastAt.toISOString()}`);
}

/** Mailboxes of other credentials rest, and are only named. */
export function mailboxFindings(status: Status): Finding[] {
  const current = currentOf(status);
  const resting = status.mailboxes
    .filter((one) => one !== current)
    .map((one) => skip('mailbox', `${one.email_address} is of other credentials, and rests`));
  if (current === null)
    return [skip('mailbox', `none yet (${status.state}): the first cycle makes it known`), ...resting];
  return [
    stateFinding(current),
    pendingFinding(current),
    failingFinding(current),
    deadFinding(current),
    completenessFinding(current, status.is_running),
    ...resting,
  ];
}

function stateFinding({
  email_address: address,
  state,
  ledger,
  failure_count: count,
  last_error: error,
}: MailboxStatus) {
  const name = 'mailbox';
  const stored = `${ledger.stored} stored`;
  // Failures of the watch, the runs and the messages are separate checks.
  if (state === 'watch_failing' || state === 'fetch_failing' || state === 'not_polling')
    return ok(name, `${address} is polled, ${stored}`);
  const since = count > 0 ? ` after ${count} failed cycles` : '';
  const why = error === null ? '' : `: ${error.code}, ${error.detail ?? ''}`;
  const remediation = error?.remediation ?? 'See the advice of `status`.';
  if (error !== null && requiresOperator(error.code))
    return fail(name, `${address} is ${state}${since}${why}`, remediation);
  if (state === 'backing_off') return warn(name, `${address} is ${state}${since}${why}`, remediation);
  return ok(name, `${address} is ${state.replaceAll('_', ' ')}, ${stored}`);
}

function pendingFinding(mailbox: MailboxStatus): Finding {
  const { ledger, oldest_pending_at: since, unknown_since: unknownSince } = mailbox;
  const { pending } = ledger;
  const unknown =
    unknownSince === null ? '' : `; what else waits at Gmail is unknown since ${unknownSince.toISOString()}`;
  if (pending === 0 || since === null)
    return ok('pending', unknown === '' ? 'nothing waits' : `nothing that was found waits${unknown}`);
  const said = `${pending} ${pending === 1 ? 'message waits' : 'messages wait'}, the oldest since ${since.toISOString()}${unknown}`;
  return Date.now() - since.getTime() > OLD_PENDING_MS
    ? warn('pending', said, 'See error_code in email_ledger where state is pending; then POST poll-now.')
    : ok('pending', said);
}

/** Waiting messages with an error; the dead have a line of their own. */
function failingFinding({ failing }: MailboxStatus): Finding {
  const count = (failing?.count ?? 0) - (failing?.dead_count ?? 0);
  if (failing === null || count === 0) return ok('failing', 'no waiting message has failed');
  const next =
    failing.next_attempt_at === null ? '' : `, next attempt at ${failing.next_attempt_at.toISOString()}`;
  const said = `${count} ${count === 1 ? 'message waits' : 'messages wait'} after failures (${failing.error_code ?? 'unknown'}: ${failing.error_detail ?? ''})${next}`;
  return warn('failing', said, failing.remediation);
}

function deadFinding({ failing }: MailboxStatus): Finding {
  const count = failing?.dead_count ?? 0;
  if (count === 0) return ok('dead', 'no message is dead');
  const remediation =
    '`npm run retry-dead` lists them with error and remediation; then POST poll-now?retry=dead.';
  return fail('dead', `${count} ${count === 1 ? 'message' : 'messages'} failed every time`, remediation);
}

function completenessFinding({ reconciliation, incidents }: MailboxStatus, isRunning: boolean): Finding {
  const name = 'completeness';
  if (reconciliation === null)
    return warn(
      name,
      'Gmail has not been compared with what is stored yet',
      'POST poll-now?reconcile=all, or wait: the poll reconciles within 15 minutes.',
    );
  const { at, missing_count: missing } = reconciliation;
  const open = incidents.filter((incident) => incident.closed_at === null).map((incident) => incident.kind);
  const parts = (['stored', 'pending', 'failed', 'ignored', 'gone', 'missing'] as const).map(
    (part) => `${part} ${reconciliation[`${part}_count`]}`,
  );
  const said = `Gmail ${reconciliation.gmail_count} = ${parts.join(', ')}, at ${at.toISOString()}`;
  if (open.length > 0 || missing > 0) {
    const incident = open.length === 0 ? '' : `; open incidents: ${open.join(', ')}`;
    const remediation =
      'The poll fetches what is missing; POST poll-now?reconcile=all starts at once. `status` has the incident.';
    return warn(name, `${said}${incident}`, remediation);
  }
  if (isRunning && Date.now() - at.getTime() > STALE_RECONCILIATION_MS)
    return warn(
      name,
      `${said}, hours ago`,
      'See whether cycles end as completed, then POST poll-now?reconcile=all.',
    );
  return ok(name, said);
}

export async function listingFindings(db: Queryable): Promise<Finding[]> {
  try {
    const refused = (await findRejectedListings(db)).map(({ query, detail, isFinished }) =>
      fail(
        'listing',
        `Gmail refuses "${query}" (${detail})${isFinished ? '' : ', it is asked again by itself'}`,
        isFinished
          ? 'Run `npm run backfill` with a query that Gmail takes.'
          : 'Correct GMAIL_INITIAL_QUERY or GMAIL_LABEL_ID; or `npm run backfill` with a query that Gmail takes.',
      ),
    );
    return refused.length === 0 ? [ok('listing', 'Gmail takes all that is asked of it')] : refused;
  } catch (error) {
    return [unseen('listing', error)];
  }
}
