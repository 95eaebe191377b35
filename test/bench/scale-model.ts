/**
 * What many mailboxes need, reckoned from what one was measured to need. Pure: the same inputs give the same figures.
 * What must stay true: nothing of it is wished for; a deployment serves one mailbox, and the figures say so.
 */
import { ASSUMED, DEPLOYED, MEASURED } from './cost-inputs.ts';

const DAY_SECONDS = 86_400;
const GB = 1e9;
const YEAR_DAYS = 365;

/** https://developers.google.com/workspace/gmail/api/reference/quota, projects since May 2026. */
export const GMAIL = {
  listUnits: 2,
  getUnits: 20,
  messageListUnits: 5,
  watchUnits: 100,
  mailboxUnitsPerMinute: 6_000,
  projectUnitsPerMinute: 1_200_000,
  /** Beyond it Google will charge. */
  projectUnitsPerDay: 80_000_000,
} as const;

/** Of shared/: a reconciliation each quarter of an hour, a watch renewed daily. */
export const RHYTHM = { reconcileSeconds: 900, watchDays: 1 } as const;

/** As terraform/locals.tf has them: all pools of all functions, and what a database lets in. */
export const CONNECTIONS = { deployment: 17, whileDeploying: 2, share: 0.7, 'db-g1-small': 50 } as const;

/**
 * `npm run bench` on 27 November 2026: RESULTS.md has them with their circumstances. Rounded to the careful side.
 */
export const BENCH = {
  emailCpuMs: 2.5,
  emailTrips: 1.3,
  idlePollStatements: 5,
  idlePollCpuMs: 4.2,
} as const;

/** Of the busiest minute beside the mean one: order mail comes in working hours. Assumed. */
export const PEAK = 10;

export interface Need {
  readonly mailboxes: number;
  readonly unitsPerDay: number;
  readonly peakUnitsPerMinute: number;
  /** Instances busy at once, one run each, in the mean and in the busiest minute. */
  readonly busyInstances: number;
  readonly peakInstances: number;
  /** Of one deployment a mailbox, while it is deployed anew. */
  readonly connections: number;
  readonly peakCommitsPerSecond: number;
  readonly walGbPerDay: number;
  readonly gbPerYear: number;
}

const POLLS_A_DAY = DAY_SECONDS / DEPLOYED.pollIntervalSeconds;

/** Units that a mailbox takes a day at so many emails, each with a push of its own. */
export function unitsPerDay(emails: number): number {
  return (
    POLLS_A_DAY * GMAIL.listUnits +
    (DAY_SECONDS / RHYTHM.reconcileSeconds) * GMAIL.messageListUnits +
    GMAIL.watchUnits / RHYTHM.watchDays +
    emails * (GMAIL.listUnits + GMAIL.getUnits)
  );
}

export function needOf(mailboxes: number, emails: number = ASSUMED.emailsPerDay): Need {
  const busySeconds = (POLLS_A_DAY * MEASURED.poll.medianMs + emails * MEASURED.email.medianMs) / 1_000;
  const peakBusy =
    (POLLS_A_DAY * MEASURED.poll.medianMs + PEAK * emails * MEASURED.email.medianMs) / 1_000 / DAY_SECONDS;
  const walBytes = POLLS_A_DAY * MEASURED.poll.walBytes + emails * MEASURED.email.walBytes;
  const quietUnits = unitsPerDay(0);
  return {
    mailboxes,
    unitsPerDay: mailboxes * unitsPerDay(emails),
    peakUnitsPerMinute: (mailboxes * (quietUnits + PEAK * (unitsPerDay(emails) - quietUnits))) / 1_440,
    busyInstances: (mailboxes * busySeconds) / DAY_SECONDS,
    peakInstances: mailboxes * peakBusy,
    connections: mailboxes * CONNECTIONS.deployment * CONNECTIONS.whileDeploying,
    // The email, and the begin, the end and the page of its run.
    peakCommitsPerSecond: (mailboxes * (POLLS_A_DAY * 4 + PEAK * emails * 5)) / DAY_SECONDS,
    walGbPerDay: (mailboxes * walBytes) / GB,
    gbPerYear: (mailboxes * emails * YEAR_DAYS * MEASURED.storedBytes) / GB,
  };
}

/** Emails that the quota of one mailbox lets through in a minute, live or of a backlog. */
export function emailsPerMinute(): number {
  return Math.floor((GMAIL.mailboxUnitsPerMinute - GMAIL.listUnits) / GMAIL.getUnits);
}

export interface Limit {
  readonly what: string;
  /** Of mailboxes at the assumed mail; below 1 it bites a single one. */
  readonly mailboxes: number;
  readonly turn: string;
}

/** In the order in which they bite as mailboxes are added. */
export function limits(): readonly Limit[] {
  const one = needOf(1);
  const allowed = Math.floor(CONNECTIONS.share * CONNECTIONS['db-g1-small']);
  const all: Limit[] = [
    {
      what: `connections of db-g1-small (${allowed} of ${CONNECTIONS['db-g1-small']})`,
      mailboxes: allowed / one.connections,
      turn: 'a database for each mailbox, or `database_tier`; its connections are in terraform/locals.tf',
    },
    {
      what: `disk of ${DEPLOYED.diskLimitGb} GB, filled within a year`,
      mailboxes: (DEPLOYED.diskLimitGb - ASSUMED.emptyDatabaseGb) / one.gbPerYear,
      turn: '`database_disk_limit_gb`; later the raw bytes of old mail to a bucket',
    },
    {
      what: 'units a minute of a project, every mailbox with a backlog at once',
      mailboxes: GMAIL.projectUnitsPerMinute / GMAIL.mailboxUnitsPerMinute,
      turn: '`GMAIL_QUOTA_UNITS_PER_MINUTE` down during backfills, or these one after another',
    },
    {
      what: 'units a day of a project: the threshold of billing',
      mailboxes: GMAIL.projectUnitsPerDay / one.unitsPerDay,
      turn: 'a second project, with its own OAuth client; or what Google will charge',
    },
    {
      what: 'units a minute of a project, in the busiest minute',
      mailboxes: GMAIL.projectUnitsPerMinute / one.peakUnitsPerMinute,
      turn: 'a second project, or a quota that Google raises when asked',
    },
  ];
  return all.toSorted((a, b) => a.mailboxes - b.mailboxes);
}
