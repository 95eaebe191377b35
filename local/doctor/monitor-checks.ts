/** Does the system run, and does anything in it need a person? By the same body that `status` answers. */

import type { Queryable } from '../../shared/db/database.ts';
import { findRefusedListings } from '../../shared/db/refused-listings.ts';
import { remediationFor, requiresOperator } from '../../shared/errors.ts';
import { type Finding, fail, ok, skip, unseen, warn } from './finding.ts';
import { currentOf, type SeenMailbox, type SeenStatus } from './seen-status.ts';

/** Cycles that may be missed before it is a fault. */
const MISSED_CYCLES = 5;
/** Longer than a message in trouble is tried, and than the backlog of a year of orders takes. */
const OLD_PENDING_MS = 12 * 3_600_000;
/** Proofs come every quarter of an hour; a large backlog may put them off for a while. */
const STALE_PROOF_MS = 3 * 3_600_000;

/** @param cureOfJob what makes a job that is missing or out of order */
export function schedulerFinding(
  { scheduler, is_running: isRunning }: SeenStatus,
  cureOfJob?: string,
): Finding {
  const name = 'scheduler_job';
  if (scheduler === null) return skip(name, 'SCHEDULER_JOB is not set: start and stop only turn the switch');
  if (scheduler.error !== null) {
    const { detail, remediation, code } = scheduler.error;
    // Who may not look does not know that it is broken.
    return code === 'scheduler_denied'
      ? warn(name, `cannot be looked at: ${detail ?? code}`, remediation)
      : fail(name, detail ?? code, remediation);
  }
  if (scheduler.state === 'missing')
    return fail(name, `${scheduler.job} does not exist`, cureOfJob ?? remediationFor('scheduler_job_missing'));
  const said = `${scheduler.state}, and the monitor is ${isRunning ? 'on' : 'off'}`;
  if (scheduler.agrees === true) return ok(name, `${said}, every ${scheduler.schedule}`);
  const isBroken = scheduler.state === 'disabled' || scheduler.state === 'update_failed';
  const agree = `POST ${isRunning ? 'start' : 'stop'}, which makes them agree.`;
  return fail(name, said, isBroken ? (cureOfJob ?? 'Run `terraform apply`: start cannot resume it.') : agree);
}

export function cyclesFinding(status: SeenStatus, pollIntervalSeconds: number): Finding {
  const name = 'cycles';
  const { last_poll_at: lastAt } = status;
  if (!status.is_running) {
    const said = lastAt === null ? 'none yet, ' : `the last ${lastAt.toISOString()}, `;
    return warn(name, `${said}the monitor is stopped`, 'POST start: what arrived meanwhile is caught up.');
  }
  const waitMs = Math.max(60, pollIntervalSeconds) * 1_000;
  const dueMs = Math.max(
    lastAt?.getTime() ?? 0,
    ...status.mailboxes.map((mailbox) => mailbox.next_poll_at?.getTime() ?? 0),
  );
  if (lastAt !== null && Date.now() - dueMs > MISSED_CYCLES * waitMs) {
    const remediation = 'See that the scheduler job runs and may call the poll function; its log says why not.';
    return fail(name, `none since ${lastAt.toISOString()}`, remediation);
  }
  return lastAt === null
    ? warn(name, 'none yet', 'POST poll-now, if you cannot wait for the scheduler.')
    : ok(name, `the last ${lastAt.toISOString()}`);
}

/** Mailboxes of other credentials rest, and are only named. */
export function mailboxFindings(status: SeenStatus): Finding[] {
  const current = currentOf(status);
  const resting = status.mailboxes
    .filter((one) => one !== current)
    .map((one) => skip('mailbox', `${one.email_address} is of other credentials, and rests`));
  if (current === null)
    return [skip('mailbox', `none yet (${status.state}): the first cycle makes it known`), ...resting];
  return [
    stateFinding(current),
    pendingFinding(current),
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
}: SeenMailbox) {
  const name = 'mailbox';
  const stored = `${ledger.stored} stored`;
  // What fails of the watch is told under its own name.
  if (state === 'watch_failing') return ok(name, `${address} is polled, ${stored}`);
  const since = count > 0 ? ` after ${count} failed cycles` : '';
  const why = error === null ? '' : `: ${error.code}, ${error.detail ?? ''}`;
  const remediation = error?.remediation ?? 'See the advice of `status`.';
  if (error !== null && requiresOperator(error.code))
    return fail(name, `${address} is ${state}${since}${why}`, remediation);
  if (state === 'backing_off') return warn(name, `${address} is ${state}${since}${why}`, remediation);
  return ok(name, `${address} is ${state.replaceAll('_', ' ')}, ${stored}`);
}

function pendingFinding({ ledger: { pending }, oldest_pending_at: since }: SeenMailbox): Finding {
  if (pending === 0 || since === null) return ok('pending', 'nothing waits');
  const said = `${pending} ${pending === 1 ? 'message waits' : 'messages wait'}, the oldest since ${since.toISOString()}`;
  return Date.now() - since.getTime() > OLD_PENDING_MS
    ? warn('pending', said, 'See error_code in email_ledger where state is pending; then POST poll-now.')
    : ok('pending', said);
}

function deadFinding({ ledger }: SeenMailbox): Finding {
  if (ledger.dead === 0) return ok('dead', 'no message was given up');
  const remediation = '`npm run retry-dead` lists them with error and remediation; then POST poll-now?retry=dead.';
  return fail('dead', `${ledger.dead} ${ledger.dead === 1 ? 'message' : 'messages'} failed every time`, remediation);
}

function completenessFinding({ proof, incidents }: SeenMailbox, isRunning: boolean): Finding {
  const name = 'completeness';
  if (proof === null)
    return warn(
      name,
      'Gmail has not been compared with the ledger yet',
      'POST poll-now?prove=all, or wait: the first proof comes by itself.',
    );
  const { proved_at: at, gmail_count: gmail, ledger_count: ledger, missing_count: missing } = proof;
  const open = incidents.filter((incident) => incident.closed_at === null).map((incident) => incident.kind);
  const said = `Gmail ${gmail}, ledger ${ledger}, missing ${missing}, at ${at.toISOString()}`;
  if (open.length > 0 || missing > 0) {
    const incident = open.length === 0 ? '' : `; open incidents: ${open.join(', ')}`;
    const remediation =
      'What is missing is fetched by itself; POST poll-now?prove=all makes haste. `status` has the incident.';
    return warn(name, `${said}${incident}`, remediation);
  }
  if (isRunning && Date.now() - at.getTime() > STALE_PROOF_MS)
    return warn(
      name,
      `${said}, hours ago`,
      'See whether cycles end as completed, then POST poll-now?prove=all.',
    );
  return ok(name, said);
}

export async function listingFindings(db: Queryable): Promise<Finding[]> {
  try {
    const refused = (await findRefusedListings(db)).map(({ query, detail, isFinished }) =>
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
