import { describe, expect, it } from 'vitest';
import { ConfigError, type Environment, readConfig } from '../shared/config.ts';
import { credentialFingerprint, type ReadFile } from '../shared/credentials.ts';

const DATABASE = { DATABASE_URL: 'postgres://app@127.0.0.1:5432/mail' };
const CREDENTIALS = { GMAIL_CLIENT_ID: 'id', GMAIL_CLIENT_SECRET: 'secret', GMAIL_REFRESH_TOKEN: 'token' };

function errorsOf(env: Environment, readFile?: ReadFile): readonly string[] {
  try {
    readConfig(env, readFile);
  } catch (error) {
    if (error instanceof ConfigError) return error.errors;
    throw error;
  }
  return [];
}

describe('defaults', () => {
  it('uses every default when only a database is set', () => {
    expect(readConfig(DATABASE)).toEqual({
      gmail: null,
      missingCredentials: ['GMAIL_CLIENT_ID', 'GMAIL_CLIENT_SECRET', 'GMAIL_REFRESH_TOKEN'],
      credentialProblems: [],
      areCredentialsHeldElsewhere: false,
      pollIntervalSeconds: 60,
      initialQuery: 'in:inbox is:unread',
      labelId: null,
      quotaUnitsPerMinute: 6000,
      settleSeconds: 90,
      pubsubTopic: null,
      emailsTopic: null,
      pubsubEmulatorHost: null,
      gmailApiRootUrl: null,
      oauthTokenUrl: null,
      workTopic: null,
      mailboxSecrets: null,
      secretManagerApiRootUrl: null,
      delegationServiceAccount: null,
      iamCredentialsApiRootUrl: null,
      attachmentsBucket: null,
      attachmentsMinBytes: 262_144,
      storageEmulatorUrl: null,
      retentionDays: null,
      schedulerJob: null,
      schedulerEmulatorHost: null,
      database: { kind: 'url', url: DATABASE.DATABASE_URL },
      databasePoolSize: 4,
      migrateUrl: null,
      databaseAccounts: [],
      consumerMaxWaitSeconds: 3600,
      runBudgetSeconds: 50,
      logFormat: 'json',
      logLevel: 'info',
      projectId: null,
      cloudRunService: null,
      iapAudience: null,
      iapKeysUrl: null,
    });
  });

  it('uses the default for a variable that is set but empty, as a deployment form leaves it', () => {
    const names = [
      ...Object.keys(CREDENTIALS),
      'GMAIL_POLL_INTERVAL_SECONDS',
      'GMAIL_INITIAL_QUERY',
      'GMAIL_LABEL_ID',
      'GMAIL_QUOTA_UNITS_PER_MINUTE',
      'GMAIL_SETTLE_SECONDS',
      'GMAIL_PUBSUB_TOPIC',
      'EMAILS_PUBSUB_TOPIC',
      'PUBSUB_EMULATOR_HOST',
      'GMAIL_API_ROOT_URL',
      'GOOGLE_OAUTH_TOKEN_URL',
      'WORK_PUBSUB_TOPIC',
      'GMAIL_MAILBOX_SECRETS',
      'SECRET_MANAGER_API_ROOT_URL',
      'GMAIL_DELEGATION_SERVICE_ACCOUNT',
      'IAM_CREDENTIALS_API_ROOT_URL',
      'ATTACHMENTS_BUCKET',
      'ATTACHMENTS_MIN_BYTES',
      'STORAGE_EMULATOR_HOST',
      'RETENTION_DAYS',
      'SCHEDULER_JOB',
      'CLOUD_SCHEDULER_EMULATOR_HOST',
      'CLOUD_SQL_INSTANCE',
      'DB_NAME',
      'DB_USER',
      'DB_POOL_SIZE',
      'MIGRATE_URL',
      'RUN_BUDGET_SECONDS',
      'LOG_FORMAT',
      'LOG_LEVEL',
      'GOOGLE_CLOUD_PROJECT',
      'K_SERVICE',
      'IAP_AUDIENCE',
      'IAP_KEYS_URL',
    ];
    const blank = Object.fromEntries(names.map((name, index) => [name, index % 2 === 0 ? '' : '  ']));
    expect(readConfig({ ...blank, ...DATABASE })).toEqual(readConfig(DATABASE));
  });
});

