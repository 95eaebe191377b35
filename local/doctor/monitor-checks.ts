/** Does the system run, and does anything in it need a person? By the same body that `status` answers. */
import type { Config } from '../../shared/config.ts';
import { findRefusedListings } from '../../shared/db/refused-listings.ts';
import { cureFor } from '../../shared/errors.ts';
import { type MailboxStatus, readStatus, type StatusBody } from '../../shared/monitor/status.ts';
import type { Monitor } from '../../shared/monitor/switch.ts';
import { type Finding, fail, failure, ok } from './finding.ts';

/** Cycles that may be missed before it is a fault. */
const MISSED_CYCLES = 5;
/** Longer than a message in trouble is tried, and than the backlog of a year of orders takes. */
const OLD_PENDING_MS = 12 * 3_600_000;
const TROUBLED = new Set<string>(['reauth_required', 'access_denied', 'backing_off', 'watch_failing']);

export async function checkMonitor(monitor: Monitor): Promise<Finding[]> {
  try {
    const status = await readStatus(monitor);
    return [
      schedulerFinding(status, monitor.config),
      cyclesFinding(status, monitor.config),
      ...mailboxFindings(status),
      ...(await listingFindings(monitor)),
    ];
  } catch (error) {
    return [failure('monitor', error)];
  }
}

function schedulerFinding({ scheduler, is_running: isRunning }: StatusBody, config: Config): Finding {
  const name = 'scheduler job';
  if (scheduler === null) return ok(name, 'SCHEDULER_JOB is not set: start and stop only turn the switch');
  if (scheduler.error !== null) return fail(name, scheduler.error.detail, scheduler.error.cure);
  if (scheduler.state === 'missing') {
    return fail(name, `${config.schedulerJob} does not exist`, cureFor('scheduler_job_missing'));
  }
  const said = `${scheduler.state}, and the monitor is ${isRunning ? 'on' : 'off'}`;
  return scheduler.agrees === true
    ? ok(name, `${said}, every ${scheduler.schedule}`)
    : fail(
        name,
        said,
        `POST ${isRunning ? 'start' : 'stop'}, which makes them agree; else \`terraform apply\`.`,
      );
}

function cyclesFinding(status: StatusBody, config: Config): Finding {
  if (!status.is_running) return ok('cycles', 'the monitor is stopped; POST start fetches what has arrived');
  const waitMs = Math.max(60, config.pollIntervalSeconds) * 1_000;
  const due = Math.max(
    status.last_poll_at?.getTime() ?? 0,
    ...status.mailboxes.map((mailbox) => mailbox.next_poll_at?.getTime() ?? 0),
  );
  if (status.last_poll_at !== null && Date.now() - due > MISSED_CYCLES * waitMs) {
    const cure = 'See that the scheduler job runs and may call the poll function; its log says why not.';
    return fail('cycles', `none since ${status.last_poll_at.toISOString()}`, cure);
  }
  const last = status.last_poll_at === null ? 'none yet' : `the last ${status.last_poll_at.toISOString()}`;
  return ok('cycles', last);
}

function mailboxFindings({ mailboxes, state }: StatusBody): Finding[] {
  if (mailboxes.length === 0) return [ok('mailbox', `none yet (${state}): the first cycle makes it known`)];
  return mailboxes.flatMap((mailbox) =>
    mailbox.is_current
      ? [stateFinding(mailbox), pendingFinding(mailbox), deadFinding(mailbox), proofFinding(mailbox)]
      : [ok('mailbox', `${mailbox.email_address} is of other credentials, and rests`)],
  );
}

function stateFinding(mailbox: MailboxStatus): Finding {
  const { email_address: address, state, ledger } = mailbox;
  if (!TROUBLED.has(state)) {
    return ok('mailbox', `${address} is ${state.replaceAll('_', ' ')}, ${ledger.stored} stored`);
  }
  const since = mailbox.failure_count > 0 ? ` after ${mailbox.failure_count} failed cycles` : '';
  const error = state === 'watch_failing' ? (mailbox.watch?.error ?? null) : mailbox.last_error;
  const why = error === null ? '' : `: ${error.code}, ${error.detail ?? ''}`;
  return fail(
    'mailbox',
    `${address} is ${state}${since}${why}`,
    error?.cure ?? 'See the advice of `status`.',
  );
}

function pendingFinding(mailbox: MailboxStatus): Finding {
  const { pending } = mailbox.ledger;
  if (pending === 0 || mailbox.oldest_pending_at === null) return ok('pending', 'nothing waits');
  const since = mailbox.oldest_pending_at;
  const said = `${pending} ${pending === 1 ? 'message waits' : 'messages wait'}, the oldest since ${since.toISOString()}`;
  return Date.now() - since.getTime() > OLD_PENDING_MS
    ? fail('pending', said, 'See error_code in email_ledger where state is pending; then POST poll-now.')
    : ok('pending', said);
}

function deadFinding({ ledger }: MailboxStatus): Finding {
  if (ledger.dead === 0) return ok('dead', 'no message was given up');
  const cure = 'See error_code in email_ledger where state is dead, then POST poll-now?retry=dead.';
  return fail('dead', `${ledger.dead} ${ledger.dead === 1 ? 'message' : 'messages'} failed every time`, cure);
}

function proofFinding({ proof, incidents }: MailboxStatus): Finding {
  if (proof === null) return ok('proof', 'Gmail has not been compared with the ledger yet');
  const { proved_at: at, gmail_count: gmail, ledger_count: ledger, missing_count: missing } = proof;
  const open = incidents.filter((incident) => incident.closed_at === null).map((incident) => incident.kind);
  const said = `Gmail ${gmail}, ledger ${ledger}, missing ${missing}, at ${at.toISOString()}`;
  if (open.length === 0) return ok('proof', said);
  const cure = 'What is missing is fetched by itself; POST poll-now makes haste. `status` has the incident.';
  return fail('proof', `${said}; open incidents: ${open.join(', ')}`, cure);
}

async function listingFindings({ db }: Monitor): Promise<Finding[]> {
  return (await findRefusedListings(db)).map(({ query, detail, isFinished }) =>
    fail(
      'listing',
      `Gmail refuses "${query}" (${detail})${isFinished ? '' : ', it is asked again by itself'}`,
      'Run `npm run backfill` with a query that Gmail takes.',
    ),
  );
}
