/**
 * Calculates the monthly use of a deployment and its cost. Pure functions of their inputs.
 * Invariant: the list price covers the whole use. The free tier is subtracted separately, because other deployments in
 * the billing account may use it up.
 */
import { ASSUMED, DAYS, DEPLOYED, HOURS, MEASURED } from './cost-inputs.ts';
import { PRICES, type PriceName } from './cost-prices.ts';

const GB = 1e9;
const GIB = 2 ** 30;
const MIB = 2 ** 20;

export interface Case {
  readonly emailsPerDay: number;
  /** Months since the first email. Everything stored until then is charged. */
  readonly month: number;
}

export interface Item {
  readonly part: string;
  readonly what: string;
  readonly price: PriceName;
  readonly quantity: number;
}

export interface Charge {
  readonly list: number;
  readonly due: number;
}

export function itemsOf({ emailsPerDay, month }: Case): readonly Item[] {
  const polls = (HOURS * 3_600) / DEPLOYED.pollIntervalSeconds;
  const emails = emailsPerDay * DAYS;
  const seconds = (polls * MEASURED.poll.billedMs + emails * MEASURED.email.billedMs) / 1_000;
  // Only functions that are called read the secrets, at most once per interval.
  const readers = emails > 0 ? 2 : 1;
  const accesses = (readers * DEPLOYED.secrets * HOURS * 3_600) / ASSUMED.readsAgainSeconds;
  const calls = polls * ASSUMED.callsPerPoll + emails * ASSUMED.callsPerEmail;
  const stored = databaseGb(emailsPerDay, month);
  const day = (emailsPerDay * MEASURED.storedBytes) / GB;
  const { alertMetrics } = DEPLOYED;
  return [
    item('Cloud SQL', `${DEPLOYED.tier}, one zone`, 'sqlInstance', HOURS),
    item('Cloud SQL', 'SSD, GB', 'sqlStorage', diskGb(stored)),
    item('Cloud SQL', `${DEPLOYED.backups} backups, GB`, 'sqlBackup', stored + (DEPLOYED.backups - 1) * day),
    item('Cloud SQL', 'log for point-in-time recovery, GB', 'sqlLogs', walGb(polls, emails) * (7 / DAYS)),
    item('Cloud Run', 'requests', 'runRequests', polls + emails),
    item('Cloud Run', 'vCPU-seconds', 'runCpu', seconds),
    item('Cloud Run', 'GiB-seconds', 'runMemory', seconds * DEPLOYED.memoryGib),
    item('Cloud Scheduler', 'jobs', 'schedulerJob', DEPLOYED.schedulerJobs),
    item('Pub/Sub', 'published and pushed, GiB', 'pubsub', (emails * 2 * ASSUMED.messageBytes) / GIB),
    item('Secret Manager', 'active versions', 'secretVersion', DEPLOYED.secrets * ASSUMED.versionsPerSecret),
    item('Secret Manager', 'accesses', 'secretAccess', accesses),
    item('Cloud Storage', 'source, GB', 'bucket', MEASURED.sourceBytes / GB),
    item('Artifact Registry', 'images, GB', 'images', imagesGb()),
    item('Cloud Build', 'minutes', 'build', ASSUMED.deployments * ASSUMED.minutesPerBuild),
    item('Cloud Logging', 'GiB', 'logging', logBytes(polls, emails) / GIB),
    item('Cloud Monitoring', 'log-based metrics, MiB', 'metrics', metricBytes(polls, emails) / MIB),
    item(
      'Cloud Monitoring',
      'metrics in alert conditions (from September 2027)',
      'alertMetric',
      alertMetrics,
    ),
    item(
      'Cloud Monitoring',
      'points read by alert conditions (from September 2027)',
      'alertPoints',
      (alertMetrics * HOURS * 3_600) / ASSUMED.alertCheckSeconds,
    ),
    item('Network', 'Gmail calls, at most, GiB', 'egress', (calls * ASSUMED.callBytes) / GIB),
  ];
}

export function chargeOf({ price, quantity }: Item): Charge {
  const { free, usd } = PRICES[price];
  return { list: quantity * usd, due: Math.max(0, quantity - free) * usd };
}

/** Charges that Google has announced but does not apply yet. */
export function isFutureCharge({ price }: Item): boolean {
  return price === 'alertMetric' || price === 'alertPoints';
}

/** Database size at the end of the month, counted from the first email. */
export function databaseGb(emailsPerDay: number, month: number): number {
  return ASSUMED.emptyDatabaseGb + (emailsPerDay * DAYS * month * MEASURED.storedBytes) / GB;
}

/** Cloud SQL grows a disk by this size when less than it is free. From memory of Google's page on storage settings. */
function growthStepGb(disk: number): number {
  return Math.floor(5 + disk / 25);
}

/** Disk size for this much data. The disk grows automatically in steps, up to its limit, and never shrinks. */
export function diskGb(stored: number): number {
  let disk: number = DEPLOYED.diskBeginsGb;
  while (disk - stored < growthStepGb(disk) && disk < DEPLOYED.diskLimitGb) {
    disk = Math.min(DEPLOYED.diskLimitGb, disk + growthStepGb(disk));
  }
  return disk;
}

/** An upper bound: identical layers of the images are stored only once. */
export function imagesGb(): number {
  return (DEPLOYED.keptImages * MEASURED.imageBytes) / GB;
}

function walGb(polls: number, emails: number): number {
  return (polls * MEASURED.poll.walBytes + emails * MEASURED.email.walBytes) / GB;
}

function logBytes(polls: number, emails: number): number {
  const around = ASSUMED.entryBytes + ASSUMED.requestLogBytes;
  return (
    polls * (MEASURED.poll.logBytes + around + ASSUMED.tickLogBytes) +
    emails * (MEASURED.email.logBytes + around)
  );
}

/** Assumes that every run writes a point of each value metric and of one counter; the other counters have no points. */
function metricBytes(polls: number, emails: number): number {
  return (polls + emails) * (DEPLOYED.logValues * ASSUMED.distributionPointBytes + ASSUMED.counterPointBytes);
}

function item(part: string, what: string, price: PriceName, quantity: number): Item {
  return { part, what, price, quantity };
}