describe('readConfig', () => {
  it('reads every variable and trims its value', () => {
    const config = readConfig({
      ...DATABASE,
      ...CREDENTIALS,
      GMAIL_REFRESH_TOKEN: ' token\n',
      GMAIL_POLL_INTERVAL_SECONDS: ' 300 ',
      GMAIL_INITIAL_QUERY: 'from:buyer@example.com',
      GMAIL_LABEL_ID: 'Label_7',
      GMAIL_QUOTA_UNITS_PER_MINUTE: '15000',
      GMAIL_SETTLE_SECONDS: '0',
      GMAIL_PUBSUB_TOPIC: 'projects/p/topics/t',
      EMAILS_PUBSUB_TOPIC: 'projects/p/topics/e',
      PUBSUB_EMULATOR_HOST: '127.0.0.1:9002',
      SCHEDULER_JOB: 'projects/p/locations/l/jobs/j',
      CLOUD_SCHEDULER_EMULATOR_HOST: '127.0.0.1:9000',
      DB_POOL_SIZE: '9',
      MIGRATE_URL: ' https://migrate.example.com ',
      RUN_BUDGET_SECONDS: '500',
      LOG_FORMAT: ' text ',
      LOG_LEVEL: 'WARNING',
      GOOGLE_CLOUD_PROJECT: 'p',
      K_SERVICE: 'console',
      IAP_AUDIENCE: '/projects/123456789012/locations/europe-west1/services/email-monitor-console',
      IAP_KEYS_URL: 'http://127.0.0.1:9001/keys',
    });
    expect(config).toMatchObject({
      gmail: { clientId: 'id', clientSecret: 'secret', refreshToken: 'token' },
      missingCredentials: [],
      credentialProblems: [],
      areCredentialsHeldElsewhere: false,
      pollIntervalSeconds: 300,
      initialQuery: 'from:buyer@example.com',
      labelId: 'Label_7',
      quotaUnitsPerMinute: 15_000,
      settleSeconds: 0,
      pubsubTopic: 'projects/p/topics/t',
      emailsTopic: 'projects/p/topics/e',
      pubsubEmulatorHost: '127.0.0.1:9002',
      schedulerJob: 'projects/p/locations/l/jobs/j',
      schedulerEmulatorHost: '127.0.0.1:9000',
      databasePoolSize: 9,
      migrateUrl: 'https://migrate.example.com',
      runBudgetSeconds: 500,
      logFormat: 'text',
      logLevel: 'warning',
      projectId: 'p',
      cloudRunService: 'console',
      iapAudience: '/projects/123456789012/locations/europe-west1/services/email-monitor-console',
      iapKeysUrl: 'http://127.0.0.1:9001/keys',
    });
  });

  it.each(['http://127.0.0.1:8080', 'http://127.0.0.1:8080/', 'http://127.0.0.1:8080//'])(
    'normalizes the API root URL %s to end in one slash',
    (url) => {
      expect(readConfig({ ...DATABASE, GMAIL_API_ROOT_URL: url }).gmailApiRootUrl).toBe(
        'http://127.0.0.1:8080/',
      );
    },
  );
});

