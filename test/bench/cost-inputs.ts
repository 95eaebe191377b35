/**
 * Inputs of the monthly cost in addition to the prices: what Terraform deploys, what was measured, and what is assumed.
 * test/docs/cost.test.ts compares DEPLOYED with terraform/.
 */

/** Google's pricing assumes 730 hours per month. */
export const HOURS = 730;
export const DAYS = HOURS / 24;

/** The defaults of terraform/. */
export const DEPLOYED = {
  region: 'europe-west1',
  tier: 'db-g1-small',
  pollIntervalSeconds: 60,
  schedulerJobs: 1,
  secrets: 3,
  /** Metrics in the conditions of all alert policies. The conditions on the disk and on erasing refer to two, the others to one. */
  alertMetrics: 19,
  logCounters: 9,
  logValues: 7,
  diskBeginsGb: 10,
  diskLimitGb: 100,
  diskAlertPercent: 85,
  backups: 14,
  keptImages: 5,
  memoryGib: 1,
} as const;

/**
 * `npm run bench -- cost-inputs` on 27 November 2026: two shared cores of an AMD EPYC, Node 24.21, PostgreSQL 18, 50 ms
 * per Gmail call. `billedMs` is the mean after each time is rounded up to 100 ms.
 */
export const MEASURED = {
  poll: { medianMs: 60, billedMs: 100, cpuMs: 5.7, logBytes: 512, walBytes: 4_108 },
  /** One push with one email of 60,000 bytes, which has one incompressible attachment. */
  email: { medianMs: 131, billedMs: 200, cpuMs: 15.7, logBytes: 509, walBytes: 110_810 },
  startMs: 132,
  /** Per email, including indexes and the row of the run. */
  storedBytes: 96_748,
  attachmentBytes: 45_793,
  rawBytes: 47_814,
  /** Compressed size of dist/, and of dist/ with the installed framework. */
  sourceBytes: 2_609_800,
  imageBytes: 5_024_933,
} as const;

/** Not measured, because nothing was deployed for this. The values are rather too high than too low. */
export const ASSUMED = {
  emailsPerDay: 1_000,
  deployments: 4,
  minutesPerBuild: 2,
  /** PostgreSQL itself, the write-ahead log on the disk, and empty tables. */
  emptyDatabaseGb: 1,
  /** Cloud Logging's overhead per line, the request log, and Cloud Scheduler's two lines per run of the job. */
  entryBytes: 500,
  requestLogBytes: 1_200,
  tickLogBytes: 2_000,
  /** Sent to Gmail per call: a request with its token, and occasionally a TLS handshake. */
  callBytes: 1_500,
  callsPerPoll: 1,
  callsPerEmail: 3,
  counterPointBytes: 8,
  distributionPointBytes: 80,
  /** How often Cloud Monitoring evaluates each condition. Each metric in it returns at most one series. */
  alertCheckSeconds: 60,
  /** The first version with a line break, and the version that authorize wrote. */
  versionsPerSecret: 2,
  readsAgainSeconds: 300,
  /** The minimum that Pub/Sub charges per message, for publishing and for pushing. */
  messageBytes: 1_000,
} as const;
