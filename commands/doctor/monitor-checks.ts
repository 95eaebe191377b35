/** Checks that the system runs and that nothing in it needs an operator, from the body that `status` answers. */
import { RUNS_NOT_ENDING } from '../../shared/control/status/mailbox-advice.ts';
import { findRejectedListings } from '../../shared/control/status/rejected-listings.ts';
import type { Queryable } from '../../shared/db/database.ts';
import { remediationFor, requiresOperator } from '../../shared/errors.ts';
import { shellWord } from '../../shared/operator-commands.ts';
import type { MailboxStatus } from '../../shared/schemas/mailbox-status.ts';
import type { Status } from '../../shared/schemas/status.ts';
import { counted } from '../support/terminal.ts';
import { type CheckResult, fail, ok, skip, unknown, warn } from './check-result.ts';

/** Longer than the attempts of a failing message, and than a backlog of a year of orders takes. */
const OLD_PENDING_MS = 12 * 3_600_000;
/** A reconciliation is due every 15 minutes; a large backlog may delay it. */
const STALE_RECONCILIATION_MS = 3 * 3_600_000;

/** @param jobRemediation how to create or repair the job, where it is known */
export function checkScheduler(
  { scheduler, is_running: isRunning }: Status,
  jobRemediation?: string,
): CheckResult {
  const name = 'scheduler_job';
  if (scheduler === null)
    return skip(name, 'SCHEDULER_JOB is not set: start and stop set only the is_running flag');
  if (scheduler.error !== null) {
    const { detail, remediation, code } = scheduler.error;
    // Without a permission or a login to read the job, its state is unknown.
    return code === 'scheduler_denied' || code === 'google_credentials_missing'
      ? warn(name, `could not be checked: ${detail ?? code}`, remediation)
      : fail(name, detail ?? code, remediation);
  }
  if (scheduler.state === 'missing')
    return fail(
      name,
      `${scheduler.job} does not exist`,
      jobRemediation ?? remediationFor('scheduler_job_missing'),
    );
  const text = `${scheduler.state}, and the monitor is ${isRunning ? 'on' : 'off'}`;
  if (scheduler.agrees === true) return ok(name, `${text}, schedule ${scheduler.schedule}`);
  const isBroken = scheduler.state === 'disabled' || scheduler.state === 'update_failed';
  const agree = isRunning
    ? 'Call POST start, which makes them agree.'
    : 'Call POST stop, which pauses the job, or POST start, which fetches email again.';
  return fail(
    name,
    text,
    isBroken ? (jobRemediation ?? 'Run `terraform apply`: start cannot resume it.') : agree,
  );
}

/** The only monitored mailbox, or the one in the worst state; null before the first run. */
export function currentMailbox({ mailboxes }: Pick<Status, 'mailboxes'>): MailboxStatus | null {
  return mailboxes.find((one) => one.is_current) ?? null;
}

/** The mailbox whose credentials are environment variables, or the only one. Null: not identified yet, or not among those shown. */
export function firstMailbox(status: Pick<Status, 'mailbox_count' | 'mailboxes'>): MailboxStatus | null {
  const first = status.mailboxes.find((one) => one.is_current && one.access === 'environment');
  return first ?? (status.mailbox_count === 1 ? currentMailbox(status) : null);
}

export function checkCycles(status: Status): CheckResult {
  const name = 'cycles';
  const { last_poll_at: lastAt } = status;
  if (!status.is_running) {
    const last = lastAt === null ? 'none yet' : `the last at ${lastAt.toISOString()}`;
    return warn(
      name,
      `${last}; the monitor is stopped`,
      'Call POST start. It also fetches what has arrived since the stop.',
    );
  }
  if (status.state === 'not_polling') {
    const killed = status.advice_items.find((item) => item.code === RUNS_NOT_ENDING);
    if (killed !== undefined) return fail(name, 'runs begin but do not end', killed.text);
    const remediation =
      'Check that the scheduler job runs and may call the poll function; its log has the reason.';
    return fail(
      name,
      lastAt === null ? 'none, although the monitor is on' : `none since ${lastAt.toISOString()}`,
      remediation,
    );
  }
  return lastAt === null
    ? warn(name, 'none yet', 'Wait for the scheduler job, or call POST poll-now.')
    : ok(name, `the last at ${lastAt.toISOString()}`);
}

