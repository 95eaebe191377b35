/**
 * What the monthly cost is reckoned from, beside the prices: what Terraform deploys, what was measured, and what is
 * assumed. test/docs/cost.test.ts holds the first against terraform/.
 */

/** Google reckons a month as 730 hours. */
export const HOURS = 730;
export const DAYS = HOURS / 24;

/** As terraform/ deploys it by default. */
export const DEPLOYED = {
  region: 'europe-west1',
  tier: 'db-g1-small',
  pollIntervalSeconds: 60,
  functions: 8,
  schedulerJobs: 1,
  secrets: 3,
  /** Of all alert policies together; each refers to one metric. */
  alertConditions: 15,
  logCounters: 7,
  logValues: 11,
  diskBeginsGb: 10,
  diskLimitGb: 100,
  diskAlertPercent: 85,
  backups: 14,
  keptImages: 5,
  memoryGib: 1,
} as const;

/**
 * `npm run bench -- cost-inputs` on 27 November 2026: two shared cores of an AMD EPYC, Node 24.21, PostgreSQL 18, 50 ms a
 * Gmail call. `billedMs` is the mean of times that are each rounded up to 100 ms.
 */
export const MEASURED = {
  poll: { medianMs: 60, billedMs: 100, cpuMs: 5.7, logBytes: 512, walBytes: 4_108 },
  /** One push with one email of 60,000 bytes, one attachment of random bytes in it. */
  email: { medianMs: 131, billedMs: 200, cpuMs: 15.7, logBytes: 509, walBytes: 110_810 },
  startMs: 132,
  /** With indexes, and with the row of the run. */
  storedBytes: 96_748,
  attachmentBytes: 45_793,
  rawBytes: 47_814,
  /** dist/ as a zip or tar.gz, and the same with the framework installed beside it. */
  sourceBytes: 2_609_800,
  imageBytes: 5_024_933,
} as const;

/** Not measured: nobody has deployed it for this. Chosen rather too high. */
export const ASSUMED = {
  emailsPerDay: 1_000,
  deployments: 4,
  minutesPerBuild: 2,
  /** PostgreSQL's own, the write-ahead log on the disk, and the tables while they are empty. */
  emptyDatabaseGb: 1,
  /** What Cloud Logging keeps around a line, the log of each request, and Scheduler's two lines a tick. */
  entryBytes: 500,
  requestLogBytes: 1_200,
  tickLogBytes: 2_000,
  /** Sent to Gmail for a call: a request with its token, and the handshake now and then. */
  callBytes: 1_500,
  callsPerPoll: 1,
  callsPerEmail: 3,
  counterPointBytes: 8,
  distributionPointBytes: 80,
  /** Monitoring looks at each condition every 30 s, and each returns one series. */
  alertCheckSeconds: 30,
  /** First a line break, then what authorize wrote. */
  versionsPerSecret: 2,
  readsAgainSeconds: 300,
  /** Pub/Sub charges for no less, publishing and pushing each. */
  messageBytes: 1_000,
} as const;
