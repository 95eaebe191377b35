/**
 * List prices in USD, each with its page and the source and age of the copy that it was read from. No price comes from a
 * live price list. Check every price whose basis is not `read` before you rely on it.
 */

export interface Price {
  readonly usd: number;
  readonly per: string;
  /** Free quantity per month for the whole billing account or project; 0 if there is none. */
  readonly free: number;
  readonly page: string;
  readonly copy: string;
  readonly basis: 'read' | 'inferred' | 'other region' | 'region unknown' | 'from memory';
}

const SQL = 'cloud.google.com/sql/pricing';
const RUN = 'cloud.google.com/run/pricing';
const OPERATIONS = 'cloud.google.com/stackdriver/pricing';
const UNDATED = 'date unknown';
const INFRACOST = 'test data of infracost (Iowa), date unknown';

export const PRICES = {
  sqlInstance: {
    usd: 0.035,
    per: 'hour of db-g1-small',
    free: 0,
    page: SQL,
    copy: 'published infracost output ($25.55 for 730 h), region not stated, date unknown',
    basis: 'region unknown',
  },
  sqlDedicatedInstance: {
    usd: 0.0676,
    per: 'hour of db-custom-1-3840',
    free: 0,
    page: SQL,
    copy: 'not read',
    basis: 'from memory',
  },
  sqlStorage: { usd: 0.17, per: 'GB of SSD', free: 0, page: SQL, copy: INFRACOST, basis: 'other region' },
  sqlBackup: { usd: 0.08, per: 'GB', free: 0, page: SQL, copy: INFRACOST, basis: 'other region' },
  sqlAddress: {
    usd: 0.01,
    per: 'hour of an unused address',
    free: 0,
    page: SQL,
    copy: INFRACOST,
    basis: 'other region',
  },
  sqlLogs: {
    usd: 0,
    per: 'GB of log for point-in-time recovery, 7 days',
    free: 0,
    page: 'cloud.google.com/sql/docs/sqlserver/backup-recovery/pitr',
    copy: 'date unknown; the page is about SQL Server, and the page for PostgreSQL says that its logs are in Cloud Storage too',
    basis: 'inferred',
  },
  runCpu: { usd: 0.000024, per: 'vCPU-second', free: 180_000, page: RUN, copy: UNDATED, basis: 'read' },
  runMemory: {
    usd: 0.0000025,
    per: 'GiB-second',
    free: 360_000,
    page: RUN,
    copy: 'cloudchipr.com/blog/cloud-run-pricing, 2025; the free tier: Google, date unknown',
    basis: 'read',
  },
  runRequests: {
    usd: 0.4 / 1e6,
    per: 'request',
    free: 2e6,
    page: RUN,
    copy: 'cloudchipr.com/blog/cloud-run-pricing, 2025; the free tier: Google, date unknown',
    basis: 'read',
  },
  schedulerJob: {
    usd: 0.1,
    per: 'job',
    free: 3,
    page: 'cloud.google.com/scheduler/pricing',
    copy: UNDATED,
    basis: 'read',
  },
  pubsub: {
    usd: 40 / 1024,
    per: 'GiB',
    free: 10,
    page: 'cloud.google.com/pubsub/pricing',
    copy: UNDATED,
    basis: 'read',
  },
  secretVersion: {
    usd: 0.06,
    per: 'active version',
    free: 6,
    page: 'cloud.google.com/secret-manager/pricing',
    copy: UNDATED,
    basis: 'read',
  },
  secretAccess: {
    usd: 0.03 / 1e4,
    per: 'access',
    free: 1e4,
    page: 'cloud.google.com/secret-manager/pricing',
    copy: UNDATED,
    basis: 'read',
  },
  bucket: {
    usd: 0.02,
    per: 'GB',
    free: 0,
    page: 'cloud.google.com/storage/pricing',
    copy: 'not read',
    basis: 'from memory',
  },
  images: {
    usd: 0.1,
    per: 'GB',
    free: 0.5,
    page: 'cloud.google.com/artifact-registry/pricing',
    copy: UNDATED,
    basis: 'read',
  },
  build: {
    usd: 0.006,
    per: 'minute of e2-standard-2',
    free: 2_500,
    page: 'cloud.google.com/build/pricing',
    copy: '25 August 2025',
    basis: 'read',
  },
  logging: {
    usd: 0.5,
    per: 'GiB',
    free: 50,
    page: OPERATIONS,
    copy: '29 August 2026 for the free tier (read by others); the price: a copy later than October 2024',
    basis: 'read',
  },
  metrics: {
    usd: 0.258,
    per: 'MiB',
    free: 150,
    page: OPERATIONS,
    copy: '29 August 2026, read by others',
    basis: 'read',
  },
  alertMetric: {
    usd: 0.35,
    per: 'metric in an alert condition',
    free: 0,
    page: OPERATIONS,
    copy: '8 October 2026, read by others; charged from 1 September 2027 at the earliest',
    basis: 'read',
  },
  alertPoints: {
    usd: 0.5 / 1e6,
    per: 'point returned',
    free: 0,
    page: OPERATIONS,
    copy: '8 October 2026, read by others; charged from 1 September 2027 at the earliest',
    basis: 'read',
  },
  egress: {
    usd: 0.12,
    per: 'GiB to the internet',
    free: 0,
    page: 'cloud.google.com/vpc/network-pricing',
    copy: 'not read; a third-party calculator shows 0.12 from Europe, date unknown',
    basis: 'from memory',
  },
} as const satisfies Record<string, Price>;

export type PriceName = keyof typeof PRICES;
