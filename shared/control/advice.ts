/**
 * What an operator should do now, the most pressing first. Empty when all is well.
 * Each item names an action instead of a command, so that every client shows the one that works where it is read.
 */
import type { Config } from '../config.ts';
import type { RejectedListing } from '../db/rejected-listings.ts';
import { remediationFor } from '../errors.ts';
import type { MailboxStatus } from '../schemas/mailbox-status.ts';
import type { AdviceAction, AdviceItem, Status } from '../schemas/status.ts';
import type { Silence } from './state.ts';

/** Reconciliations come every quarter of an hour; a large backlog may delay them for a while. */
const STALE_RECONCILIATION_MS = 3 * 3_600_000;

/** The code of the advice in the state `not_polling` when runs begin and are killed. */
export const RUNS_NOT_ENDING = 'runs_not_ending';

/** For curl and the log. The page shows its buttons instead. */
const COMMANDS: Readonly<Record<AdviceAction, string>> = {
  start: 'POST start.',
  stop: 'POST stop.',
  poll_now: 'POST poll-now.',
  reconcile_all: 'POST poll-now?reconcile=all.',
  retry_dead: 'POST poll-now?retry=dead.',
  authorize: 'Run `npm run authorize`; for a deployment add --secret-manager.',
};

/** The advice with its command, for the member `advice`. */
export function adviceSentence({ action, text }: AdviceItem): string {
  return action === null ? text : `${text} ${COMMANDS[action]}`;
}

export type StatusWithoutAdvice = Omit<Status, 'advice' | 'advice_items'>;

export interface AdviceFacts {
  readonly config: Config;
  /** By the clock of the database, of which all times are. */
  readonly now: Date;
  /** Of the last run of any mailbox. */
  readonly lastErrorCode: string | null;
  /** Shown in the state `not_polling` only. */
  readonly silence: Silence | null;
  readonly rejectedListings: readonly RejectedListing[];
}

export function adviceFor(status: StatusWithoutAdvice, facts: AdviceFacts): AdviceItem[] {
  if (facts.config.gmail === null) return credentialAdvice(facts.config);
  const current = status.mailboxes.find((mailbox) => mailbox.is_current);
  const items = [
    errorAdvice(current === undefined ? facts.lastErrorCode : (current.last_error?.code ?? null)),
    ...(current === undefined ? [] : watchAdvice(current, status.is_running, facts.now)),
    schedulerAdvice(status),
    runningAdvice(status, facts),
    ...status.mailboxes.flatMap(failingAdvice),
    ...(current === undefined ? [] : reconciliationAdvice(current, status.is_running, facts.now)),
    ...facts.rejectedListings.map(listingAdvice),
  ].filter((item) => item !== null);
  return items.filter((item, at) => items.findIndex((other) => other.text === item.text) === at);
}

function advise(code: string, text: string, action: AdviceAction | null = null): AdviceItem {
  return { code, text, action };
}

function credentialAdvice({ credentialProblems, missingCredentials }: Config): AdviceItem[] {
  const unreadable = missingCredentials.filter((name) =>
    credentialProblems.some((one) => one.startsWith(name)),
  );
  const unset = missingCredentials.filter((name) => !unreadable.includes(name));
  return [
    ...credentialProblems.map((problem) =>
      advise(
        'credentials_unreadable',
        `${problem}. Put a file that this account can read at the path. In the cloud: mount the secret there, enable its version, ` +
          'and let the account of the function read it.',
      ),
    ),
    ...(unset.length === 0 ? [] : [advise('not_configured', `Not set: ${unset.join(', ')}.`, 'authorize')]),
  ];
}

/** A code that another version wrote has no remediation here. */
function errorAdvice(code: string | null): AdviceItem | null {
  if (code === 'reauth_required')
    return advise(
      code,
      'Gmail refused the refresh token. No mail is fetched until it is replaced; then fetching continues at the cursor.',
      'authorize',
    );
  const remediation = remediationFor(code);
  return code === null || remediation === null ? null : advise(code, remediation);
}

function watchAdvice({ watch }: MailboxStatus, isRunning: boolean, now: Date): AdviceItem[] {
  const items: AdviceItem[] = [];
  if (watch?.error?.remediation) {
    const said = watch.error.code === 'push_silent' ? `${watch.error.detail} ` : '';
    items.push(advise(watch.error.code, `${said}${watch.error.remediation}`));
  }
  if (isRunning && watch?.expires_at && watch.expires_at < now) {
    const at = watch.expires_at.toISOString();
    items.push(
      advise(
        'watch_expired',
        `The push watch expired at ${at}; polling continues. Register it again.`,
        'start',
      ),
    );
  }
  return items;
}

