/**
 * The environment, checked once at the border. All faults are reported together, by name, without values
 * (they may be secrets). `.env.example` lists the same names for the operator.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { LOG_LEVELS, type LogLevel } from './log.ts';

export interface GmailCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly refreshToken: string;
}

export type DatabaseTarget =
  | { readonly kind: 'url'; readonly url: string }
  | {
      readonly kind: 'cloud_sql';
      readonly instance: string;
      readonly database: string;
      readonly user: string;
    };

export interface Config {
  /** Null: nothing is configured, everything answers, nothing is fetched. */
  readonly gmail: GmailCredentials | null;
  /** The credential variables that are not set; with `gmail` null, what the operator is told to set. */
  readonly missingCredentials: readonly string[];
  readonly pollIntervalSeconds: number;
  readonly initialQuery: string;
  readonly labelId: string | null;
  readonly quotaUnitsPerMinute: number;
  readonly settleSeconds: number;
  readonly pubsubTopic: string | null;
  /** Ends in a slash; null means Google's. */
  readonly gmailApiRootUrl: string | null;
  readonly oauthTokenUrl: string | null;
  readonly schedulerJob: string | null;
  readonly schedulerEmulatorHost: string | null;
  readonly database: DatabaseTarget;
  /** Connections that one instance may hold. */
  readonly databasePoolSize: number;
  /** Time that one invocation works before it hands over to the next. */
  readonly runBudgetSeconds: number;
  readonly logLevel: LogLevel;
  readonly projectId: string | null;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** What is wrong with the environment, one line a fault. Thrown at start only. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(
      `The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n  - ${faults.join('\n  - ')}`,
    );
    this.faults = faults;
  }
}

const optional = z
  .string()
  .trim()
  .transform((value) => (value === '' ? null : value))
  .default(null);

function matching(pattern: RegExp, form: string) {
  return optional.refine((value) => value === null || pattern.test(value), `must have the form ${form}`);
}

function whole(fallback: number, min: number, max: number) {
  const rule = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .trim()
    .transform((value) => (value === '' ? fallback : Number(value)))
    .pipe(z.number(rule).int(rule).min(min, rule).max(max, rule))
    .default(fallback);
}