describe('credentials', () => {
  it.each(Object.keys(CREDENTIALS))('returns no credentials without %s, and lists it as missing', (name) => {
    const config = readConfig({ ...DATABASE, ...CREDENTIALS, [name]: ' ' });
    expect(config.gmail).toBeNull();
    expect(config.missingCredentials).toEqual([name]);
  });

  it('reads credentials from files, and treats an empty file as a missing variable', () => {
    const files: Record<string, string> = { '/id': 'id\n', '/secret': 'secret', '/token': ' token ' };
    const env = {
      ...DATABASE,
      GMAIL_CLIENT_ID_FILE: '/id',
      GMAIL_CLIENT_SECRET_FILE: '/secret',
      GMAIL_REFRESH_TOKEN_FILE: '/token',
    };
    const read = (path: string) => files[path] ?? '';
    expect(readConfig(env, read).gmail).toEqual({
      clientId: 'id',
      clientSecret: 'secret',
      refreshToken: 'token',
    });
    files['/token'] = '\n';
    expect(readConfig(env, read)).toMatchObject({ gmail: null, missingCredentials: ['GMAIL_REFRESH_TOKEN'] });
  });

  const denied = () => {
    throw Object.assign(new Error('hush'), { code: 'EACCES' });
  };

  it('rejects a credential that is set both as a variable and as a file, without showing its value', () => {
    expect(errorsOf({ ...DATABASE, ...CREDENTIALS, GMAIL_CLIENT_ID_FILE: '/id' }, denied)).toEqual([
      'GMAIL_CLIENT_ID_FILE and GMAIL_CLIENT_ID are both set; set only one of them',
    ]);
  });

  it('reports an unreadable credential file with path and reason, and starts all the same', () => {
    const env = { ...DATABASE, ...CREDENTIALS, GMAIL_REFRESH_TOKEN: '', GMAIL_REFRESH_TOKEN_FILE: '/token' };
    expect(readConfig(env, denied)).toMatchObject({
      gmail: null,
      missingCredentials: ['GMAIL_REFRESH_TOKEN'],
      credentialProblems: ['GMAIL_REFRESH_TOKEN_FILE names /token, which cannot be read (EACCES)'],
    });
  });

  it('holds no credentials with held_elsewhere, and then rejects every one that is set, without its value', () => {
    const env = { ...DATABASE, GMAIL_CREDENTIALS: ' held_elsewhere ' };
    expect(readConfig(env)).toMatchObject({ gmail: null, areCredentialsHeldElsewhere: true });
    expect(
      errorsOf({ ...env, GMAIL_CLIENT_ID: 'hush', GMAIL_REFRESH_TOKEN_FILE: '/hush' }, () => ''),
    ).toEqual([
      'GMAIL_CLIENT_ID must be empty, because GMAIL_CREDENTIALS is held_elsewhere',
      'GMAIL_REFRESH_TOKEN_FILE must be empty, because GMAIL_CREDENTIALS is held_elsewhere',
    ]);
  });

  it('rejects another value of GMAIL_CREDENTIALS', () => {
    expect(errorsOf({ ...DATABASE, GMAIL_CREDENTIALS: 'elsewhere' })).toEqual([
      'GMAIL_CREDENTIALS must be empty or held_elsewhere',
    ]);
  });

  it('computes a fingerprint that changes with the client id and the token but not with the client secret', () => {
    const base = { clientId: 'id', clientSecret: 'secret', refreshToken: 'token' };
    const print = credentialFingerprint(base);
    expect(print).toMatch(/^[0-9a-f]{64}$/);
    expect(credentialFingerprint({ ...base, clientSecret: 'rotated' })).toBe(print);
    expect(credentialFingerprint({ ...base, clientId: 'other' })).not.toBe(print);
    expect(credentialFingerprint({ ...base, refreshToken: 'other' })).not.toBe(print);
  });
});

