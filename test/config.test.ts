import { describe, expect, it } from 'vitest';
import { ConfigError, type Environment, readConfig } from '../shared/config.ts';
import { credentialFingerprint, type ReadFile } from '../shared/credentials.ts';

const DATABASE = { DATABASE_URL: 'postgres://app@127.0.0.1:5432/mail' };
const CREDENTIALS = { GMAIL_CLIENT_ID: 'id', GMAIL_CLIENT_SECRET: 'secret', GMAIL_REFRESH_TOKEN: 'token' };

function faultsOf(env: Environment, readFile?: ReadFile): readonly string[] {
  try {
    readConfig(env, readFile);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe('an environment with nothing but a database', () => {
  it('gives every default', () => {
    expect(readConfig(DATABASE)).toEqual({
      gmail: null,
      missingCredentials: ['GMAIL_CLIENT_ID', 'GMAIL_CLIENT_SECRET', 'GMAIL_REFRESH_TOKEN'],
      credentialProblems: [],
      pollIntervalSeconds: 60,
      initialQuery: 'in:inbox is:unread',
      labelId: null,
      quotaUnitsPerMinute: 6000,
      settleSeconds: 90,
      pubsubTopic: null,
      gmailApiRootUrl: null,
      oauthTokenUrl: null,
      schedulerJob: null,
      schedulerEmulatorHost: null,
      database: { kind: 'url', url: DATABASE.DATABASE_URL },
      databasePoolSize: 4,
      databaseAccounts: [],
      runBudgetSeconds: 50,
      logLevel: 'info',
      projectId: null,
    });
  });

  it('means the same when every other variable is set and empty, as a deployment form leaves them', () => {
    const names = [
      ...Object.keys(CREDENTIALS),
      'GMAIL_POLL_INTERVAL_SECONDS',
      'GMAIL_INITIAL_QUERY',
      'GMAIL_LABEL_ID',
      'GMAIL_QUOTA_UNITS_PER_MINUTE',
      'GMAIL_SETTLE_SECONDS',
      'GMAIL_PUBSUB_TOPIC',
      'GMAIL_API_ROOT_URL',
      'GOOGLE_OAUTH_TOKEN_URL',
      'SCHEDULER_JOB',
      'CLOUD_SCHEDULER_EMULATOR_HOST',
      'CLOUD_SQL_INSTANCE',
      'DB_NAME',
      'DB_USER',
      'DB_POOL_SIZE',
      'RUN_BUDGET_SECONDS',
      'LOG_LEVEL',
      'GOOGLE_CLOUD_PROJECT',
    ];
    const blank = Object.fromEntries(names.map((name, index) => [name, index % 2 === 0 ? '' : '  ']));
    expect(readConfig({ ...blank, ...DATABASE })).toEqual(readConfig(DATABASE));
  });
});

describe('an environment with everything', () => {
  it('is taken over, trimmed', () => {
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
      SCHEDULER_JOB: 'projects/p/locations/l/jobs/j',
      CLOUD_SCHEDULER_EMULATOR_HOST: '127.0.0.1:9000',
      DB_POOL_SIZE: '9',
      RUN_BUDGET_SECONDS: '500',
      LOG_LEVEL: 'WARNING',
      GOOGLE_CLOUD_PROJECT: 'p',
    });
    expect(config).toMatchObject({
      gmail: { clientId: 'id', clientSecret: 'secret', refreshToken: 'token' },
      missingCredentials: [],
      credentialProblems: [],
      pollIntervalSeconds: 300,
      initialQuery: 'from:buyer@example.com',
      labelId: 'Label_7',
      quotaUnitsPerMinute: 15_000,
      settleSeconds: 0,
      pubsubTopic: 'projects/p/topics/t',
      schedulerJob: 'projects/p/locations/l/jobs/j',
      schedulerEmulatorHost: '127.0.0.1:9000',
      databasePoolSize: 9,
      runBudgetSeconds: 500,
      logLevel: 'warning',
      projectId: 'p',
    });
  });

  it.each(['http://127.0.0.1:8080', 'http://127.0.0.1:8080/', 'http://127.0.0.1:8080//'])(
    'gives the root URL %s one slash at its end',
    (url) => {
      expect(readConfig({ ...DATABASE, GMAIL_API_ROOT_URL: url }).gmailApiRootUrl).toBe(
        'http://127.0.0.1:8080/',
      );
    },
  );
});