const httpUrl = optional.refine(
  (value) => value === null || (/^https?:\/\//.test(value) && URL.canParse(value)),
  'must be an http:// or https:// URL',
);

const schema = z.object({
  GMAIL_CLIENT_ID: optional,
  GMAIL_CLIENT_SECRET: optional,
  GMAIL_REFRESH_TOKEN: optional,
  GMAIL_POLL_INTERVAL_SECONDS: whole(60, 1, 86_400),
  GMAIL_INITIAL_QUERY: z
    .string()
    .trim()
    .transform((value) => value || 'in:inbox is:unread')
    .default('in:inbox is:unread'),
  GMAIL_LABEL_ID: optional,
  GMAIL_QUOTA_UNITS_PER_MINUTE: whole(6000, 40, 1_200_000),
  GMAIL_SETTLE_SECONDS: whole(90, 0, 3600),
  GMAIL_PUBSUB_TOPIC: matching(/^projects\/[^/]+\/topics\/[^/]+$/, 'projects/P/topics/T'),
  GMAIL_API_ROOT_URL: httpUrl,
  GOOGLE_OAUTH_TOKEN_URL: httpUrl,
  SCHEDULER_JOB: matching(
    /^projects\/[^/]+\/locations\/[^/]+\/jobs\/[^/]+$/,
    'projects/P/locations/L/jobs/J',
  ),
  CLOUD_SCHEDULER_EMULATOR_HOST: matching(/^[^/:\s]+:\d+$/, 'host:port'),
  DATABASE_URL: optional.refine(
    (value) => value === null || (/^postgres(ql)?:\/\//.test(value) && URL.canParse(value)),
    'must have the form postgres://user@host:port/database',
  ),
  CLOUD_SQL_INSTANCE: matching(/^[^:\s]+(:[^:\s]+)?:[^:\s]+:[^:\s]+$/, 'project:region:instance'),
  DB_NAME: optional,
  DB_USER: optional,
  DB_POOL_SIZE: whole(4, 1, 100),
  RUN_BUDGET_SECONDS: whole(50, 5, 1700),
  LOG_LEVEL: z
    .string()
    .trim()
    .toLowerCase()
    .transform((value) => value || 'info')
    .pipe(z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`))
    .default('info'),
  GOOGLE_CLOUD_PROJECT: optional,
});

/**
 * @param env usually `process.env`
 * @throws {ConfigError} with every fault
 */
export function readConfig(env: Environment): Config {
  const parsed = schema.safeParse(env);
  const faults = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${String(issue.path[0])} ${issue.message}`);
  if (!env['DATABASE_URL']?.trim()) {
    const group = ['CLOUD_SQL_INSTANCE', 'DB_NAME', 'DB_USER'];
    const missing = unset(env, group);
    if (missing.length === group.length) {
      faults.push(`DATABASE_URL is missing; set it, or all of ${group.join(', ')}`);
    } else {
      faults.push(
        ...missing.map((name) => `${name} is missing; set all three of its group, or DATABASE_URL`),
      );
    }
  }
  if (!parsed.success || faults.length > 0) throw new ConfigError(faults);
  const e = parsed.data;
  return {
    gmail: credentials(e),
    missingCredentials: unset(env, ['GMAIL_CLIENT_ID', 'GMAIL_CLIENT_SECRET', 'GMAIL_REFRESH_TOKEN']),
    pollIntervalSeconds: e.GMAIL_POLL_INTERVAL_SECONDS,
    initialQuery: e.GMAIL_INITIAL_QUERY,
    labelId: e.GMAIL_LABEL_ID,
    quotaUnitsPerMinute: e.GMAIL_QUOTA_UNITS_PER_MINUTE,
    settleSeconds: e.GMAIL_SETTLE_SECONDS,
    pubsubTopic: e.GMAIL_PUBSUB_TOPIC,
    gmailApiRootUrl: e.GMAIL_API_ROOT_URL === null ? null : `${e.GMAIL_API_ROOT_URL.replace(/\/+$/, '')}/`,
    oauthTokenUrl: e.GOOGLE_OAUTH_TOKEN_URL,
    schedulerJob: e.SCHEDULER_JOB,
    schedulerEmulatorHost: e.CLOUD_SCHEDULER_EMULATOR_HOST,
    database: databaseTarget(e),
    databasePoolSize: e.DB_POOL_SIZE,
    runBudgetSeconds: e.RUN_BUDGET_SECONDS,
    logLevel: e.LOG_LEVEL,
    projectId: e.GOOGLE_CLOUD_PROJECT,
  };
}

/** Partial credentials are none: the system starts and says what is missing, it does not stay down. */
function credentials(e: z.output<typeof schema>): GmailCredentials | null {
  if (e.GMAIL_CLIENT_ID === null || e.GMAIL_CLIENT_SECRET === null || e.GMAIL_REFRESH_TOKEN === null)
    return null;
  return {
    clientId: e.GMAIL_CLIENT_ID,
    clientSecret: e.GMAIL_CLIENT_SECRET,
    refreshToken: e.GMAIL_REFRESH_TOKEN,
  };
}

/** Which credentials these are, without giving them away: SHA-256, hex. Binds a mailbox row to them. */
export function credentialFingerprint(of: GmailCredentials): string {
  return createHash('sha256').update(`${of.clientId}\n${of.refreshToken}`).digest('hex');
}

function databaseTarget(e: z.output<typeof schema>): DatabaseTarget {
  if (e.DATABASE_URL !== null) return { kind: 'url', url: e.DATABASE_URL };
  return {
    kind: 'cloud_sql',
    instance: e.CLOUD_SQL_INSTANCE ?? '',
    database: e.DB_NAME ?? '',
    user: e.DB_USER ?? '',
  };
}

function unset(env: Environment, names: readonly string[]): string[] {
  return names.filter((name) => !env[name]?.trim());
}
