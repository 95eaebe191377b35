/**
 * Advice for the operator: what to do now, the most urgent first. Empty when nothing needs attention.
 * An item names an action, not a command, so that each client can show its own button or command.
 */
import type { Config } from '../config.ts';
import type { RejectedListing } from '../db/rejected-listings.ts';
import { isBucketError, remedyFor } from '../errors.ts';
import { accountOfUnconfirmed } from '../mailbox-confirmation.ts';
import { withCommand } from '../operator-commands.ts';
import type { AdviceAction } from '../schemas/actions.ts';
import type { ConsumerStatus } from '../schemas/consumer-status.ts';
import type { MailboxStatus } from '../schemas/mailbox-status.ts';
import type { AdviceItem, Status } from '../schemas/status.ts';
import type { PollingGap } from './mailbox-state.ts';

/** Reconciliations run every quarter of an hour; a large backlog may delay them. */
const STALE_RECONCILIATION_MS = 3 * 3_600_000;
/** A run publishes within seconds, and each poll publishes what an earlier run left. */
const UNPUBLISHED_MS = 5 * 60_000;

/** The advice code in the state `not_polling` when runs begin but are killed before they end. */
export const RUNS_NOT_ENDING = 'runs_not_ending';

/** The advice as text with its command, for the member `advice`. */
export function adviceText({ action, command, text }: AdviceItem): string {
  return command === undefined ? withCommand(text, action) : `${text} ${command}`;
}

export type StatusWithoutAdvice = Omit<Status, 'advice' | 'advice_items'>;

export interface AdviceFacts {
  readonly config: Config;
  /** Here, or as another function recorded them. */
  readonly hasCredentials: boolean;
  /** The database's time, like every other time here. */
  readonly now: Date;
  /** The error of the last run of any mailbox. */
  readonly lastErrorCode: string | null;
  /** Used in the state `not_polling` only. */
  readonly pollingGap: PollingGap | null;
  readonly rejectedListings: readonly RejectedListing[];
}

export function adviceFor(status: StatusWithoutAdvice, facts: AdviceFacts): AdviceItem[] {
  const ofConsumers = status.consumers.flatMap((consumer) => consumerAdvice(consumer, facts));
  if (!facts.hasCredentials) return [...credentialAdvice(facts.config), ...ofConsumers];
  const current = status.mailboxes.find((mailbox) => mailbox.is_current);
  const items = [
    current === undefined
      ? errorAdvice(facts.lastErrorCode, status.last_error)
      : errorAdvice(current.last_error?.code ?? null, current.last_error?.detail ?? null),
    ...(current === undefined ? [] : watchAdvice(current, status.is_running, facts.now)),
    schedulerAdvice(status),
    runningAdvice(status, facts),
    ...status.mailboxes.flatMap(failingAdvice),
    ...status.mailboxes.map((mailbox) => unpublishedAdvice(mailbox, facts.now)),
    ...(current === undefined ? [] : reconciliationAdvice(current, status.is_running, facts.now)),
    ...facts.rejectedListings.map(listingAdvice),
    ...ofConsumers,
  ].filter((item) => item !== null);
  return items.filter((item, at) => items.findIndex((other) => other.text === item.text) === at);
}

function advise(code: string, text: string, action: AdviceAction | null = null): AdviceItem {
  return { code, text, action };
}

