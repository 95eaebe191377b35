/**
 * List prices in USD, each with its page and how old the copy is that it was read from. Nothing here was read from a
 * live price list. What is not `read` is to be checked before anybody relies on it.
 */

export interface Price {
  readonly usd: number;
  readonly per: string;
  /** A month, for the whole billing account or project; 0 where there is none. */
  readonly free: number;
  readonly page: string;
  readonly copy: string;
  readonly standing: 'read' | 'inferred' | 'other region' | 'region not known' | 'from memory';
}

const SQL = 'cloud.google.com/sql/pricing';
const RUN = 'cloud.google.com/run/pricing';
const OPERATIONS = 'cloud.google.com/stackdriver/pricing';
const UNDATED = 'date unknown';
const INFRACOST = 'through the test data of infracost (Iowa), date unknown';

export const PRICES = {
  sqlInstance: {
    usd: 0.035,
    per: 'hour of db-g1-small',
    free: 0,
    page: SQL,
    copy: 'through published infracost output ($25.55 for 730 h), region not said, date unknown',
    standing: 'region not known',
  },
  sqlStorage: { usd: 0.17, per: 'GB of SSD', free: 0, page: SQL, copy: INFRACOST, standing: 'other region' },
  sqlBackup: { usd: 0.08, per: 'GB', free: 0, page: SQL, copy: INFRACOST, standing: 'other region' },
  sqlAddress: {
    usd: 0.01,
    per: 'hour of an unused address',
    free: 0,
    page: SQL,
    copy: INFRACOST,
    standing: 'other region',
  },
  sqlLogs: {
    usd: 0,
    per: 'GB of log for point-in-time recovery, 7 days',
    free: 0,
    page: 'cloud.google.com/sql/docs/sqlserver/backup-recovery/pitr',
    copy: 'date unknown; says so of SQL Server, and the page of PostgreSQL that the logs lie in Cloud Storage as well',
    standing: 'inferred',
  },
  runCpu: { usd: 0.000024, per: 'vCPU-second', free: 180_000, page: RUN, copy: UNDATED, standing: 'read' },
  runMemory: {
    usd: 0.0000025,
    per: 'GiB-second',
    free: 360_000,
    page: RUN,
    copy: 'cloudchipr.com/blog/cloud-run-pricing, 2025; the free part: Google, date unknown',
    standing: 'read',
  },
  runRequests: {
    usd: 0.4 / 1e6,
    per: 'request',
    free: 2e6,
    page: RUN,
    copy: 'cloudchipr.com/blog/cloud-run-pricing, 2025; the free part: Google, date unknown',
    standing: 'read',
  },
  schedulerJob: {
    usd: 0.1,
    per: 'job',
    free: 3,
    page: 'cloud.google.com/scheduler/pricing',
    copy: UNDATED,
    standing: 'read',
  },
  pubsub: {
    usd: 40 / 1024,
    per: 'GiB',
    free: 10,
    page: 'cloud.google.com/pubsub/pricing',
    copy: UNDATED,
    standing: 'read',
  },
  secretVersion: {
    usd: 0.06,
    per: 'active version',
    free: 6,
    page: 'cloud.google.com/secret-manager/pricing',
    copy: UNDATED,
    standing: 'read',
  },
  secretAccess: {
    usd: 0.03 / 1e4,
    per: 'access',
    free: 1e4,
    page: 'cloud.google.com/secret-manager/pricing',
    copy: UNDATED,
    standing: 'read',
  },
  bucket: {
    usd: 0.02,
    per: 'GB',
    free: 0,
    page: 'cloud.google.com/storage/pricing',
    copy: 'not read',
    standing: 'from memory',
  },
  images: {
    usd: 0.1,
    per: 'GB',
    free: 0.5,
    page: 'cloud.google.com/artifact-registry/pricing',
    copy: UNDATED,
    standing: 'read',
  },
  build: {
    usd: 0.006,
    per: 'minute of e2-standard-2',
    free: 2_500,
    page: 'cloud.google.com/build/pricing',
    copy: '25 August 2025',
    standing: 'read',
  },
  logging: {
    usd: 0.5,
    per: 'GiB',
    free: 50,
    page: OPERATIONS,
    copy: '29 August 2026 for the free part (read by others); the price: a later copy than October 2024',
    standing: 'read',
  },
  metrics: {
    usd: 0.258,
    per: 'MiB',
    free: 150,
    page: OPERATIONS,
    copy: '29 August 2026, read by others',
    standing: 'read',
  },
  alertMetric: {
    usd: 0.35,
    per: 'metric that a condition names',
    free: 0,
    page: OPERATIONS,
    copy: '8 October 2026, read by others; charged from 1 September 2027 at the earliest',
    standing: 'read',
  },
  alertPoints: {
    usd: 0.5 / 1e6,
    per: 'point returned',
    free: 0,
    page: OPERATIONS,
    copy: '8 October 2026, read by others; charged from 1 September 2027 at the earliest',
    standing: 'read',
  },
  egress: {
    usd: 0.12,
    per: 'GiB to the internet',
    free: 0,
    page: 'cloud.google.com/vpc/network-pricing',
    copy: 'not read; a calculator of others names 0.12 from Europe, date unknown',
    standing: 'from memory',
  },
} as const satisfies Record<string, Price>;

export type PriceName = keyof typeof PRICES;
