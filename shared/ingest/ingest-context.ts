/** What an instance keeps between runs, for one mailbox. */
import { hostname } from 'node:os';
import { type LargeBytes, openLargeBytes } from '../bucket/large-bytes.ts';
import type { Config } from '../config.ts';
import { credentialFingerprint } from '../credentials.ts';
import type { Database } from '../db/database.ts';
import type { Lease } from '../db/lease.ts';
import { type Clock, monotonicClock } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { createGmailClient, type GmailClient } from '../gmail/gmail-client.ts';
import { EmailsTopic } from '../handoff/emails-topic.ts';
import { AimdLimit } from '../limits/aimd-limit.ts';
import { Semaphore } from '../limits/semaphore.ts';
import type { Log } from '../log.ts';
import type { MailboxSettings } from '../mailboxes/mailbox-settings.ts';
import { type Random, realSleep, type Sleep } from '../retry.ts';

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
  /** The next invocation reads the credentials again. */
  readonly rereadCredentials: () => void;
  readonly log: Log;
  /** Names the instance on the lease. */
  readonly holder: string;
  /** Limit of messages in flight; adapts to the mailbox across runs. */
  readonly inFlight: AimdLimit;
  /** Allows one large message in memory at a time, from its first megabyte until it is stored. */
  readonly largeBodies: Semaphore;
  /**
   * Allows one crash suspect at a time in the process, of any mailbox and function: with two, a crash would be charged to both.
   */
  readonly suspects: Semaphore;
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

/** @throws {AppError} not_configured without credentials */
export function requireGmail({ gmail }: IngestContext): GmailClient {
  if (gmail === null) throw new AppError('not_configured', 'There are no Gmail credentials.');
  return gmail;
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
  readonly suspects: Semaphore;
  readonly overrides?: TestOverrides;
  /** Called when Google rejects the credentials, or they belong to another account. */
  readonly onCredentialsRejected?: () => void;
}

export function createIngestContext(options: IngestContextOptions): IngestContext {
  const { config, db, log, suspects } = options;
  const { clock = monotonicClock, random = Math.random, sleep = realSleep } = options.overrides ?? {};
  const { gmail: credentials, gmailApiRootUrl: rootUrl, oauthTokenUrl: tokenUrl } = config;
  const rereadCredentials = options.onCredentialsRejected ?? (() => undefined);
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
            onCredentialsRejected: rereadCredentials,
          }),
    credentialFingerprint: credentials === null ? null : credentialFingerprint(credentials),
    rereadCredentials,
    holder: `${hostname()}:${process.pid}`,
    inFlight: options.overrides?.inFlight ?? new AimdLimit(),
    largeBodies: new Semaphore(1),
    suspects,
    unreleasedLeases: new Set(),
    emailsTopic:
      config.emailsTopic === null
        ? null
        : new EmailsTopic(config.emailsTopic, config.pubsubEmulatorHost, clock),
    largeBytes: openLargeBytes(config, clock),
    clock,
    random,
    sleep,
  };
}
