/** Contexts of the ingest steps: `IngestContext` lives as long as an instance, `RunContext` as long as one run. */
import { hostname } from 'node:os';
import { type LargeBytes, openLargeBytes } from '../bucket/large-bytes.ts';
import type { Config } from '../config.ts';
import { credentialFingerprint } from '../credentials.ts';
import type { Database } from '../db/database.ts';
import type { Lease } from '../db/lease.ts';
import type { RunCounts, Trigger } from '../db/runs.ts';
import { type Clock, type Deadline, monotonicClock } from '../deadline.ts';
import type { AppError } from '../errors.ts';
import { type CallContext, createGmailClient, type GmailClient } from '../gmail/gmail-client.ts';
import type { EmailPublisher } from '../handoff/email-publisher.ts';
import { EmailsTopic } from '../handoff/emails-topic.ts';
import type { WorkerWakeUp } from '../handoff/worker-wake-up.ts';
import { AimdLimit } from '../limits/aimd-limit.ts';
import type { QuotaBudget } from '../limits/quota-budget.ts';
import { Semaphore } from '../limits/semaphore.ts';
import type { Log } from '../log.ts';
import type { MailboxSettings } from '../mailboxes/mailbox-settings.ts';
import { type Random, realSleep, type Sleep } from '../retry.ts';
import type { LabelState } from './label-rules.ts';
import type { OutageDetector } from './outage-detector.ts';

/** How a run ended. Busy, late and stopped are outcomes, not errors. */
export type Outcome =
  | 'completed'
  /** The time was used up; the next run continues. */
  | 'out_of_time'
  | 'failed'
  /** Another instance holds the lease and finds what this one would have found. */
  | 'busy'
  | 'not_due'
  | 'stopped'
  /** An operator paused the mailbox. */
  | 'paused'
  | 'not_configured';

/** State that an instance keeps between invocations, for one mailbox. */
export interface IngestContext {
  /** As an operator added the mailbox; null: the first mailbox, whose credentials are environment variables. */
  readonly settings: MailboxSettings | null;
  /** With the label and the query of `settings`. */
  readonly config: Config;
  readonly db: Database;
  /** Null without credentials. An added mailbox always has one. */
  readonly gmail: GmailClient | null;
  /** Null without credentials, or while those of an added mailbox cannot be read. */
  readonly credentialFingerprint: string | null;
  readonly log: Log;
  /** Names the instance on the lease. */
  readonly holder: string;
  /** Limit of messages in flight; adapts to the mailbox across runs. */
  readonly inFlight: AimdLimit;
  /** Allows one large message in memory at a time, from its first megabyte until it is stored. */
  readonly largeBodies: Semaphore;
  /**
   * One permit per batch of claims that the process has open, of any mailbox and function. A crash suspect takes all permits:
   * a death is charged to it, so it must not have another cause.
   */
  readonly openClaims: Semaphore;
  /**
   * Leases of runs of this process that ended while the database was unavailable. Their claims are still open, but not
   * because a message crashed the process.
   */
  readonly unreleasedLeases: Set<Lease>;
  /** Where stored emails are published; null: nowhere. */
  readonly emailsTopic: EmailsTopic | null;
  /** Where large bytes are stored; null: in the database, like the others. */
  readonly largeBytes: LargeBytes | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
}

/** The label of a run. When it is missing, the run ends with `error` after it has listed. */
export type RunLabel =
  | Exclude<LabelState, { readonly kind: 'missing' }>
  | { readonly kind: 'missing'; readonly error: AppError };

export interface RunContext {
  readonly app: IngestContext;
  readonly db: Database;
  readonly gmail: GmailClient;
  readonly config: Config;
  readonly log: Log;
  readonly trigger: Trigger;
  readonly lease: Lease;
  /** When the lease was taken, by the database's clock. */
  readonly startedAt: Date;
  /** When the mailbox was first seen, by the database's clock. */
  readonly mailboxCreatedAt: Date;
  /** End of the work. The reserve for recording the run follows it. */
  readonly deadline: Deadline;
  readonly budget: QuotaBudget;
  /** Messages that wait for their next attempt are tried too, because an operator asked for a run. */
  readonly includesWaiting: boolean;
  readonly outage: OutageDetector;
  readonly wakeUp: WorkerWakeUp;
  /** The label that messages must carry; a reconciliation may resolve it to another one. */
  label: RunLabel;
  readonly progress: RunProgress;
  /** For calls that reserve their own units: all except the first attempt of `messages.get`. */
  readonly call: CallContext;
  readonly counts: RunCounts;
  /** Null without a topic for stored emails. */
  readonly publisher: EmailPublisher | null;
}

/** What a run knows about Gmail's answers. */
export interface RunProgress {
  /** Gmail has answered `history.list`. */
  hasHistoryAnswer: boolean;
  /** A wait for quota units failed. */
  lacksUnits: boolean;
}

/** Time, randomness and the concurrency limit, for tests and benchmarks. */
export interface TestOverrides {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly sleep?: Sleep;
  readonly inFlight?: AimdLimit;
}

export interface IngestContextOptions {
  readonly config: Config;
  readonly db: Database;
  readonly log: Log;
  /** One for all contexts of the process. */
  readonly openClaims: Semaphore;
  readonly overrides?: TestOverrides;
  /** Called when Google rejects the credentials. */
  readonly onCredentialsRejected?: () => void;
}

export function createIngestContext(options: IngestContextOptions): IngestContext {
  const { config, db, log, openClaims } = options;
  const { clock = monotonicClock, random = Math.random, sleep = realSleep } = options.overrides ?? {};
  const { gmail: credentials, gmailApiRootUrl: rootUrl, oauthTokenUrl: tokenUrl } = config;
  return {
    settings: null,
    config,
    db,
    log,
    gmail:
      credentials === null
        ? null
        : createGmailClient({
            access: { kind: 'refresh_token', credentials },
            rootUrl,
            tokenUrl,
            random,
            sleep,
            ...(options.onCredentialsRejected && { onCredentialsRejected: options.onCredentialsRejected }),
          }),
    credentialFingerprint: credentials === null ? null : credentialFingerprint(credentials),
    holder: `${hostname()}:${process.pid}`,
    inFlight: options.overrides?.inFlight ?? new AimdLimit(),
    largeBodies: new Semaphore(1),
    openClaims,
    unreleasedLeases: new Set(),
    emailsTopic:
      config.emailsTopic === null ? null : new EmailsTopic(config.emailsTopic, config.pubsubEmulatorHost),
    largeBytes: openLargeBytes(config, clock),
    clock,
    random,
    sleep,
  };
}