describe('credentials', () => {
  it.each(Object.keys(CREDENTIALS))('without %s are none, and it is named', (name) => {
    const config = readConfig({ ...DATABASE, ...CREDENTIALS, [name]: ' ' });
    expect(config.gmail).toBeNull();
    expect(config.missingCredentials).toEqual([name]);
  });

  it('may stand in files, and a file that is empty is named like a variable', () => {
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

  it('twice are an error of the environment that shows no value', () => {
    expect(faultsOf({ ...DATABASE, ...CREDENTIALS, GMAIL_CLIENT_ID_FILE: '/id' }, denied)).toEqual([
      'GMAIL_CLIENT_ID_FILE is set beside GMAIL_CLIENT_ID; only one of them may be',
    ]);
  });

  it('in a file that cannot be read are a problem with file and reason, not a refusal to start', () => {
    const env = { ...DATABASE, ...CREDENTIALS, GMAIL_REFRESH_TOKEN: '', GMAIL_REFRESH_TOKEN_FILE: '/token' };
    expect(readConfig(env, denied)).toMatchObject({
      gmail: null,
      missingCredentials: ['GMAIL_REFRESH_TOKEN'],
      credentialProblems: ['GMAIL_REFRESH_TOKEN_FILE names /token, which cannot be read (EACCES)'],
    });
  });

  it('have a fingerprint that changes with the account, not with the client secret, and shows nothing', () => {
    const base = { clientId: 'id', clientSecret: 'secret', refreshToken: 'token' };
    const print = credentialFingerprint(base);
    expect(print).toMatch(/^[0-9a-f]{64}$/);
    expect(credentialFingerprint({ ...base, clientSecret: 'rotated' })).toBe(print);
    expect(credentialFingerprint({ ...base, clientId: 'other' })).not.toBe(print);
    expect(credentialFingerprint({ ...base, refreshToken: 'other' })).not.toBe(print);
  });
});

describe('the database', () => {
  const GROUP = {
    CLOUD_SQL_INSTANCE: 'project:region:instance',
    DB_NAME: 'mail',
    DB_USER: 'app@project.iam',
  };

  it('is reached through Cloud SQL when the three of its group are set', () => {
    expect(readConfig(GROUP).database).toEqual({
      kind: 'cloud_sql',
      instance: 'project:region:instance',
      database: 'mail',
      user: 'app@project.iam',
    });
  });

  it('is the one of DATABASE_URL when both are set', () => {
    expect(readConfig({ ...GROUP, ...DATABASE }).database.kind).toBe('url');
  });

  it.each(Object.keys(GROUP))('misses %s of its group by name', (name) => {
    expect(faultsOf({ ...GROUP, [name]: undefined })).toEqual([
      `${name} is missing; set all three of its group, or DATABASE_URL`,
    ]);
  });

  it('asks for a URL or the group in one line when nothing is set', () => {
    expect(faultsOf({})).toEqual([
      'DATABASE_URL is missing; set it, or all of CLOUD_SQL_INSTANCE, DB_NAME, DB_USER',
    ]);
  });

  it('takes an instance of a domain-scoped project', () => {
    expect(faultsOf({ ...GROUP, CLOUD_SQL_INSTANCE: 'example.com:project:region:instance' })).toEqual([]);
  });
});

it('the accounts of the database, of which only the next phase may have several', () => {
  const env = { ...DATABASE, DB_ACCOUNTS: ' poll=a@p.iam , consumer=b@p.iam,consumer=c=d, ' };
  expect(readConfig(env).databaseAccounts).toEqual([
    { part: 'poll', account: 'a@p.iam' },
    { part: 'consumer', account: 'b@p.iam' },
    { part: 'consumer', account: 'c=d' },
  ]);
});

describe('faults', () => {
  const BROKEN = {
    GMAIL_POLL_INTERVAL_SECONDS: 'hunter2-a',
    GMAIL_QUOTA_UNITS_PER_MINUTE: '39',
    GMAIL_SETTLE_SECONDS: '-1',
    GMAIL_PUBSUB_TOPIC: 'hunter2-b',
    GMAIL_API_ROOT_URL: 'ftp://hunter2-c',
    GOOGLE_OAUTH_TOKEN_URL: 'http://',
    SCHEDULER_JOB: 'hunter2-d',
    CLOUD_SCHEDULER_EMULATOR_HOST: 'http://hunter2:1',
    DATABASE_URL: 'mysql://hunter2',
    CLOUD_SQL_INSTANCE: 'hunter2',
    DB_POOL_SIZE: '1.5',
    RUN_BUDGET_SECONDS: '4',
    LOG_LEVEL: 'hunter2-e',
  };

  it('are all told at once, one line each', () => {
    const faults = faultsOf(BROKEN);
    expect(faults.map((fault) => fault.split(' ')[0]).sort()).toEqual(Object.keys(BROKEN).sort());
  });

  it('are told without the values, which may be secrets', () => {
    expect(() => readConfig(BROKEN)).toThrow(/^The configuration has 13 faults:\n {2}- GMAIL_/);
    expect(faultsOf(BROKEN).join('\n')).not.toMatch(/hunter2|39\b|ftp|mysql/);
  });

  it('of form and of a missing database come together', () => {
    expect(faultsOf({ GMAIL_SETTLE_SECONDS: 'soon' })).toHaveLength(2);
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
  ])('name %s=%s with its range', (name, value) => {
    expect(faultsOf({ ...DATABASE, [name]: value })).toEqual([
      expect.stringMatching(new RegExp(`^${name} must be a whole number from \\d+ to \\d+$`)),
    ]);
  });

  it.each([
    ['GMAIL_PUBSUB_TOPIC', 'projects/p/topics/t/x', 'projects/P/topics/T'],
    ['SCHEDULER_JOB', 'projects/p/jobs/j', 'projects/P/locations/L/jobs/J'],
    ['CLOUD_SCHEDULER_EMULATOR_HOST', '127.0.0.1', 'host:port'],
    ['GMAIL_API_ROOT_URL', 'gmail.example.com', 'http:// or https:// URL'],
    ['DATABASE_URL', 'postgres://:x@[', 'postgres://user@host:port/database'],
    ['LOG_LEVEL', 'verbose', 'debug, info, warning, error'],
    ['DB_ACCOUNTS', 'poll', 'part=account'],
    ['DB_ACCOUNTS', 'poll=', 'part=account'],
    ['DB_ACCOUNTS', 'root=a', 'gmail-push'],
    ['DB_ACCOUNTS', 'poll=a,poll=b', 'poll twice'],
  ])('show the form that %s must have', (name, value, form) => {
    const faults = faultsOf({ ...DATABASE, [name]: value });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(form);
  });

  it('of one variable read as a sentence about one', () => {
    expect(() => readConfig({ ...DATABASE, LOG_LEVEL: 'x' })).toThrow(
      /^The configuration has a fault:\n {2}- /,
    );
  });
});
