/**
 * Advice for the operator: what to do now, the most urgent first. Empty when nothing needs attention.
 * An item names an action, not a command, so that each client can show its own button or command.
 */
import type { Config } from '../../config.ts';
import { COUNTED_EMAILS } from '../../db/retention.ts';
import { hasRunOnlyRemediation } from '../../errors.ts';
import { shellWord, withCommand } from '../../operator-commands.ts';
import type { ConsumerStatus } from '../../schemas/consumer-status.ts';
import type { AdviceItem, Status } from '../../schemas/status.ts';
import { COUNTED_OBJECTS } from './bucket-backlog.ts';
import {
  type AdvisedMailbox,
  advise,
  combine,
  errorAdvice,
  type Found,
  failingAdvice,
  isFetched,
  lastErrorAdvice,
  listingAdvice,
  pollingAdvice,
  reconciliationAdvice,
  unpublishedAdvice,
  watchAdvice,
} from './mailbox-advice.ts';
import type { PollingGap } from './mailbox-state.ts';
import type { RejectedListing } from './rejected-listings.ts';

/** Runs delete objects within minutes; a large erasure takes longer. */
const UNCOLLECTED_MS = 24 * 3_600_000;

export const UNREADABLE_FILE_REMEDIATION =
  'Provide the file at this path and make it readable. In the cloud: mount the secret there, enable its version, and grant the ' +
  'service account of the function access to the secret.';

/** The advice as text with its command, for the member `advice`. */
export function adviceText({ action, command, text }: AdviceItem): string {
  return command === undefined ? withCommand(text, action) : `${text} ${command}`;
}

export type StatusWithoutAdvice = Omit<Status, 'advice' | 'advice_items'>;

export interface AdviceFacts {
  readonly config: Config;
  /** Of the first mailbox: here, or as another function recorded them. */
  readonly hasCredentials: boolean;
  /** The database's time, like every other time here. */
  readonly now: Date;
  /** The mailboxes that the advice is about. */
  readonly mailboxes: readonly AdvisedMailbox[];
  /** The error of the last run of any mailbox. */
  readonly lastErrorCode: string | null;
  /** The first mailbox has credentials, but is not identified yet. */
  readonly isFirstUnidentified: boolean;
  /** Of the mailboxes in the state `not_polling`. */
  readonly pollingGaps: readonly { readonly address: string; readonly gap: PollingGap }[];
  readonly rejectedListings: readonly RejectedListing[];
}

export function adviceFor(status: StatusWithoutAdvice, facts: AdviceFacts): AdviceItem[] {
  const { config, mailboxes, now } = facts;
  const { is_running: isRunning, scheduler } = status;
  const ofConsumers = status.consumers.flatMap((consumer) => consumerAdvice(consumer, facts));
  if (status.mailbox_count === 0) return [...credentialAdvice(config), ...ofConsumers];
  const fetched = mailboxes.filter(isFetched);
  const namesAddress = status.mailbox_count > 1;
  const about = (found: readonly Found[]) => combine(found, namesAddress);
  // The advice about a paused job names the cause.
  const isJobPaused = scheduler?.state === 'paused';
  const gaps = facts.pollingGaps.filter(({ gap }) => !(isJobPaused && gap.kind === 'no_run_begins'));
  const items = [
    ...(facts.hasCredentials || config.credentialProblems.length === 0 ? [] : credentialAdvice(config)),
    facts.isFirstUnidentified ? errorAdvice(facts.lastErrorCode, status.last_error) : null,
    ...about(fetched.flatMap(lastErrorAdvice)),
    ...about(fetched.flatMap((mailbox) => watchAdvice(mailbox, isRunning, now))),
    schedulerAdvice(status),
    ...(isRunning ? about(gaps.map(({ address, gap }) => pollingAdvice(address, gap))) : []),
    // The advice about an enabled job also says that the monitor is stopped.
    isRunning || scheduler?.state === 'enabled' ? null : STOPPED,
    isRunning ? pausedAdvice(mailboxes) : null,
    ...about(mailboxes.flatMap((mailbox) => failingAdvice(mailbox, isRunning))),
    ...about(mailboxes.flatMap((mailbox) => unpublishedAdvice(mailbox, now))),
    ...about(fetched.flatMap((mailbox) => reconciliationAdvice(mailbox, isRunning, now))),
    ...(namesAddress
      ? about(facts.rejectedListings.map(listingAdvice))
      : facts.rejectedListings.map((listing) => listingAdvice(listing).item)),
    ...ofConsumers,
    ...retentionAdvice(status),
    isRunning ? uncollectedAdvice(status, now) : null,
  ]
    .filter((item) => item !== null)
    .filter(({ code }) => isRunning || !hasRunOnlyRemediation(code));
  return items.filter((item, at) => items.findIndex((other) => other.text === item.text) === at);
}

