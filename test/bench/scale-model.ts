/**
 * Estimates what many mailboxes need from the measurements of one. Pure functions of their inputs.
 * `needOf` has the measurements of a deployment with one mailbox; `fleetOf` those of idle mailboxes in one deployment.
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
  /** Google will charge for use above this. */
  projectUnitsPerDay: 80_000_000,
} as const;

/** The intervals in shared/: a reconciliation every 15 minutes, a watch renewal every day. */
export const INTERVALS = { reconcileSeconds: 900, watchDays: 1 } as const;

/** From terraform/locals.tf: the connections of all functions, and the maximum per tier of the database. */
export const CONNECTIONS = {
  deployment: 17,
  whileDeploying: 2,
  share: 0.7,
  'db-f1-micro': 25,
  'db-g1-small': 50,
  'db-custom-1-3840': 100,
} as const;

/** From `npm run bench` on 28 November 2026, rounded up. */
export const BENCH = {
  emailCpuMs: 3.2,
  emailTrips: 1.6,
  idlePollStatements: 7,
  idlePollCpuMs: 5.5,
} as const;

interface RunCost {
  readonly statements: number;
  readonly cpuMs: number;
  readonly postgresMs: number;
}

/**
 * From `npm run bench -- mailboxes` on 28 November 2026, rounded up: an idle run of an added mailbox, and what a reconciliation adds
 * to it. The two follow from the runs at two intervals, of which different shares reconcile. Nearly every run has to get an
 * access token, because an instance keeps those of 500 mailboxes.
 */
export const FLEET = {
  run: { statements: 8, cpuMs: 12, postgresMs: 4.1 } as RunCost,
  reconciliation: { statements: 21, cpuMs: 8, postgresMs: 4.5 } as RunCost,
  /** `poll`: the search per mailbox, and the publishing per dispatched mailbox. */
  searchMs: 0.01,
  publishMs: 0.04,
} as const;

/** Assumed ratio of the busiest minute to the mean, because orders arrive in working hours. */
export const PEAK = 10;

export interface Need {
  readonly mailboxes: number;
  readonly unitsPerDay: number;
  readonly peakUnitsPerMinute: number;
  /** Concurrently busy instances with one run each, on average and in the busiest minute. */
  readonly busyInstances: number;
  readonly peakInstances: number;
  /** With one deployment per mailbox, during a rollout. */
  readonly connections: number;
  readonly peakCommitsPerSecond: number;
  readonly walGbPerDay: number;
  readonly gbPerYear: number;
}

const POLLS_PER_DAY = DAY_SECONDS / DEPLOYED.pollIntervalSeconds;

/** Units that a mailbox uses per day for this number of emails, each with its own push. */
export function unitsPerDay(emails: number): number {
  return (
    POLLS_PER_DAY * GMAIL.listUnits +
    (DAY_SECONDS / INTERVALS.reconcileSeconds) * GMAIL.messageListUnits +
    GMAIL.watchUnits / INTERVALS.watchDays +
    emails * (GMAIL.listUnits + GMAIL.getUnits)
  );
}

export function needOf(mailboxes: number, emails: number = ASSUMED.emailsPerDay): Need {
  const busySeconds = (POLLS_PER_DAY * MEASURED.poll.medianMs + emails * MEASURED.email.medianMs) / 1_000;
  const peakBusy =
    (POLLS_PER_DAY * MEASURED.poll.medianMs + PEAK * emails * MEASURED.email.medianMs) / 1_000 / DAY_SECONDS;
  const walBytes = POLLS_PER_DAY * MEASURED.poll.walBytes + emails * MEASURED.email.walBytes;
  const idleUnits = unitsPerDay(0);
  return {
    mailboxes,
    unitsPerDay: mailboxes * unitsPerDay(emails),
    peakUnitsPerMinute: (mailboxes * (idleUnits + PEAK * (unitsPerDay(emails) - idleUnits))) / 1_440,
    busyInstances: (mailboxes * busySeconds) / DAY_SECONDS,
    peakInstances: mailboxes * peakBusy,
    connections: mailboxes * CONNECTIONS.deployment * CONNECTIONS.whileDeploying,
    // An idle poll has four commits; an email with its own run has five.
    peakCommitsPerSecond: (mailboxes * (POLLS_PER_DAY * 4 + PEAK * emails * 5)) / DAY_SECONDS,
    walGbPerDay: (mailboxes * walBytes) / GB,
    gbPerYear: (mailboxes * emails * YEAR_DAYS * MEASURED.storedBytes) / GB,
  };
}

