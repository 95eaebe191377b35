/**
 * Advice about mailboxes. Each kind of problem is one item, however many mailboxes have it: with one mailbox, its text; with
 * several, their number, the first addresses, and a text that holds for all of them.
 */

import { isBucketError, remediationForMessage, remedyFor } from '../../errors.ts';
import { accountOfUnconfirmed } from '../../mailbox-confirmation.ts';
import { shellWord, withMailbox } from '../../operator-commands.ts';
import type { AdviceAction } from '../../schemas/actions.ts';
import type { MailboxStatus } from '../../schemas/mailbox-status.ts';
import type { AdviceItem } from '../../schemas/status.ts';
import type { PollingGap } from './mailbox-state.ts';
import type { RejectedListing } from './rejected-listings.ts';

/** Reconciliations run every quarter of an hour; a large backlog may delay them. */
const STALE_RECONCILIATION_MS = 3 * 3_600_000;
/** A run publishes within seconds, and each poll publishes what an earlier run left. */
const UNPUBLISHED_MS = 5 * 60_000;
const NAMED_MAILBOXES = 3;

/** The advice code in the state `not_polling` when runs begin but are killed before they end. */
export const RUNS_NOT_ENDING = 'runs_not_ending';

type Members =
  | 'email_address'
  | 'is_current'
  | 'is_paused'
  | 'access'
  | 'last_error'
  | 'failing'
  | 'watch'
  | 'unpublished';

export interface AdvisedMailbox extends Pick<MailboxStatus, Members> {
  readonly reconciliation: Pick<NonNullable<MailboxStatus['reconciliation']>, 'at' | 'missing_count'> | null;
}

/** An item about one mailbox. */
export interface Found {
  readonly address: string;
  readonly item: AdviceItem;
  /** The text for several mailboxes, from the sum of `count`; absent: that of the item. */
  readonly several?: (count: number) => string;
  readonly count?: number;
}

export function advise(code: string, text: string, action: AdviceAction | null = null): AdviceItem {
  return { code, text, action };
}

/** One item per code. @param namesAddress true when there are several mailboxes, so that each item says which it is about */
export function combine(all: readonly Found[], namesAddress: boolean): AdviceItem[] {
  return [...Map.groupBy(all, ({ item }) => item.code).values()].flatMap((same) => {
    const addresses = [...new Set(same.map(({ address }) => address))];
    const mailboxes = addresses.slice(0, NAMED_MAILBOXES);
    const [first] = same;
    if (first === undefined) return [];
    if (addresses.length === 1)
      return same.map(({ address, item }) => {
        if (!namesAddress) return item;
        const isNamed = item.text.includes(address);
        return { ...item, text: isNamed ? item.text : `${address}: ${item.text}`, mailboxes };
      });
    const { item, several } = first;
    const count = same.reduce((sum, one) => sum + (one.count ?? 0), 0);
    const text = `${addresses.length} mailboxes (${listed(addresses)}): ${several?.(count) ?? item.text}`;
    // A command or an account that holds for one mailbox only would be wrong for the others.
    const command =
      item.action === 'authorize' ? { command: `For each: ${authorizeCommand('ADDRESS')}` } : {};
    return [{ ...advise(item.code, text, item.action), ...command, mailboxes }];
  });
}

/** `a@example.com, b@example.com, c@example.com and 9 others` */
function listed(addresses: readonly string[]): string {
  const named = addresses.slice(0, NAMED_MAILBOXES);
  const more = addresses.length - named.length;
  if (more > 0) return `${named.join(', ')} and ${more} ${more === 1 ? 'other' : 'others'}`;
  return `${named.slice(0, -1).join(', ')} and ${named.at(-1)}`;
}