const STOPPED = advise(
  'stopped',
  'The monitor is stopped. New mail is not fetched, and the number of waiting messages is unknown.',
  'start',
);

/** Null unless every monitored mailbox is paused: pausing some of them is nothing to act on. */
function pausedAdvice(mailboxes: readonly AdvisedMailbox[]): AdviceItem | null {
  const monitored = mailboxes.filter((mailbox) => mailbox.is_current);
  const [first] = monitored;
  if (first === undefined || monitored.some(isFetched)) return null;
  const who = monitored.length === 1 ? `${first.email_address} is paused` : 'All mailboxes are paused';
  return {
    ...advise(
      'paused',
      `${who}. New mail is not fetched, and the number of waiting messages is unknown. Resume to fetch it.`,
    ),
    command: `Run \`npm run mailbox -- resume ${monitored.length === 1 ? shellWord(first.email_address) : 'ADDRESS'}\`.`,
  };
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
      advise('credentials_unreadable', `${problem}. ${UNREADABLE_FILE_REMEDIATION}`),
    ),
    ...(unset.length === 0 ? [] : [advise('not_configured', `Not set: ${unset.join(', ')}.`, 'authorize')]),
  ];
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
  const code = 'scheduler_job_disagrees';
  if (isRunning) return advise(code, `The monitor is on, but its scheduler job is ${state}.`, 'start');
  return {
    ...advise(
      code,
      'The monitor is stopped, but its scheduler job is enabled: it still calls poll, which does nothing. Stop pauses the ' +
        'job; start fetches email again.',
      'stop',
    ),
    command: 'POST stop, or POST start.',
  };
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

function retentionAdvice({ is_running: isRunning, retention }: StatusWithoutAdvice): AdviceItem[] {
  if (retention === null) return [];
  const { blocked, checked_at: checkedAt, days, is_stalled: isStalled } = retention;
  const { uncompleted, unpublished_count: unpublished } = retention;
  const period = days === 1 ? '1 day' : `${days} days`;
  const items: AdviceItem[] = [];
  if (isStalled && isRunning)
    items.push(
      advise(
        'retention_stalled',
        `${checkedAt === null ? 'No run has erased expired emails yet' : `No run has erased expired emails since ${checkedAt.toISOString()}`}, ` +
          'although there are some. The log lines with event retention_failed say why. A run that fetches until its time is over ' +
          'erases none.',
      ),
    );
  if (blocked !== null)
    items.push(
      advise(
        'retention_blocked',
        `${emails(blocked.count)} cannot be erased after ${period}, because of ${blocked.reason}. Delete the rows that refer to ` +
          'them, or declare the foreign key with `on delete cascade`. Runs try again every hour.',
      ),
    );
  const kept = (count: number, reason: string) =>
    advise(
      'retention_waiting',
      `${emails(count)} older than the ${period} of RETENTION_DAYS ${count === 1 ? 'is' : 'are'} kept, because ${reason}.`,
    );
  for (const { consumer, count } of uncompleted)
    items.push(
      kept(
        count,
        consumer === null
          ? 'there is no consumer and `processed` is false'
          : `the consumer ${consumer} has not completed ${count === 1 ? 'it' : 'them'}`,
      ),
    );
  // The advice about unpublished emails says what to do.
  if (unpublished > 0)
    items.push(
      kept(
        unpublished,
        unpublished === 1
          ? 'its message on the topic for stored emails is not published'
          : 'their messages on the topic for stored emails are not published',
      ),
    );
  return items;
}

function uncollectedAdvice(
  { uncollected_objects: waiting }: StatusWithoutAdvice,
  now: Date,
): AdviceItem | null {
  if (waiting === null || now.getTime() - waiting.since.getTime() < UNCOLLECTED_MS) return null;
  const { count, since } = waiting;
  const number = `${count >= COUNTED_OBJECTS ? 'At least ' : ''}${count} ${count === 1 ? 'object' : 'objects'}`;
  return advise(
    'objects_uncollected',
    `${number} of the bucket ${count === 1 ? 'waits' : 'wait'} to be deleted since ${since.toISOString()}: bytes of erased emails may ` +
      'still be there. Check that ATTACHMENTS_BUCKET is set for the functions that fetch. The log lines with event collection_failed ' +
      'say why a deletion failed.',
  );
}

function emails(count: number): string {
  if (count === 1) return '1 email';
  return `${count >= COUNTED_EMAILS ? 'At least ' : ''}${count} emails`;
}