/**
 * Mailboxes that are not monitored are listed, but not checked. Of several, each shown one that has a problem is checked.
 *
 * @param isAddedReported another check reports the errors of added mailboxes
 */
export function checkMailboxes(status: Status, isAddedReported = false): CheckResult[] {
  const current = currentMailbox(status);
  const inactive = status.mailboxes
    .filter((one) => !one.is_current)
    .map((one) => skip('mailbox', `${one.email_address} belongs to other credentials; skipped`));
  if (current === null)
    return [skip('mailbox', `none yet (${status.state}): the first run creates it`), ...inactive];
  if (status.mailbox_count > 1) return [...checkSeveral(status, isAddedReported), ...inactive];
  return [
    checkState(current),
    checkPending(current),
    checkFailing(current),
    checkDead(current),
    checkCompleteness(current, status.is_running && !current.is_paused),
    ...inactive,
  ];
}

/** The advice reports failing, dead and missing messages. */
function checkSeveral(
  { mailbox_count: count, mailboxes, totals }: Status,
  isAddedReported: boolean,
): CheckResult[] {
  const states = Object.entries(totals.states).map(([state, one]) => `${one} ${state}`);
  const paused = totals.paused_count === 0 ? [] : [`${totals.paused_count} paused`];
  const waiting =
    totals.waiting_count === null
      ? `what waits is unknown for ${mailboxesText(totals.unknown_count)}`
      : `${totals.waiting_count} waiting`;
  const text = `${mailboxesText(count)} (${[...states, ...paused].join(', ')}), ${totals.stored} stored, ${waiting}`;
  return [
    // As in the advice, pausing some of them is nothing to act on.
    totals.paused_count === count
      ? warn('mailboxes', text, '`npm run mailbox -- resume ADDRESS` continues.')
      : ok('mailboxes', text),
    ...mailboxes
      .filter((one) => one.is_current && !one.is_paused)
      .filter((one) => !isAddedReported || one.access === 'environment')
      .map(checkState)
      .filter((result) => result.state !== 'ok'),
  ];
}

function mailboxesText(count: number): string {
  return count === 1 ? '1 mailbox' : `${count} mailboxes`;
}

function checkState({
  email_address: address,
  is_paused: isPaused,
  state,
  ledger,
  failure_count: count,
  last_error: error,
}: MailboxStatus) {
  const name = 'mailbox';
  const stored = `${ledger.stored} stored`;
  if (isPaused) return warnPaused(address, `, ${stored}`);
  // Separate checks report failures of the watch, the runs and the messages.
  if (state === 'watch_failing' || state === 'fetch_failing' || state === 'not_polling')
    return ok(name, `${address} is polled, ${stored}`);
  const since = count > 0 ? ` after ${counted(count, 'failed run')}` : '';
  const reason = error === null ? '' : `: ${error.code}, ${error.detail ?? ''}`;
  const remediation = error?.remediation ?? 'Follow the advice of `status`.';
  if (error !== null && requiresOperator(error.code))
    return fail(name, `${address} is ${state}${since}${reason}`, remediation);
  if (state === 'backing_off') return warn(name, `${address} is ${state}${since}${reason}`, remediation);
  return ok(name, `${address} is ${state.replaceAll('_', ' ')}, ${stored}`);
}

/** @param more what else the line says */
export function warnPaused(address: string, more = ''): CheckResult {
  const remediation = `\`npm run mailbox -- resume ${shellWord(address)}\` continues.`;
  return warn('mailbox', `${address} is paused${more}`, remediation);
}

