/**
 * Reads and validates the environment once, at start. All errors are reported together, by variable name and without
 * values, which may be secrets. `.env.example` lists the same names for the operator.
 */
// zod/mini loads faster than zod, which shortens a cold start.
import * as z from 'zod/mini';
import {
  bucketName,
  databaseUrl,
  httpUrl,
  integer,
  matching,
  optional,
  privateUrl,
  withDefault,
} from './config-fields.ts';
import { type GmailCredentials, type ReadFile, readCredentials } from './credentials.ts';
import { type DatabaseAccount, parseDatabaseAccounts } from './db-accounts.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from './log.ts';

export type DatabaseTarget =
  | { readonly kind: 'url'; readonly url: string }
  | {
      readonly kind: 'cloud_sql';
      readonly instance: string;
      readonly database: string;
      readonly user: string;
      /** CLOUD_SQL_IP_TYPE=PRIVATE: connect to the private address instead of the socket. */
      readonly isPrivate: boolean;
      /** Null means the Cloud SQL Admin API of Google. */
      readonly apiRootUrl: string | null;
    };

export interface Config {
  /** Null: no credentials are configured. The functions answer, but nothing is fetched. */
  readonly gmail: GmailCredentials | null;
  /** The credential variables without a value: what the operator has to set while `gmail` is null. */
  readonly missingCredentials: readonly string[];
  /** Credential files that cannot be read, each with path and reason. Not an error at start: they may be readable later. */
  readonly credentialProblems: readonly string[];
  /** True: `gmail` is null by intent, and the database knows which credentials the other functions hold. */
  readonly areCredentialsHeldElsewhere: boolean;
  readonly pollIntervalSeconds: number;
  readonly initialQuery: string;
  readonly labelId: string | null;
  readonly quotaUnitsPerMinute: number;
  readonly settleSeconds: number;
  readonly pubsubTopic: string | null;
  /** The topic on which stored emails are announced; null: none. */
  readonly emailsTopic: string | null;
  readonly pubsubEmulatorHost: string | null;
  /** Ends in a slash; null means the Gmail API of Google. */
  readonly gmailApiRootUrl: string | null;
  readonly oauthTokenUrl: string | null;
  /** Where `poll` publishes one message per due mailbox, for `ingestMailbox`; null: it works on all of them itself. */
  readonly workTopic: string | null;
  /** Where the credentials of added mailboxes are: `projects/P/secrets/PREFIX`, or an absolute folder; null: nowhere. */
  readonly mailboxSecrets: string | null;
  /** Ends in a slash; null means the Secret Manager of Google. */
  readonly secretManagerApiRootUrl: string | null;
  /** The service account with domain-wide delegation, which reads the mailboxes of a Workspace domain; null: none. */
  readonly delegationServiceAccount: string | null;
  /** Ends in a slash; null means the IAM Credentials API of Google. */
  readonly iamCredentialsApiRootUrl: string | null;
  /** The bucket of large attachments and raw emails; null: all bytes are in the database. */
  readonly attachmentsBucket: string | null;
  /** Bytes from this size on go to the bucket. */
  readonly attachmentsMinBytes: number;
  /** Ends in a slash; null means the Cloud Storage of Google. */
  readonly storageEmulatorUrl: string | null;
  /** After how many days the content of completed emails is erased; null: never. */
  readonly retentionDays: number | null;
  readonly schedulerJob: string | null;
  readonly schedulerEmulatorHost: string | null;
  readonly database: DatabaseTarget;
  /** Maximum number of connections per instance. */
  readonly databasePoolSize: number;
  /** The deployed `migrate`, which the other functions call when the schema is older than their code; null: none. */
  readonly migrateUrl: string | null;
  /** The accounts that `migrate` grants their tables. The other functions only compare them; empty: they do not. */
  readonly databaseAccounts: readonly DatabaseAccount[];
  /** Time that an email may wait for a consumer before `status` gives advice. */
  readonly consumerMaxWaitSeconds: number;
  /** Time after which one invocation stops and leaves the rest to the next one. */
  readonly runBudgetSeconds: number;
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
  readonly projectId: string | null;
  /** Set by Cloud Run, which authenticates every caller; null elsewhere. */
  readonly cloudRunService: string | null;
  /** The audience of Identity-Aware Proxy's assertions; null: the service is not behind it. */
  readonly iapAudience: string | null;
  /** Where the keys of Identity-Aware Proxy are published; null: Google's own address. */
  readonly iapKeysUrl: string | null;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Every error of the environment, one line each. Thrown at start only. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly errors: readonly string[];

  constructor(errors: readonly string[]) {
    super(
      `The configuration has ${errors.length === 1 ? 'an error' : `${errors.length} errors`}:\n  - ${errors.join('\n  - ')}`,
    );
    this.errors = errors;
  }
}