/** Null for a code that another version wrote: it has no remediation here. */
export function errorAdvice(code: string | null, detail: string | null = null): AdviceItem | null {
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

/** The error of the last run. */
export function lastErrorAdvice({
  access,
  email_address: address,
  last_error: error,
}: AdvisedMailbox): Found[] {
  const item = errorAdvice(error?.code ?? null, error?.detail ?? null);
  if (item === null) return [];
  if (access !== 'refresh_token') return [{ address, item }];
  const command = item.action === 'authorize' ? { command: authorizeCommand(address) } : {};
  const own = { ...item, text: withMailbox(item.text, address), ...command };
  return [{ address, item: own, several: () => item.text }];
}

function authorizeCommand(address: string): string {
  return `Run \`npm run authorize -- --mailbox ${shellWord(address)}\`; for a deployment, add --secret-manager.`;
}

export function watchAdvice(
  { email_address: address, watch }: AdvisedMailbox,
  isRunning: boolean,
  now: Date,
): Found[] {
  const found: Found[] = [];
  if (watch?.error?.remediation) {
    const detail = watch.error.code === 'push_silent' ? `${watch.error.detail} ` : '';
    const { text, action } = remedyFor(watch.error.code) ?? { text: watch.error.remediation, action: null };
    const several = () => (detail === '' ? text : `No push notification arrives. ${text}`);
    found.push({ address, item: advise(watch.error.code, `${detail}${text}`, action), several });
  }
  if (isRunning && watch?.expires_at && watch.expires_at < now) {
    const at = watch.expires_at.toISOString();
    const text = `The push watch expired at ${at}. Polling continues. Register it again.`;
    const several = () => 'The push watch has expired. Polling continues. Register it again.';
    found.push({ address, item: advise('watch_expired', text, 'start'), several });
  }
  return found;
}

/** @param gap since when no run of the mailbox begins or ends */
export function pollingAdvice(address: string, { kind, since }: PollingGap): Found {
  const at = since.toISOString();
  if (kind === 'no_run_ends') {
    const rest =
      'runs begin, but the process is killed each time. Find the reason in the logs of the poll function: out of memory, a ' +
      'crash, or the timeout of the function. If it ran out of memory, give it more.';
    return {
      address,
      item: advise(RUNS_NOT_ENDING, `No run has ended since ${at}: ${rest}`),
      several: () => `No run has ended: ${rest}`,
    };
  }
  const rest =
    'although the monitor is on. Check that the scheduler job is enabled and is allowed to call poll, and in the log what ' +
    'poll answers. Until that is fixed, fetch manually.';
  return {
    address,
    item: advise('not_polling', `No run has begun since ${at}, ${rest}`, 'poll_now'),
    several: () => `No run has begun for minutes, ${rest}`,
  };
}

/** Includes dead messages of mailboxes that are not monitored, because they are not stored either. */
export function failingAdvice(mailbox: AdvisedMailbox, isRunning: boolean): Found[] {
  const { email_address: address, failing } = mailbox;
  if (failing === null) return [];
  const lastError = failing.error_code === null ? '' : ` (last error: ${failing.error_code})`;
  const found: Found[] = [];
  const { dead_count: dead } = failing;
  if (dead > 0 && !mailbox.is_current)
    found.push({
      address,
      item: advise(
        'messages_dead_unread',
        `${messages(dead)} of ${address} failed at every attempt${lastError}, and no run retries them, because the mailbox is not ` +
          `monitored. Add it again, or give them up: \`npm run retry-dead -- --mailbox ${shellWord(address)} --give-up\`.`,
      ),
      count: dead,
      several: (count) =>
        `${messages(count)} failed at every attempt, and no run retries them, because the mailboxes are not monitored.`,
    });
  else if (dead > 0)
    found.push({
      address,
      item: advise(
        'messages_dead',
        `${messages(dead)} of ${address} failed at every attempt${lastError}. ${failing.remediation}`,
        'retry_dead',
      ),
      count: dead,
      several: (count) => `${messages(count)} failed at every attempt. ${remediationForMessage(null, true)}`,
    });
  const waiting = failing.count - dead;
  if (waiting > 0 && isFetched(mailbox)) {
    const next =
      failing.next_attempt_at === null || !isRunning
        ? ''
        : ` The next attempt is at ${failing.next_attempt_at.toISOString()}.`;
    const what = isBucketError(failing.error_code ?? '')
      ? `cannot be stored${lastError}. ${failing.remediation}`
      : `cannot be fetched${lastError}.`;
    found.push({
      address,
      item: advise('messages_failing', `${messages(waiting)} of ${address} ${what}${next}`, 'poll_now'),
      count: waiting,
      several: (count) =>
        `${messages(count)} are not stored.${isRunning ? ' Each is retried at its next attempt.' : ''}`,
    });
  }
  return found;
}

export function unpublishedAdvice(mailbox: AdvisedMailbox, now: Date): Found[] {
  const { email_address: address, is_current: isCurrent, unpublished } = mailbox;
  if (unpublished === null || now.getTime() - unpublished.oldest_since.getTime() < UNPUBLISHED_MS) return [];
  const count = (emails: number) => (emails === 1 ? '1 email' : `${emails} emails`);
  const since = unpublished.oldest_since.toISOString();
  const rest =
    'could not be published. Nothing is lost. The log lines with event ' +
    'publish_failed say why. Check that the topic of EMAILS_PUBSUB_TOPIC exists and that the function may publish on it. ' +
    'If the topic was turned off, remove the rows of the outbox: while an email has one, RETENTION_DAYS does not erase it.';
  const item = advise(
    'emails_unpublished',
    `${count(unpublished.count)} of ${address} stored since ${since} ${rest}`,
    isCurrent ? 'poll_now' : null,
  );
  const command = `To delete them: \`delete from email_outbox\`.${isCurrent ? ' To publish them: POST poll-now.' : ''}`;
  return [
    {
      address,
      item: { ...item, command },
      count: unpublished.count,
      several: (emails) => `${count(emails)} ${rest}`,
    },
  ];
}

export function reconciliationAdvice(
  { email_address: address, reconciliation }: AdvisedMailbox,
  isRunning: boolean,
  now: Date,
): Found[] {
  if (reconciliation === null) return [];
  const { at, missing_count: missing } = reconciliation;
  const found: Found[] = [];
  if (missing > 0) {
    const text = (count: number) =>
      `The last reconciliation found ${messages(count)} missing.${isRunning ? ' They are being fetched.' : ''} Run a full reconciliation to verify.`;
    found.push({
      address,
      item: advise('messages_missing', text(missing), 'reconcile_all'),
      count: missing,
      several: text,
    });
  }
  if (isRunning && now.getTime() - at.getTime() > STALE_RECONCILIATION_MS) {
    const check = 'Check whether runs end with the outcome completed.';
    found.push({
      address,
      item: advise(
        'reconciliation_stale',
        `The last reconciliation ended hours ago, at ${at.toISOString()}. ${check}`,
        'reconcile_all',
      ),
      several: () => `The last reconciliation ended hours ago. ${check}`,
    });
  }
  return found;
}

export function listingAdvice({ address, detail, isFinished, purpose, query }: RejectedListing): Found {
  const next = isFinished
    ? 'Start it again with another query: `npm run backfill`.'
    : 'It is retried within the hour. Check GMAIL_INITIAL_QUERY and GMAIL_LABEL_ID.';
  const item = advise(
    'listing_rejected',
    `Gmail rejected the ${purpose} listing "${query}" (${detail}). ${next}`,
  );
  const several = () =>
    'Gmail rejected listings of theirs. Check GMAIL_INITIAL_QUERY and GMAIL_LABEL_ID, and the query and label of each mailbox. ' +
    'An ended backfill needs another query: `npm run backfill`.';
  return { address, item, several };
}

/** False for a mailbox that is paused or not monitored. */
export function isFetched({ is_current: isCurrent, is_paused: isPaused }: AdvisedMailbox): boolean {
  return isCurrent && !isPaused;
}

function messages(count: number): string {
  return count === 1 ? '1 message' : `${count} messages`;
}