function checkPending(mailbox: MailboxStatus): CheckResult {
  const { ledger, oldest_pending_at: since, unknown_since: unknownSince } = mailbox;
  const { pending } = ledger;
  const unknown =
    unknownSince === null ? '' : `; what else waits in Gmail is unknown since ${unknownSince.toISOString()}`;
  if (pending === 0 || since === null)
    return ok('pending', unknown === '' ? 'no message waits' : `no discovered message waits${unknown}`);
  const text = `${pending} ${pending === 1 ? 'message waits' : 'messages wait'}, the oldest since ${since.toISOString()}${unknown}`;
  return Date.now() - since.getTime() > OLD_PENDING_MS
    ? warn(
        'pending',
        text,
        'Check error_code in email_ledger where state is pending, then call POST poll-now.',
      )
    : ok('pending', text);
}

/** Messages that wait after a failure; dead messages are a separate check. */
function checkFailing({ failing }: MailboxStatus): CheckResult {
  const count = (failing?.count ?? 0) - (failing?.dead_count ?? 0);
  if (failing === null || count === 0) return ok('failing', 'no waiting message has failed');
  const next =
    failing.next_attempt_at === null ? '' : `, next attempt at ${failing.next_attempt_at.toISOString()}`;
  const text = `${count} ${count === 1 ? 'message waits' : 'messages wait'} after failures (${failing.error_code ?? 'unknown'}: ${failing.error_detail ?? ''})${next}`;
  return warn('failing', text, failing.remediation);
}

function checkDead({ failing }: MailboxStatus): CheckResult {
  const count = failing?.dead_count ?? 0;
  if (count === 0) return ok('dead', 'no message is dead');
  const remediation =
    '`npm run retry-dead` lists them with error and remediation. Then call POST poll-now?retry=dead.';
  return fail('dead', `${count} ${count === 1 ? 'message' : 'messages'} failed every time`, remediation);
}

function checkCompleteness({ reconciliation, incidents }: MailboxStatus, isRunning: boolean): CheckResult {
  const name = 'completeness';
  if (reconciliation === null)
    return warn(
      name,
      'Gmail has not been compared with what is stored yet',
      'Call POST poll-now?reconcile=all, or wait: the poll reconciles within 15 minutes.',
    );
  const { at, missing_count: missing } = reconciliation;
  const open = incidents.filter((incident) => incident.closed_at === null).map((incident) => incident.kind);
  const parts = (['stored', 'pending', 'failed', 'ignored', 'gone', 'missing'] as const).map(
    (part) => `${part} ${reconciliation[`${part}_count`]}`,
  );
  const text = `Gmail ${reconciliation.gmail_count} = ${parts.join(', ')}, at ${at.toISOString()}`;
  if (open.length > 0 || missing > 0) {
    const incident = open.length === 0 ? '' : `; open incidents: ${open.join(', ')}`;
    const remediation =
      'The poll fetches missing messages; POST poll-now?reconcile=all starts at once. `status` shows the incident.';
    return warn(name, `${text}${incident}`, remediation);
  }
  if (isRunning && Date.now() - at.getTime() > STALE_RECONCILIATION_MS)
    return warn(
      name,
      `${text}, hours ago`,
      'Check that runs end as completed, then call POST poll-now?reconcile=all.',
    );
  return ok(name, text);
}

export async function checkListings(db: Queryable): Promise<CheckResult[]> {
  try {
    const rejected = (await findRejectedListings(db)).map(({ query, detail, isFinished }) =>
      fail(
        'listing',
        `Gmail rejects "${query}" (${detail})${isFinished ? '' : '; the poll retries it'}`,
        isFinished
          ? 'Run `npm run backfill` with a valid query.'
          : 'Correct GMAIL_INITIAL_QUERY or GMAIL_LABEL_ID, or run `npm run backfill` with a valid query.',
      ),
    );
    return rejected.length === 0 ? [ok('listing', 'Gmail accepts every query')] : rejected;
  } catch (error) {
    return [unknown('listing', error)];
  }
}