const schema = z.object({
  GMAIL_POLL_INTERVAL_SECONDS: integer(60, 1, 86_400),
  GMAIL_INITIAL_QUERY: withDefault('in:inbox is:unread'),
  GMAIL_LABEL_ID: optional,
  GMAIL_QUOTA_UNITS_PER_MINUTE: integer(6000, 40, 1_200_000),
  GMAIL_SETTLE_SECONDS: integer(90, 0, 3600),
  GMAIL_PUBSUB_TOPIC: matching(/^projects\/[^/]+\/topics\/[^/]+$/, 'projects/P/topics/T'),
  EMAILS_PUBSUB_TOPIC: matching(/^projects\/[^/]+\/topics\/[^/]+$/, 'projects/P/topics/T'),
  WORK_PUBSUB_TOPIC: matching(/^projects\/[^/]+\/topics\/[^/]+$/, 'projects/P/topics/T'),
  GMAIL_MAILBOX_SECRETS: matching(
    /^(projects\/[^/]+\/secrets\/[A-Za-z0-9_-]{1,200}|\/.*)$/,
    'projects/P/secrets/PREFIX, or an absolute folder',
  ),
  SECRET_MANAGER_API_ROOT_URL: httpUrl,
  GMAIL_DELEGATION_SERVICE_ACCOUNT: matching(/^[^@\s]+@[^@\s]+$/, 'NAME@PROJECT.iam.gserviceaccount.com'),
  IAM_CREDENTIALS_API_ROOT_URL: httpUrl,
  ATTACHMENTS_BUCKET: bucketName,
  ATTACHMENTS_MIN_BYTES: integer(262_144, 1_024, 52_428_800),
  STORAGE_EMULATOR_HOST: matching(/^(https?:\/\/)?[^/:\s]+:\d+\/?$/, 'host:port, or http://host:port'),
  RETENTION_DAYS: z
    .pipe(
      optional,
      z.transform((value) => (value === null ? null : Number(value))),
    )
    .check(
      z.refine(
        (value) => value === null || (Number.isInteger(value) && value >= 1 && value <= 36_500),
        'must be empty or a whole number from 1 to 36500',
      ),
    ),
  PUBSUB_EMULATOR_HOST: matching(/^[^/:\s]+:\d+$/, 'host:port'),
  GMAIL_API_ROOT_URL: httpUrl,
  GOOGLE_OAUTH_TOKEN_URL: httpUrl,
  SCHEDULER_JOB: matching(
    /^projects\/[^/]+\/locations\/[^/]+\/jobs\/[^/]+$/,
    'projects/P/locations/L/jobs/J',
  ),
  CLOUD_SCHEDULER_EMULATOR_HOST: matching(/^[^/:\s]+:\d+$/, 'host:port'),
  DATABASE_URL: databaseUrl,
  CLOUD_SQL_INSTANCE: matching(/^[^:\s]+(:[^:\s]+)?:[^:\s]+:[^:\s]+$/, 'project:region:instance'),
  CLOUD_SQL_IP_TYPE: optional.check(
    z.refine((value) => value === null || value === 'PRIVATE', 'must be empty or PRIVATE'),
  ),
  CLOUD_SQL_API_ROOT_URL: httpUrl,
  DB_NAME: optional,
  DB_USER: optional,
  DB_POOL_SIZE: integer(4, 1, 100),
  MIGRATE_URL: privateUrl,
  DB_ACCOUNTS: z.pipe(
    optional,
    z.transform((value, context) => {
      const accounts = parseDatabaseAccounts(value);
      if (Array.isArray(accounts)) return accounts;
      context.issues.push({ code: 'custom', message: accounts.error, input: value });
      return z.NEVER;
    }),
  ),
  CONSUMER_MAX_WAIT_SECONDS: integer(3600, 60, 2_592_000),
  RUN_BUDGET_SECONDS: integer(50, 5, 1700),
  LOG_FORMAT: z.pipe(withDefault('json'), z.enum(LOG_FORMATS, `must be ${LOG_FORMATS.join(' or ')}`)),
  LOG_LEVEL: z.pipe(
    z.pipe(
      withDefault('info'),
      z.transform((value) => value.toLowerCase()),
    ),
    z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`),
  ),
  GOOGLE_CLOUD_PROJECT: optional,
  K_SERVICE: optional,
  IAP_AUDIENCE: matching(
    /^\/projects\/\d+\/locations\/[^/]+\/services\/[^/]+$/,
    '/projects/NUMBER/locations/REGION/services/NAME',
  ),
  IAP_KEYS_URL: httpUrl,
});

/**
 * @param env usually `process.env`
 * @param readFile reads the credential files; from the file system unless given
 * @throws {ConfigError} with every error
 */
export function readConfig(env: Environment, readFile?: ReadFile): Config {
  // Parsed once per process: compiling the schema would cost more than it saves.
  const parsed = schema.safeParse(env, { jitless: true });
  const errors = parsed.success
    ? []
    : parsed.error.issues.map((issue) => `${String(issue.path[0])} ${issue.message}`);
  const credentials = readCredentials(env, readFile);
  errors.push(...credentials.errors);
  if (!env['DATABASE_URL']?.trim()) {
    const group = ['CLOUD_SQL_INSTANCE', 'DB_NAME', 'DB_USER'];
    const missing = unset(env, group);
    if (missing.length === group.length) {
      errors.push(`DATABASE_URL is missing; set it, or all of ${group.join(', ')}`);
    } else {
      errors.push(
        ...missing.map((name) => `${name} is missing; set all of ${group.join(', ')}, or set DATABASE_URL`),
      );
    }
  }
  if (!parsed.success || errors.length > 0) throw new ConfigError(errors);
  const e = parsed.data;
  return {
    gmail: credentials.gmail,
    missingCredentials: credentials.missing,
    credentialProblems: credentials.problems,
    areCredentialsHeldElsewhere: credentials.areHeldElsewhere,
    pollIntervalSeconds: e.GMAIL_POLL_INTERVAL_SECONDS,
    initialQuery: e.GMAIL_INITIAL_QUERY,
    labelId: e.GMAIL_LABEL_ID,
    quotaUnitsPerMinute: e.GMAIL_QUOTA_UNITS_PER_MINUTE,
    settleSeconds: e.GMAIL_SETTLE_SECONDS,
    pubsubTopic: e.GMAIL_PUBSUB_TOPIC,
    emailsTopic: e.EMAILS_PUBSUB_TOPIC,
    pubsubEmulatorHost: e.PUBSUB_EMULATOR_HOST,
    gmailApiRootUrl: rootUrl(e.GMAIL_API_ROOT_URL),
    oauthTokenUrl: e.GOOGLE_OAUTH_TOKEN_URL,
    workTopic: e.WORK_PUBSUB_TOPIC,
    mailboxSecrets: e.GMAIL_MAILBOX_SECRETS,
    secretManagerApiRootUrl: rootUrl(e.SECRET_MANAGER_API_ROOT_URL),
    delegationServiceAccount: e.GMAIL_DELEGATION_SERVICE_ACCOUNT,
    iamCredentialsApiRootUrl: rootUrl(e.IAM_CREDENTIALS_API_ROOT_URL),
    attachmentsBucket: e.ATTACHMENTS_BUCKET,
    attachmentsMinBytes: e.ATTACHMENTS_MIN_BYTES,
    storageEmulatorUrl: emulatorUrl(e.STORAGE_EMULATOR_HOST),
    retentionDays: e.RETENTION_DAYS,
    schedulerJob: e.SCHEDULER_JOB,
    schedulerEmulatorHost: e.CLOUD_SCHEDULER_EMULATOR_HOST,
    database: databaseTarget(e),
    databasePoolSize: e.DB_POOL_SIZE,
    migrateUrl: e.MIGRATE_URL,
    databaseAccounts: e.DB_ACCOUNTS,
    consumerMaxWaitSeconds: e.CONSUMER_MAX_WAIT_SECONDS,
    runBudgetSeconds: e.RUN_BUDGET_SECONDS,
    logFormat: e.LOG_FORMAT,
    logLevel: e.LOG_LEVEL,
    projectId: e.GOOGLE_CLOUD_PROJECT,
    cloudRunService: e.K_SERVICE,
    iapAudience: e.IAP_AUDIENCE,
    iapKeysUrl: e.IAP_KEYS_URL,
  };
}

/**
 * For a command that needs DATABASE_URL before the rest of the configuration is known.
 *
 * @returns null when it is not set
 * @throws {ConfigError}
 */
export function readDatabaseUrl(env: Environment): string | null {
  const parsed = databaseUrl.safeParse(env['DATABASE_URL'], { jitless: true });
  if (parsed.success) return parsed.data;
  throw new ConfigError(parsed.error.issues.map((issue) => `DATABASE_URL ${issue.message}`));
}

/** With exactly one slash at its end. */
function rootUrl(url: string | null): string | null {
  return url === null ? null : `${url.replace(/\/+$/, '')}/`;
}

/** Google's libraries accept the variable with and without a scheme. */
function emulatorUrl(host: string | null): string | null {
  return host === null ? null : rootUrl(/^https?:/.test(host) ? host : `http://${host}`);
}

function databaseTarget(e: z.output<typeof schema>): DatabaseTarget {
  if (e.DATABASE_URL !== null) return { kind: 'url', url: e.DATABASE_URL };
  return {
    kind: 'cloud_sql',
    instance: e.CLOUD_SQL_INSTANCE ?? '',
    database: e.DB_NAME ?? '',
    user: e.DB_USER ?? '',
    isPrivate: e.CLOUD_SQL_IP_TYPE === 'PRIVATE',
    apiRootUrl: e.CLOUD_SQL_API_ROOT_URL,
  };
}

function unset(env: Environment, names: readonly string[]): string[] {
  return names.filter((name) => !env[name]?.trim());
}