function credentialAdvice(config: Config): AdviceItem[] {
  const { areCredentialsHeldElsewhere, credentialProblems, missingCredentials } = config;
  if (areCredentialsHeldElsewhere)
    return [
      {
        ...advise(
          'not_configured',
          'The functions that call Gmail have recorded no credentials. A start makes one of them read its credentials, and ' +
            'says what is missing. Without credentials, authorize first.',
          'authorize',
        ),
        command: 'POST start. To authorize, run `npm run authorize`; for a deployment, add --secret-manager.',
      },
    ];
  const unreadable = missingCredentials.filter((name) =>
    credentialProblems.some((one) => one.startsWith(name)),
  );
  const unset = missingCredentials.filter((name) => !unreadable.includes(name));
  return [
    ...credentialProblems.map((problem) =>
      advise(
        'credentials_unreadable',
        `${problem}. Provide the file at this path and make it readable. In the cloud: mount the secret there, enable its version, ` +
          'and grant the service account of the function access to the secret.',
      ),
    ),
    ...(unset.length === 0 ? [] : [advise('not_configured', `Not set: ${unset.join(', ')}.`, 'authorize')]),
  ];
}

/** Null for a code that another version wrote: it has no remediation here. */
function errorAdvice(code: string | null, detail: string | null = null): AdviceItem | null {
  if (code === 'reauth_required')
    return advise(
      code,
      'Gmail rejected the refresh token. No mail is fetched until you replace it. Fetching then resumes at the cursor.',
      'authorize',
    );
  const remedy = remedyFor(code);
  if (code === null || remedy === null) return null;
  const account = remedy.action === 'confirm_mailbox' ? accountOfUnconfirmed(detail) : null;
  return { ...advise(code, remedy.text, remedy.action), ...(account !== null && { account }) };
}

function watchAdvice({ watch }: MailboxStatus, isRunning: boolean, now: Date): AdviceItem[] {
  const items: AdviceItem[] = [];
  if (watch?.error?.remediation) {
    const detail = watch.error.code === 'push_silent' ? `${watch.error.detail} ` : '';
    const { text, action } = remedyFor(watch.error.code) ?? { text: watch.error.remediation, action: null };
    items.push(advise(watch.error.code, `${detail}${text}`, action));
  }
  if (isRunning && watch?.expires_at && watch.expires_at < now) {
    const at = watch.expires_at.toISOString();
    items.push(
      advise(
        'watch_expired',
        `The push watch expired at ${at}. Polling continues. Register it again.`,
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
  // Reported while the monitor is stopped too, because a start would fail.
  if (state === 'missing') return errorAdvice('scheduler_job_missing');
  if (state === 'disabled' || state === 'update_failed')
    return advise(
      'scheduler_job_broken',
      `The scheduler job does not run (state ${state}), and start cannot resume it. Run \`terraform apply\`.`,
    );
  if (agrees === true) return null;
  return advise(
    'scheduler_job_disagrees',
    `The monitor is ${isRunning ? 'on' : 'off'}, but its scheduler job is ${state}.`,
    isRunning ? 'start' : 'stop',
  );
}

function runningAdvice(status: StatusWithoutAdvice, { pollingGap }: AdviceFacts): AdviceItem | null {
  if (!status.is_running)
    return advise(
      'stopped',
      'The monitor is stopped. New mail is not fetched, and the number of waiting messages is unknown.',
      'start',
    );
  if (status.state !== 'not_polling') return null;
  const since = pollingGap === null ? '' : ` since ${pollingGap.since.toISOString()}`;
  if (pollingGap?.kind === 'no_run_ends')
    return advise(
      RUNS_NOT_ENDING,
      `No run has ended${since}: runs begin, but the process is killed each time. Find the reason in the logs of the poll ` +
        'function: out of memory, a crash, or the timeout of the function. If it ran out of memory, give it more.',
    );
  return advise(
    'not_polling',
    `No run has begun${since}, although the monitor is on. Check that the scheduler job is enabled and is allowed to call ` +
      'poll. Until that is fixed, fetch manually.',
    'poll_now',
  );
}

/** Includes dead messages of mailboxes of earlier credentials, because they are not stored either. */
function failingAdvice({
  email_address: address,
  failing,
  is_current: isCurrent,
}: MailboxStatus): AdviceItem[] {
  if (failing === null) return [];
  const lastError = failing.error_code === null ? '' : ` (last error: ${failing.error_code})`;
  const items: AdviceItem[] = [];
  if (failing.dead_count > 0)
    items.push(
      advise(
        'messages_dead',
        `${messages(failing.dead_count)} of ${address} failed at every attempt${lastError}. ${failing.remediation}`,
        'retry_dead',
      ),
    );
  const waiting = failing.count - failing.dead_count;
  if (waiting > 0 && isCurrent) {
    const next =
      failing.next_attempt_at === null
        ? ''
        : ` The next attempt is at ${failing.next_attempt_at.toISOString()}.`;
    const isBucket = isBucketError(failing.error_code ?? '');
    const what = isBucket
      ? `cannot be stored${lastError}. ${failing.remediation}`
      : `cannot be fetched${lastError}.`;
    items.push(advise('messages_failing', `${messages(waiting)} of ${address} ${what}${next}`, 'poll_now'));
  }
  return items;
}

function unpublishedAdvice(
  { email_address: address, unpublished, is_current: isCurrent }: MailboxStatus,
  now: Date,
): AdviceItem | null {
  if (unpublished === null || now.getTime() - unpublished.oldest_since.getTime() < UNPUBLISHED_MS)
    return null;
  const count = unpublished.count === 1 ? '1 email' : `${unpublished.count} emails`;
  const since = unpublished.oldest_since.toISOString();
  return {
    ...advise(
      'emails_unpublished',
      `${count} of ${address} stored since ${since} could not be published. Nothing is lost. The log lines with event ` +
        'publish_failed say why. Check that the topic of EMAILS_PUBSUB_TOPIC exists and that the function may publish on it. ' +
        'If the topic was turned off, the rows do no harm.',
      isCurrent ? 'poll_now' : null,
    ),
    command: `To delete them: \`delete from email_outbox\`.${isCurrent ? ' To publish them: POST poll-now.' : ''}`,
  };
}

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
        `The last reconciliation found ${messages(missing)} missing. They are being fetched. Run a full reconciliation to verify.`,
        'reconcile_all',
      ),
    );
  if (isRunning && now.getTime() - at.getTime() > STALE_RECONCILIATION_MS)
    items.push(
      advise(
        'reconciliation_stale',
        `The last reconciliation ended hours ago, at ${at.toISOString()}. Check whether runs end with the outcome completed.`,
        'reconcile_all',
      ),
    );
  return items;
}