function schedulerAdvice({ scheduler, is_running: isRunning }: StatusWithoutAdvice): AdviceItem | null {
  if (scheduler === null) return null;
  const { agrees, error, state } = scheduler;
  if (error !== null) return error.remediation === null ? null : advise(error.code, error.remediation);
  // Shown while the monitor is stopped too: it could not be started.
  if (state === 'missing') return errorAdvice('scheduler_job_missing');
  if (state === 'disabled' || state === 'update_failed')
    return advise(
      'scheduler_job_broken',
      `Cloud Scheduler has disabled its job (${state}), and start cannot resume it: run \`terraform apply\`.`,
    );
  if (agrees === true) return null;
  return advise(
    'scheduler_job_disagrees',
    `The monitor is ${isRunning ? 'on' : 'off'} but its scheduler job is ${state}.`,
    isRunning ? 'start' : 'stop',
  );
}

function runningAdvice(status: StatusWithoutAdvice, { silence }: AdviceFacts): AdviceItem | null {
  if (!status.is_running)
    return advise(
      'stopped',
      'The monitor is stopped: new mail is not fetched, and how much waits is unknown.',
      'start',
    );
  if (status.state !== 'not_polling') return null;
  const since = silence === null ? '' : ` since ${silence.since.toISOString()}`;
  if (silence?.kind === 'no_run_ends')
    return advise(
      RUNS_NOT_ENDING,
      `Runs begin but do not end${since}: the process is killed each time. Look in the logs of the poll function for the ` +
        'reason (out of memory, a crash, the timeout of the function), and give it more memory if that was exceeded.',
    );
  return advise(
    'not_polling',
    `No run has begun${since}, although the monitor is on: check that the scheduler job is enabled and may call poll. ` +
      'Until then fetch by hand.',
    'poll_now',
  );
}

/** Messages of a mailbox that is remembered count too: they are not stored. */
function failingAdvice({
  email_address: address,
  failing,
  is_current: isCurrent,
}: MailboxStatus): AdviceItem[] {
  if (failing === null) return [];
  const why = failing.error_code === null ? '' : `, the last with ${failing.error_code}`;
  const items: AdviceItem[] = [];
  if (failing.dead_count > 0)
    items.push(
      advise(
        'messages_dead',
        `${messages(failing.dead_count)} of ${address} failed every time${why}. ${failing.remediation}`,
        'retry_dead',
      ),
    );
  const waiting = failing.count - failing.dead_count;
  if (waiting > 0 && isCurrent) {
    const next =
      failing.next_attempt_at === null
        ? ''
        : ` The next attempt is at ${failing.next_attempt_at.toISOString()}.`;
    items.push(
      advise(
        'messages_failing',
        `${messages(waiting)} of ${address} cannot be fetched${why}.${next}`,
        'poll_now',
      ),
    );
  }
  return items;
}

/** What was true at the last reconciliation need not be true now. */
function reconciliationAdvice(
  { reconciliation }: MailboxStatus,
  isRunning: boolean,
  now: Date,
): AdviceItem[] {
  if (reconciliation === null) return [];
  const { at, missing_count: missing } = reconciliation;
  const items: AdviceItem[] = [];
  if (missing > 0)
    items.push(
      advise(
        'messages_missing',
        `The last reconciliation found ${messages(missing)} missing; they are fetched. Compare everything to be sure.`,
        'reconcile_all',
      ),
    );
  if (isRunning && now.getTime() - at.getTime() > STALE_RECONCILIATION_MS)
    items.push(
      advise(
        'reconciliation_stale',
        `The last reconciliation ended at ${at.toISOString()}, hours ago: check whether runs end as completed.`,
        'reconcile_all',
      ),
    );
  return items;
}

function listingAdvice({ detail, isFinished, purpose, query }: RejectedListing): AdviceItem {
  const next = isFinished
    ? 'Plan it again with another query by `npm run backfill`.'
    : 'It is tried again within the hour; check GMAIL_INITIAL_QUERY and GMAIL_LABEL_ID.';
  return advise('listing_rejected', `Gmail rejected the ${purpose} listing "${query}" (${detail}). ${next}`);
}

function messages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}
