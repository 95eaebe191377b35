/**
 * What a month of a deployment uses, and what that costs. Pure: the same inputs give the same figures.
 * What must stay true: the price is taken of the whole use, and the free part is taken off beside it, because others in
 * the billing account may use it up.
 */
import { ASSUMED, DAYS, DEPLOYED, HOURS, MEASURED } from './cost-inputs.ts';
import { PRICES, type PriceName } from './cost-prices.ts';

const GB = 1e9;
const GIB = 2 ** 30;
const MIB = 2 ** 20;

export interface Case {
  readonly emailsPerDay: number;
  /** Since the first email; what is stored by then is paid for. */
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
  // Only functions that are called read, and each at most so often.
  const readers = emails > 0 ? 2 : 1;
  const accesses = (readers * DEPLOYED.secrets * HOURS * 3_600) / ASSUMED.readsAgainSeconds;
  const calls = polls * ASSUMED.callsPerPoll + emails * ASSUMED.callsPerEmail;
  const stored = databaseGb(emailsPerDay, month);
  const day = (emailsPerDay * MEASURED.storedBytes) / GB;
  const { alertConditions } = DEPLOYED;
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
    item(
      'Cloud Build',
      'minutes',
      'build',
      ASSUMED.deployments * DEPLOYED.functions * ASSUMED.minutesPerBuild,
    ),
    item('Cloud Logging', 'GiB', 'logging', logBytes(polls, emails) / GIB),
    item('Cloud Monitoring', 'metrics from the log, MiB', 'metrics', metricBytes(polls, emails) / MIB),
    item('Cloud Monitoring', 'metrics in alerts (from September 2027)', 'alertMetric', alertConditions),
    item(
      'Cloud Monitoring',
      'points of alerts (from September 2027)',
      'alertPoints',
      (alertConditions * HOURS * 3_600) / ASSUMED.alertCheckSeconds,
    ),
    item('Network', 'calls of Gmail, at most, GiB', 'egress', (calls * ASSUMED.callBytes) / GIB),
  ];
}

export function chargeOf({ price, quantity }: Item): Charge {
  const { free, usd } = PRICES[price];
  return { list: quantity * usd, due: Math.max(0, quantity - free) * usd };
}

/** What is announced and not charged yet. */
export function isToCome({ price }: Item): boolean {
  return price === 'alertMetric' || price === 'alertPoints';
}

/** At the end of the month, counted from the first email. */
export function databaseGb(emailsPerDay: number, month: number): number {
  return ASSUMED.emptyDatabaseGb + (emailsPerDay * DAYS * month * MEASURED.storedBytes) / GB;
}

/** Below so much free space Cloud SQL adds as much again. From memory of its page on storage settings. */
function growsBelowGb(disk: number): number {
  return Math.floor(5 + disk / 25);
}

/** The disk that holds so much: it grows in steps, by itself, up to its limit, and never shrinks. */
export function diskGb(stored: number): number {
  let disk: number = DEPLOYED.diskBeginsGb;
  while (disk - stored < growsBelowGb(disk) && disk < DEPLOYED.diskLimitGb) {
    disk = Math.min(DEPLOYED.diskLimitGb, disk + growsBelowGb(disk));
  }
  return disk;
}

/** Nothing shared between the eight: identical layers are kept once, so it is less. */
export function imagesGb(): number {
  return (DEPLOYED.keptImages * DEPLOYED.functions * MEASURED.imageBytes) / GB;
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

/** As though every run made a point of each value and of one counter; the other counters stay silent. */
function metricBytes(polls: number, emails: number): number {
  return (polls + emails) * (DEPLOYED.logValues * ASSUMED.distributionPointBytes + ASSUMED.counterPointBytes);
}

function item(part: string, what: string, price: PriceName, quantity: number): Item {
  return { part, what, price, quantity };
}