function listingAdvice({ detail, isFinished, purpose, query }: RejectedListing): AdviceItem {
  const next = isFinished
    ? 'Start it again with another query: `npm run backfill`.'
    : 'It is retried within the hour. Check GMAIL_INITIAL_QUERY and GMAIL_LABEL_ID.';
  return advise('listing_rejected', `Gmail rejected the ${purpose} listing "${query}" (${detail}). ${next}`);
}

function consumerAdvice(consumer: ConsumerStatus, { config, now }: AdviceFacts): AdviceItem[] {
  const { dead_count: dead, name, oldest_queued_at: oldestAt } = consumer;
  const items: AdviceItem[] = [];
  if (dead > 0) {
    const number = `${consumer.capped_counts.includes('dead_count') ? 'At least ' : ''}${dead}`;
    items.push({
      ...advise(
        'consumer_emails_dead',
        `${number} ${dead === 1 ? 'email' : 'emails'} of the consumer ${name} failed five times, and no worker gets ${dead === 1 ? 'it' : 'them'}. ` +
          `Read the error${dead === 1 ? '' : 's'} and remove the cause.`,
        'requeue_emails',
      ),
      consumer: name,
    });
  }
  if (oldestAt !== null && now.getTime() - oldestAt.getTime() > config.consumerMaxWaitSeconds * 1_000)
    items.push(
      advise(
        'consumer_waiting',
        `The consumer ${name} has not completed its oldest email since ${oldestAt.toISOString()}. ` +
          'Check that its workers run and do not fail.',
      ),
    );
  return items;
}

function messages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}
