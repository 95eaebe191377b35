/**
 * What one run of ingest works with, handed to each of its steps: the system, the fence, the time, the purse
 * and the counters.
 */
import type { Config } from '../config.ts';
import type { Database } from '../db/database.ts';
import type { Fence } from '../db/lease.ts';
import type { LookFor } from '../db/outlook.ts';
import type { RunCounts, Trigger } from '../db/runs.ts';
import type { Clock, Deadline } from '../deadline.ts';
import type { CallContext, GmailClient } from '../gmail/gmail-client.ts';
import type { Log } from '../log.ts';
import type { Random, Sleep } from '../retry.ts';
import type { FailureStreak } from './failure-streak.ts';
import type { LargeGate } from './large-gate.ts';

/** How a run ended. Busy, late and stopped are outcomes, not errors. */
export type Outcome =
  | 'completed'
  /** The time was used up; the next invocation goes on. */
  | 'out_of_time'
  | 'failed'
  /** Somebody else holds the lease, and sees what this one would have seen. */
  | 'busy'
  | 'not_due'
  | 'stopped'
  | 'not_configured';

/** What an instance keeps between its invocations. */
export interface System {
  readonly config: Config;
  readonly db: Database;
  /** Null without credentials. */
  readonly gmail: GmailClient | null;
  readonly credentialFingerprint: string | null;
  readonly log: Log;
  /** Names the instance on the lease. */
  readonly holder: string;
  readonly largeGate: LargeGate;
  readonly clock: Clock;
  readonly random: Random;
  readonly sleep: Sleep;
}

export interface Run {
  readonly system: System;
  readonly db: Database;
  readonly gmail: GmailClient;
  readonly config: Config;
  readonly log: Log;
  readonly trigger: Trigger;
  readonly ignoresWaits: boolean;
  readonly fence: Fence;
  /** What there may be to do beside the history. */
  readonly lookFor: LookFor;
  /** When the lease was taken, by the clock of the database. */
  readonly startedAt: Date;
  /** When the mailbox was first seen, by the clock of the database. */
  readonly mailboxCreatedAt: Date;
  /** End of the work; the reserve for closing lies behind it. */
  readonly deadline: Deadline;
  readonly call: CallContext;
  readonly counts: RunCounts;
  readonly streak: FailureStreak;
}

export function noCounts(): RunCounts {
  return {
    discovered: 0,
    stored: 0,
    gone: 0,
    ignored: 0,
    failed: 0,
    dead: 0,
    quotaUnits: 0,
    refused: 0,
    arrivalToStoredMaxMs: null,
  };
}