export interface FleetNeed {
  readonly runsPerMinute: number;
  readonly statementsPerSecond: number;
  readonly unitsPerMinute: number;
  readonly unitsPerDay: number;
  /** Busy cores of the functions and of PostgreSQL. */
  readonly cores: number;
  readonly postgresCores: number;
  /** Duration of one call of `poll`. */
  readonly pollSeconds: number;
}

/** Needs of one deployment with mailboxes in which nothing happens. A poll each minute dispatches those that are due. */
export function fleetOf(mailboxes: number, intervalSeconds: number): FleetNeed {
  const { publishMs, reconciliation, run, searchMs } = FLEET;
  const runsPerSecond = mailboxes / intervalSeconds;
  // A reconciliation is part of a run, so there are not more of them.
  const reconciliationsPerSecond = mailboxes / Math.max(intervalSeconds, INTERVALS.reconcileSeconds);
  const perSecond = (of: (one: RunCost) => number): number =>
    runsPerSecond * of(run) + reconciliationsPerSecond * of(reconciliation);
  const unitsPerSecond =
    runsPerSecond * GMAIL.listUnits +
    reconciliationsPerSecond * GMAIL.messageListUnits +
    (mailboxes * GMAIL.watchUnits) / INTERVALS.watchDays / DAY_SECONDS;
  return {
    runsPerMinute: runsPerSecond * 60,
    statementsPerSecond: perSecond(({ statements }) => statements),
    unitsPerMinute: unitsPerSecond * 60,
    unitsPerDay: unitsPerSecond * DAY_SECONDS,
    cores: perSecond(({ cpuMs }) => cpuMs) / 1_000,
    postgresCores: perSecond(({ postgresMs }) => postgresMs) / 1_000,
    pollSeconds: (mailboxes * searchMs + runsPerSecond * 60 * publishMs) / 1_000,
  };
}

/** Emails per minute that the quota of one mailbox allows, live or in a backlog. */
export function emailsPerMinute(): number {
  return Math.floor((GMAIL.mailboxUnitsPerMinute - GMAIL.listUnits) / GMAIL.getUnits);
}

export interface Limit {
  readonly what: string;
  /** The number of mailboxes, with the assumed emails each, at which the limit is reached. */
  readonly mailboxes: number;
  readonly change: string;
}

/** In the order in which they are reached as mailboxes are added. */
export function limits(): readonly Limit[] {
  const one = needOf(1);
  const allowed = Math.floor(CONNECTIONS.share * CONNECTIONS['db-g1-small']);
  const all: Limit[] = [
    {
      what: `connections of db-g1-small (${allowed} of ${CONNECTIONS['db-g1-small']})`,
      mailboxes: allowed / one.connections,
      change: 'one database per mailbox, or a larger `database_tier` (connections: terraform/locals.tf)',
    },
    {
      what: `disk of ${DEPLOYED.diskLimitGb} GB, full within a year`,
      mailboxes: (DEPLOYED.diskLimitGb - ASSUMED.emptyDatabaseGb) / one.gbPerYear,
      change:
        'raise `database_disk_limit_gb`, or move large files [to a bucket](operations.md#large-attachments-in-a-bucket)',
    },
    {
      what: 'units per minute per project, all mailboxes with a backlog at once',
      mailboxes: GMAIL.projectUnitsPerMinute / GMAIL.mailboxUnitsPerMinute,
      change: 'lower `GMAIL_QUOTA_UNITS_PER_MINUTE` during backfills, or run them one after another',
    },
    {
      what: 'units per day per project, the billing threshold',
      mailboxes: GMAIL.projectUnitsPerDay / one.unitsPerDay,
      change: 'a second project with its own OAuth client, or pay for the excess',
    },
    {
      what: 'units per minute per project, in the busiest minute',
      mailboxes: GMAIL.projectUnitsPerMinute / one.peakUnitsPerMinute,
      change: 'a second project, or request a higher quota from Google',
    },
  ];
  return all.toSorted((a, b) => a.mailboxes - b.mailboxes);
}