describe('the database target', () => {
  const GROUP = {
    CLOUD_SQL_INSTANCE: 'project:region:instance',
    DB_NAME: 'mail',
    DB_USER: 'app@project.iam',
  };

  it('uses Cloud SQL when its three variables are set', () => {
    expect(readConfig(GROUP).database).toEqual({
      kind: 'cloud_sql',
      instance: 'project:region:instance',
      database: 'mail',
      user: 'app@project.iam',
      isPrivate: false,
      apiRootUrl: null,
    });
  });

  it('uses the private address of a Cloud SQL instance only with CLOUD_SQL_IP_TYPE=PRIVATE', () => {
    expect(readConfig({ ...GROUP, CLOUD_SQL_IP_TYPE: 'PRIVATE' }).database).toMatchObject({
      isPrivate: true,
    });
    expect(errorsOf({ ...GROUP, CLOUD_SQL_IP_TYPE: 'private' })).toEqual([
      'CLOUD_SQL_IP_TYPE must be empty or PRIVATE',
    ]);
  });

  it('prefers DATABASE_URL to Cloud SQL', () => {
    expect(readConfig({ ...GROUP, ...DATABASE }).database.kind).toBe('url');
  });

  it.each(Object.keys(GROUP))('names %s when only that variable of Cloud SQL is missing', (name) => {
    expect(errorsOf({ ...GROUP, [name]: undefined })).toEqual([
      `${name} is missing; set all of CLOUD_SQL_INSTANCE, DB_NAME, DB_USER, or set DATABASE_URL`,
    ]);
  });

  it('names both ways to set the database in one error when none is set', () => {
    expect(errorsOf({})).toEqual([
      'DATABASE_URL is missing; set it, or all of CLOUD_SQL_INSTANCE, DB_NAME, DB_USER',
    ]);
  });

  it.each(['mysql://app:hush@127.0.0.1/mail', 'app:hush@127.0.0.1/mail', 'hush', 'http://hush'])(
    'rejects the database URL %s, naming the schemes of PostgreSQL and hiding the password',
    (url) => {
      expect(errorsOf({ DATABASE_URL: url })).toEqual([
        'DATABASE_URL must begin with postgresql:// or postgres://, because the database is PostgreSQL',
      ]);
    },
  );

  it.each(['postgres', 'postgresql'])('accepts a database URL that begins with %s://', (scheme) => {
    const url = `${scheme}://app@127.0.0.1/mail`;
    expect(readConfig({ DATABASE_URL: url }).database).toEqual({ kind: 'url', url });
  });

  it('accepts a Cloud SQL instance of a domain-scoped project', () => {
    expect(errorsOf({ ...GROUP, CLOUD_SQL_INSTANCE: 'example.com:project:region:instance' })).toEqual([]);
  });
});

it('reads the database accounts, of which a consumer may have several, and an account several consumers', () => {
  const entries = 'consumer:orders=b@p.iam,consumer:orders=c=d, consumer:a_2-b = b@p.iam, ';
  const env = { ...DATABASE, DB_ACCOUNTS: ` ingest=a@p.iam , ${entries}` };
  expect(readConfig(env).databaseAccounts).toEqual([
    { part: 'ingest', account: 'a@p.iam' },
    { part: 'consumer', consumer: 'orders', account: 'b@p.iam' },
    { part: 'consumer', consumer: 'orders', account: 'c=d' },
    { part: 'consumer', consumer: 'a_2-b', account: 'b@p.iam' },
  ]);
});

describe('ConfigError', () => {
  const BROKEN = {
    GMAIL_POLL_INTERVAL_SECONDS: 'hunter2-a',
    GMAIL_QUOTA_UNITS_PER_MINUTE: '39',
    GMAIL_SETTLE_SECONDS: '-1',
    GMAIL_PUBSUB_TOPIC: 'hunter2-b',
    EMAILS_PUBSUB_TOPIC: 'hunter2-f',
    PUBSUB_EMULATOR_HOST: 'http://hunter2:2',
    GMAIL_API_ROOT_URL: 'ftp://hunter2-c',
    GOOGLE_OAUTH_TOKEN_URL: 'http://',
    SCHEDULER_JOB: 'hunter2-d',
    CLOUD_SCHEDULER_EMULATOR_HOST: 'http://hunter2:1',
    DATABASE_URL: 'mysql://hunter2',
    CLOUD_SQL_INSTANCE: 'hunter2',
    DB_POOL_SIZE: '1.5',
    RUN_BUDGET_SECONDS: '4',
    LOG_FORMAT: 'hunter2-g',
    LOG_LEVEL: 'hunter2-e',
  };

  it('reports all errors at once, one line each', () => {
    const errors = errorsOf(BROKEN);
    expect(errors.map((error) => error.split(' ')[0]).sort()).toEqual(Object.keys(BROKEN).sort());
  });

  it('never shows a value, because it may be a secret', () => {
    expect(() => readConfig(BROKEN)).toThrow(/^The configuration has 16 errors:\n {2}- GMAIL_/);
    expect(errorsOf(BROKEN).join('\n')).not.toMatch(/hunter2|39\b|ftp|mysql/);
  });

  it('reports a malformed value together with a missing database', () => {
    expect(errorsOf({ GMAIL_SETTLE_SECONDS: 'soon' })).toHaveLength(2);
  });

  it.each([
    ['GMAIL_POLL_INTERVAL_SECONDS', '0'],
    ['GMAIL_POLL_INTERVAL_SECONDS', '86401'],
    ['GMAIL_QUOTA_UNITS_PER_MINUTE', '1200001'],
    ['GMAIL_SETTLE_SECONDS', '3601'],
    ['DB_POOL_SIZE', '101'],
    ['RUN_BUDGET_SECONDS', '1701'],
    ['RUN_BUDGET_SECONDS', 'NaN'],
    ['DB_POOL_SIZE', 'Infinity'],
  ])('rejects %s=%s and gives the allowed range', (name, value) => {
    expect(errorsOf({ ...DATABASE, [name]: value })).toEqual([
      expect.stringMatching(new RegExp(`^${name} must be a whole number from \\d+ to \\d+$`)),
    ]);
  });

  it.each([
    ['GMAIL_PUBSUB_TOPIC', 'projects/p/topics/t/x', 'projects/P/topics/T'],
    ['EMAILS_PUBSUB_TOPIC', 'topics/t', 'projects/P/topics/T'],
    ['PUBSUB_EMULATOR_HOST', '127.0.0.1', 'host:port'],
    ['SCHEDULER_JOB', 'projects/p/jobs/j', 'projects/P/locations/L/jobs/J'],
    [
      'IAP_AUDIENCE',
      '/projects/my-project/locations/l/services/s',
      '/projects/NUMBER/locations/REGION/services/NAME',
    ],
    ['CLOUD_SCHEDULER_EMULATOR_HOST', '127.0.0.1', 'host:port'],
    ['GMAIL_API_ROOT_URL', 'gmail.example.com', 'http:// or https:// URL'],
    ['MIGRATE_URL', 'http://migrate.example.com', 'https:// URL, or an http:// URL of a loopback address'],
    ['MIGRATE_URL', 'migrate', 'https:// URL, or an http:// URL of a loopback address'],
    ['DATABASE_URL', 'postgres://:x@[', 'postgresql://user@host:port/database'],
    ['ATTACHMENTS_BUCKET', 'gs://my-bucket', 'ATTACHMENTS_BUCKET must be the name alone: leave out gs://'],
    [
      'ATTACHMENTS_BUCKET',
      'My Bucket',
      'ATTACHMENTS_BUCKET must be the name of a bucket: 3 to 222 lower-case',
    ],
    ['LOG_LEVEL', 'verbose', 'debug, info, warning, error'],
    ['DB_ACCOUNTS', 'poll', 'part=account'],
    ['DB_ACCOUNTS', 'ingest=', 'part=account'],
    ['DB_ACCOUNTS', 'root=a', 'control'],
    ['DB_ACCOUNTS', 'ingest:x=a', 'part=account'],
    ['DB_ACCOUNTS', 'ingest=a,ingest=b', 'ingest twice'],
    ['DB_ACCOUNTS', 'consumer=a', 'consumer:NAME=account'],
    ['DB_ACCOUNTS', 'consumer:=a', 'consumer:NAME=account'],
    ['DB_ACCOUNTS', 'consumer:Orders=a', 'lower-case letter'],
    ['DB_ACCOUNTS', 'consumer:a:b=a', 'lower-case letter'],
    ['DB_ACCOUNTS', `consumer:${'x'.repeat(64)}=a`, 'at most 62'],
    ['DB_ACCOUNTS', 'consumer:public=a', 'PostgreSQL reserves'],
    ['DB_ACCOUNTS', 'consumer:information_schema=a', 'PostgreSQL reserves'],
    ['DB_ACCOUNTS', 'consumer:pg_orders=a', 'PostgreSQL reserves'],
    ['DB_ACCOUNTS', 'consumer:orders=a,consumer:orders=a', 'twice'],
  ])('shows the expected format of %s for the value %s', (name, value, format) => {
    const errors = errorsOf({ ...DATABASE, [name]: value });
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(format);
  });

  it('uses the singular for one error', () => {
    expect(() => readConfig({ ...DATABASE, LOG_LEVEL: 'x' })).toThrow(
      /^The configuration has an error:\n {2}- /,
    );
  });
});
