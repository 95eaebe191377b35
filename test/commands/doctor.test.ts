/** `npm run doctor` with one problem at a time: it reports that problem with its remediation, and no other. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeLocalEnv } from '../../local/local-env.ts';
import { freePort } from '../../local/ports.ts';
import { migrate } from '../../shared/db/schema/migrations.ts';
import { addMailbox, setPaused } from '../../shared/mailboxes/mailbox-changes.ts';
import { createBucketFixture } from '../helpers/bucket-fixture.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { JOB, type SchedulerFixture, schedulerFixture } from '../helpers/scheduler-fixture.ts';
import { order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem, type TestSystemOptions } from '../helpers/test-system.ts';
import { checkAll, expectProblems, runDoctor } from './doctor-fixture.ts';

// A process starts slowly on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const TOPIC = 'projects/demo/topics/gmail';

let system: TestSystem;
let scheduler: SchedulerFixture;
beforeEach(async () => {
  scheduler = await schedulerFixture();
});
afterEach(async () => {
  await Promise.all([system.close(), scheduler.close()]);
});

/** Starts a system with push that has stored one order and has reconciled it with Gmail. */
async function startSystem(options: TestSystemOptions = {}): Promise<void> {
  system = await createTestSystem({ ...options, env: { GMAIL_PUBSUB_TOPIC: TOPIC, ...scheduler.env } });
  await system.call('start');
  system.gmail.deliver(order(1));
  await system.call('poll');
  // The second listing of the first start, then the first reconciliation.
  await system.call('poll');
  await system.call('poll');
  await system.db.query(
    'update mailboxes set pushed_at = now(), hint_at = now(), hint_history_id = cursor_history_id',
  );
}

const check = async (env: Record<string, string> = {}) => await checkAll({ ...system.env, ...env });
const runAsText = async (env: Record<string, string> = {}) =>
  await runToEnd('doctor', [], { METADATA_SERVER_DETECTION: 'none', ...system.env, ...env });

describe('npm run doctor', () => {
  it('reports no problem for a running system, and prints no secret', async () => {
    await startSystem();
    const { code, output } = await runAsText({ NO_COLOR: '1' });
    expect(output).toContain('No problems found.');
    expect(code).toBe(0);
    expect(output).toContain('answers for the mailbox orders@example.com');
    expect(output).toMatch(/^ok {4}database +PostgreSQL \d+/m);
    expect(output).toContain('orders@example.com is watching, 1 stored');
    expect(output).toMatch(
      /^info {2}publishing status .*cannot be checked from here.*console\.cloud\.google\.com\/auth\/audience/m,
    );
    expect(output).toContain('Gmail 1 = stored 1, pending 0, failed 0, ignored 0, gone 0, missing 0');
    for (const name of ['GMAIL_CLIENT_SECRET', 'GMAIL_REFRESH_TOKEN', 'DATABASE_URL']) {
      expect(output).not.toContain(system.env[name]);
    }
    expect(output).not.toContain('\u001b');
  });

  it('prints stable names with --json, and changes nothing', async () => {
    await startSystem();
    const state = async () => await system.rows('select m.*, s.* from mailboxes m, email_monitor_status s');
    const before = await state();
    system.gmail.callLog.reset();
    const output = await runDoctor([], system.env);
    expectProblems(output, {});
    expect(output.findings.map((result) => result.name).join(' ')).toBe(
      'node environment database migrations grants status_row clock credentials scope publishing_status gmail_api ' +
        'history_cursor quota scheduler_job cycles mailbox pending failing dead completeness listing watch last_push topic ' +
        'publisher subscription',
    );
    expect(await state()).toEqual(before);
    expect(system.gmail.callLog.calls.reduce((sum, call) => sum + call.units, 0)).toBe(3);
  });

  it('colours its labels only when the terminal supports it', async () => {
    await startSystem();
    expect((await runAsText({ FORCE_COLOR: '1' })).output).toContain('\u001b[32mok');
  });

  it('reports each problem of the configuration, and stops there', async () => {
    await startSystem();
    const { code, findings } = await check({ DATABASE_URL: '', LOG_LEVEL: 'loud' });
    const failures = findings.filter((result) => result.state === 'fail');
    expect(failures.map((result) => result.name)).toEqual(['environment', 'environment']);
    expect(failures.map((result) => result.text).join('\n')).toMatch(
      /LOG_LEVEL must be one of[\s\S]*DATABASE_URL is missing/,
    );
    expect(failures[0]?.remediation).toContain('.env.example');
    expect([code, findings.at(-1)?.state]).toEqual([2, 'skip']);
  });
});

describe('database checks of the doctor', () => {
  it('reports a database that does not answer, and still checks Gmail', async () => {
    await startSystem();
    const env = { DATABASE_URL: `postgres://operator:hidden-word@127.0.0.1:${await freePort()}/orders` };
    const output = await check(env);
    expectProblems(output, { database: ['fail', /ECONNREFUSED/, /Check that PostgreSQL runs/] });
    expect(output.findings.find(({ name }) => name === 'gmail_api')?.state).toBe('ok');
    expect(JSON.stringify(output)).not.toContain('hidden-word');
  });

  it('asks whether npm start is running when the local stack is down', async () => {
    await startSystem();
    const dataFolder = mkdtempSync(join(tmpdir(), 'email-monitor-doctor-'));
    try {
      const url = `postgres://postgres:hidden-word@127.0.0.1:${await freePort()}/email_monitor`;
      writeLocalEnv(dataFolder, { ...system.env, DATABASE_URL: url });
      const output = await runDoctor([], { LOCAL_DATA_DIR: dataFolder });
      expectProblems(output, { database: ['fail', /ECONNREFUSED/, /is `npm start` running\?$/] });
      expect(output.findings.at(-1)).toMatchObject({ name: 'the_rest', state: 'skip' });
      // An empty value means the default, as in a copy of .env.example.
      for (const env of [{}, { DATABASE_URL: '', GMAIL_CLIENT_ID: '' }]) {
        const { output: text } = await runToEnd('reprocess', [], { LOCAL_DATA_DIR: dataFolder, ...env });
        expect(text).toContain('is `npm start` running?');
      }
    } finally {
      rmSync(dataFolder, { recursive: true });
    }
  });

  it('names an unknown database or user as PostgreSQL does, and does not advise to migrate', async () => {
    await startSystem();
    const url = new URL(system.db.url);
    url.pathname = '/no-such-database';
    expectProblems(await check({ DATABASE_URL: url.href }), {
      database: [
        'fail',
        /database "no-such-database" does not exist/,
        /^Check user, password, host and database/,
      ],
    });
    url.username = 'stranger';
    url.password = 'hidden-word';
    const output = await check({ DATABASE_URL: url.href });
    expectProblems(output, { database: ['fail', /user "stranger"/, /^Check user, password/] });
    expect(JSON.stringify(output)).not.toContain('hidden-word');
    const migration = await runToEnd('migrate', [], { DATABASE_URL: url.href });
    expect(migration.output).toMatch(/^PostgreSQL rejected the login: .*user "stranger"/);
    expect(migration.output).not.toMatch(/migrate|hidden-word/);
  });

  it('names the migrations that are missing', async () => {
    await startSystem();
    const [last] = await system.rows<{ name: string }>(
      'delete from schema_migrations where id = (select max(id) from schema_migrations) returning name',
    );
    expectProblems(await check(), {
      migrations: ['fail', new RegExp(`not applied yet: ${last?.name}$`), /npm run migrate/],
    });
  });

  it('names migrations that are newer than the code', async () => {
    await startSystem();
    await system.db.query("insert into schema_migrations (name, run_on) values ('9999_later', now())");
    expectProblems(await check(), {
      migrations: [
        'warn',
        /newer than this code: 9999_later/,
        /After a rollback .* Otherwise use the version/,
      ],
    });
  });

  it('names the missing account or privilege of a deployment', async () => {
    await startSystem();
    const account = `email-monitor-ingest@${randomUUID().slice(0, 8)}.iam`;
    const env = { DB_ACCOUNTS: `ingest=${account}` };
    expectProblems(await check(env), {
      grants: ['fail', /is not a user of the database/, /npm run migrate/],
    });
    await system.db.query(`create role "${account}" login password '${new URL(system.db.url).password}'`);
    try {
      await migrate({ kind: 'url', url: system.db.url }, [{ part: 'ingest', account }]);
      expectProblems(await check(env), {});
      await system.db.query(`revoke insert on email_raw from "${account}"`);
      const missing = /ingest@\w+\.iam: insert on email_raw$/;
      expectProblems(await check(env), { grants: ['fail', missing, /npm run migrate/] });
      // The same when connected as that account, which the doctor recognizes by its name.
      const own = new URL(system.db.url);
      own.username = encodeURIComponent(account);
      expectProblems(await check({ DATABASE_URL: own.href }), {
        grants: ['fail', missing, /npm run migrate/],
      });
      await system.db.query(`revoke select on schema_migrations from "${account}"`);
      expectProblems(await check({ DATABASE_URL: own.href }), {
        migrations: ['warn', /could not be checked/, /owns the tables/],
        grants: ['fail', /select on schema_migrations/, /npm run migrate/],
      });
    } finally {
      await system.db.query(`drop owned by "${account}"`);
      await system.db.query(`drop role "${account}"`);
    }
  });

  it('names the missing function or schema of a consumer', async () => {
    await startSystem();
    const account = `orders@${randomUUID().slice(0, 8)}.iam`;
    const env = { DB_ACCOUNTS: `consumer:orders=${account}` };
    await system.db.query(`create role "${account}" login`);
    try {
      await migrate({ kind: 'url', url: system.db.url }, [{ part: 'consumer', consumer: 'orders', account }]);
      expectProblems(await check(env), {});
      await system.db.query(`revoke execute on function requeue_email from "${account}"`);
      await system.db.query(`revoke create on schema orders from "${account}"`);
      expectProblems(await check(env), {
        grants: [
          'fail',
          /orders@\w+\.iam: create on orders, execute on requeue_email\(text, integer\)$/,
          /npm run migrate/,
        ],
      });
    } finally {
      await system.db.query(`drop owned by "${account}"`);
      await system.db.query(`drop role "${account}"`);
    }
  });
});

describe('Gmail checks of the doctor', () => {
  it('names the missing credential', async () => {
    await startSystem();
    const { findings } = await check({ GMAIL_REFRESH_TOKEN: '' });
    expect(findings.find(({ name }) => name === 'credentials')).toMatchObject({
      state: 'fail',
      text: 'not set: GMAIL_REFRESH_TOKEN',
      remediation: expect.stringContaining('npm run authorize'),
    });
  });

  it('asks for a readable file, not for a new consent, when a credential file cannot be read', async () => {
    await startSystem();
    const env = { GMAIL_REFRESH_TOKEN: '', GMAIL_REFRESH_TOKEN_FILE: '/nonexistent/token' };
    expectProblems(await check(env), {
      credentials: ['fail', /^GMAIL_REFRESH_TOKEN_FILE names .*ENOENT/, /^Provide the file at this path/],
    });
  });

  it('reports a revoked refresh token', async () => {
    await startSystem();
    system.gmail.revokeRefreshToken();
    expectProblems(await check(), { credentials: ['fail', /invalid_grant/, /npm run authorize/] });
  });

  it('reports a wrong client secret', async () => {
    await startSystem();
    expectProblems(await check({ GMAIL_CLIENT_SECRET: 'another' }), {
      credentials: ['fail', /invalid_client/, /GMAIL_CLIENT_SECRET/],
    });
  });

  it('reports a scope that does not allow reading', async () => {
    await startSystem();
    // The owner did not tick the box for Gmail in the last consent.
    system.gmail.oauth.narrowScope('https://www.googleapis.com/auth/gmail.metadata');
    expectProblems(await check(), {
      scope: ['fail', /gmail\.metadata does not allow/, /agree to reading/],
    });
  });

  it('warns about a token whose expiry Google reports', async () => {
    await startSystem();
    system.gmail.oauth.refreshTokenSeconds = 3 * 86_400;
    expectProblems(await check(), {
      publishing_status: ['warn', /expires in 3\.0 days, as with status "Testing"/, /auth\/audience/],
    });
  });

  it('reports a Gmail API that is not enabled', async () => {
    await startSystem();
    const reason = 'accessNotConfigured';
    system.gmail.faults.add({ kind: 'status', status: 403, reason, method: 'getProfile' });
    expectProblems(await check(), { gmail_api: ['fail', /accessNotConfigured/, /Enable the Gmail API/] });
  });

  it('warns about a cursor that Gmail no longer has', async () => {
    await startSystem();
    await system.db.query('update mailboxes set cursor_history_id = 1');
    system.gmail.faults.add({ kind: 'status', status: 404, reason: 'notFound', method: 'history.list' });
    expectProblems(await check(), {
      history_cursor: ['warn', /no longer has the history after 1;/, /POST poll-now/],
    });
  });

  it('warns about calls that Gmail rate-limited in the last hour', async () => {
    await startSystem();
    await system.db.query(
      'update ingest_runs set rate_limited_count = 7 where id = (select max(id) from ingest_runs)',
    );
    await system.db.query(
      "insert into ingest_runs (trigger, rate_limited_count, started_at) values ('schedule', 90, now() - interval '2 hours')",
    );
    expectProblems(await check(), {
      quota: [
        'warn',
        /\d+ of 6000 units per minute are used, 7 calls were rate-limited in the last hour/,
        /^Lower GMAIL_QUOTA_UNITS_PER_MINUTE/,
      ],
    });
  });
});

describe('clock check of the doctor', () => {
  it('warns when the clock of Google differs', async () => {
    await startSystem();
    const late = await startProxyWithClock(system.server.rootUrl, 60_000);
    try {
      expectProblems(await check({ GMAIL_API_ROOT_URL: late.url }), {
        clock: ['warn', /the database [+-]0\.\d s, Google -(59|60)\.\d s/, /NTP/],
      });
    } finally {
      late.close();
    }
  });
});

describe('scheduler checks of the doctor', () => {
  it('reports a job that disagrees with the is_running flag', async () => {
    await startSystem();
    scheduler.scheduler.pause(JOB);
    expectProblems(await check(), {
      scheduler_job: ['fail', /paused, and the monitor is on/, /POST start/],
    });
  });

  it('gives the choice while the monitor is stopped but its job is enabled', async () => {
    await startSystem();
    await system.call('stop');
    scheduler.scheduler.resume(JOB);
    expect((await check()).findings.find((result) => result.name === 'scheduler_job')).toMatchObject({
      state: 'fail',
      remediation: expect.stringMatching(/POST stop.*POST start/),
    });
  });

  it('warns and asks for a login when it cannot read the job without Google credentials', async () => {
    await startSystem();
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nonexistent/key.json');
    expectProblems(await check({ CLOUD_SCHEDULER_EMULATOR_HOST: '' }), {
      scheduler_job: [
        'warn',
        /could not be checked: Reading/,
        /^On your machine.*gcloud auth application-default login/,
      ],
    });
  });

  it('reports a job that does not exist', async () => {
    await startSystem();
    expectProblems(await check({ SCHEDULER_JOB: `${JOB}-of-another` }), {
      scheduler_job: ['fail', /does not exist/, /SCHEDULER_JOB/],
    });
  });

  it('reports a Cloud Scheduler that does not answer', async () => {
    await startSystem();
    const nowhere = { CLOUD_SCHEDULER_EMULATOR_HOST: `127.0.0.1:${await freePort()}` };
    expectProblems(await check(nowhere), { scheduler_job: ['fail', /Reading/, /Call again/] });
  });

  it('reports that nothing has run', async () => {
    await startSystem();
    await system.db.query(
      `update email_monitor_status
       set last_poll_at = now() - interval '1 hour', updated_at = now() - interval '1 hour', started_at = now() - interval '1 hour'`,
    );
    await system.db.query("update mailboxes set last_run_at = now() - interval '1 hour'");
    expectProblems(await check(), { cycles: ['fail', /none since/, /scheduler job/] });
  });

  it('warns about a stopped monitor', async () => {
    await startSystem();
    await system.call('stop');
    expectProblems(await check(), { cycles: ['warn', /the monitor is stopped/, /POST start/] });
  });
});

describe('mailbox checks of the doctor', () => {
  const FIRST = 'orders@example.com';
  const BUYER = 'buyer@example.com';

  async function addBroken(): Promise<void> {
    await addMailbox(system.db, {
      emailAddress: BUYER,
      access: 'refresh_token',
      label: null,
      initialQuery: null,
    });
    await system.db.query(
      `update mailbox_settings
       set failure_count = 3, last_error_code = 'mailbox_secret_missing', last_error = 'It has no credentials.'
       where email_address = $1`,
      [BUYER],
    );
  }

  it('warns about a paused only mailbox with the command that resumes it, and expects no watch of it', async () => {
    await startSystem();
    await setPaused(system.db, FIRST, true);
    await system.db.query("update mailbox_watches set expires_at = now() - interval '1 hour'");
    await system.db.query("update reconciliations set evaluated_at = now() - interval '9 days'");
    const output = await check();
    expectProblems(output, {
      mailbox: [
        'warn',
        /orders@example\.com is paused, 1 stored/,
        /npm run mailbox -- resume orders@example\.com/,
      ],
    });
    expect(output.findings).toContainEqual(
      expect.objectContaining({ name: 'watch', state: 'skip', text: expect.stringContaining('paused') }),
    );
  });

  it('warns when all of several mailboxes are paused, but not when some are', async () => {
    await startSystem();
    await addBroken();
    await setPaused(system.db, BUYER, true);
    expectProblems(await check(), {});
    await setPaused(system.db, FIRST, true);
    expectProblems(await check(), {
      mailboxes: ['warn', /^2 mailboxes \(2 paused\)/, /npm run mailbox -- resume ADDRESS/],
    });
  });

  it('checks cursor, watch and push of the first mailbox while an added one is broken, and reports that once', async () => {
    await startSystem();
    await addBroken();
    const output = await check();
    expectProblems(output, {
      added_mailboxes: [
        'fail',
        /buyer@example\.com \(mailbox_secret_missing\)/,
        /--mailbox buyer@example\.com/,
      ],
    });
    const state = (name: string) => output.findings.find((result) => result.name === name)?.state;
    expect(['history_cursor', 'watch', 'last_push'].map(state)).toEqual(['ok', 'ok', 'ok']);
  });

  it('finds the first mailbox also behind more than 100 that have a problem', async () => {
    await startSystem();
    await system.db.query(
      `insert into mailbox_settings (email_address, access, secret_name, failure_count, last_error_code, last_error)
       select 'm' || n || '@example.com', 'refresh_token', 'm' || n, 3, 'mailbox_secret_missing', 'x'
       from generate_series(1, 120) n`,
    );
    const { findings } = await check();
    const state = (name: string) => findings.find((result) => result.name === name)?.state;
    expect(['history_cursor', 'watch', 'last_push'].map(state)).toEqual(['ok', 'ok', 'ok']);
  });

  it('reports an error that needs an operator', async () => {
    await startSystem();
    await system.db.query(
      `update mailboxes
       set failure_count = 3, last_error_code = 'reauth_required', last_error = 'OAuth token: 400 invalid_grant.'`,
    );
    expectProblems(await check(), {
      mailbox: ['fail', /reauth_required after 3 failed runs/, /npm run authorize/],
    });
  });

  it('warns about failing runs that may recover', async () => {
    await startSystem();
    await system.db.query(
      "update mailboxes set failure_count = 2, last_error_code = 'gmail_unavailable', last_error = '503.', next_poll_at = now() + interval '9 seconds'",
    );
    expectProblems(await check(), { mailbox: ['warn', /backing_off after 2 failed/, /tried again/] });
  });

  it('reports dead messages with their count', async () => {
    await startSystem();
    await system.db.query(
      "insert into email_ledger (mailbox_id, gmail_message_id, source, state) values (1, 'a', 'history', 'dead')",
    );
    expectProblems(await check(), { dead: ['fail', /1 message failed every time/, /npm run retry-dead/] });
  });

  it('warns about messages that wait after failures, with error and next attempt', async () => {
    await startSystem();
    await system.db.query(
      `insert into email_ledger
         (mailbox_id, gmail_message_id, source, state, error_code, error_detail, last_attempt_at, next_attempt_at)
       values (1, 'c', 'history', 'pending', 'gmail_unavailable', '503.', now(), now() + interval '1 minute')`,
    );
    expectProblems(await check(), {
      failing: [
        'warn',
        /1 message waits after failures \(gmail_unavailable: 503\.\), next attempt at/,
        /next attempt/,
      ],
    });
  });

  it('warns about messages that wait too long', async () => {
    await startSystem();
    await system.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, discovered_at)
       values (1, 'b', 'backfill', 'pending', now() - interval '13 hours')`,
    );
    expectProblems(await check(), { pending: ['warn', /1 message waits, the oldest since/, /poll-now/] });
  });

  it('warns about an incident of missing email, and about an old reconciliation', async () => {
    await startSystem();
    await system.db.query("insert into incidents (mailbox_id, kind) values (1, 'missing_found')");
    expectProblems(await check(), {
      completeness: ['warn', /open incidents: missing_found/, /reconcile=all/],
    });
    await system.db.query('update incidents set closed_at = now()');
    await system.db.query("update reconciliations set evaluated_at = now() - interval '4 hours'");
    expectProblems(await check(), { completeness: ['warn', /hours ago/, /reconcile=all/] });
  });

  it('reports a listing that Gmail rejects', async () => {
    await startSystem();
    await system.db.query(
      `insert into list_jobs (mailbox_id, purpose, query, error_code, error_detail, not_before)
       values (1, 'initial', 'in:nowhere', 'gmail_refused', 'users.messages.list: 400.', now() + interval '1 hour')`,
    );
    expectProblems(await check(), {
      listing: ['fail', /Gmail rejects "in:nowhere".*the poll retries it/, /GMAIL_INITIAL_QUERY/],
    });
  });
});

describe('push checks of the doctor', () => {
  it('reports why the watch could not be registered', async () => {
    await startSystem();
    await system.db.query("update mailbox_watches set error_code = 'watch_denied', error = '403.'");
    expectProblems(await check(), { watch: ['fail', /watch_denied/, /Grant roles\/pubsub\.publisher/] });
  });

  it('reports a watch that has expired, or expires within a day', async () => {
    await startSystem();
    await system.db.query("update mailbox_watches set expires_at = now() + interval '20 hours'");
    expectProblems(await check(), { watch: ['warn', /was not renewed/, /POST start/] });
    await system.db.query("update mailbox_watches set expires_at = now() - interval '1 minute'");
    expectProblems(await check(), { watch: ['fail', /it expired at/, /POST start/] });
  });

  it('reports a watch without pushes, with topic, subscription and endpoint', async () => {
    await startSystem();
    await system.db.query('update mailboxes set pushed_at = null');
    await system.db.query("update mailbox_watches set registered_at = now() - interval '3 minutes'");
    expectProblems(await check(), {
      watch: [
        'fail',
        /push_silent, Gmail publishes to .* but no push has arrived/,
        /push subscription .*endpoint/,
      ],
    });
  });

  it('warns when emails arrive without pushes', async () => {
    await startSystem();
    await system.db.query("update mailboxes set pushed_at = now() - interval '3 hours'");
    await system.db.query("update email_ledger set discovered_at = now() - interval '5 minutes'");
    expectProblems(await check(), {
      last_push: [
        'warn',
        /3 h ago.*the last email 5 min ago.*do not arrive/,
        /answers of gmail-push in its log/,
      ],
    });
  });

  it('warns about Pub/Sub resources that it cannot check', async () => {
    await startSystem();
    // The Gmail address is not loopback, so Pub/Sub is checked; this machine has no Google credentials.
    const real = await startProxyWithClock(system.server.rootUrl, 0, '0.0.0.0');
    try {
      const env = { GMAIL_API_ROOT_URL: real.url, HOME: '/nonexistent' };
      const unchecked = /could not be checked: No Google credentials/;
      const remediation = /gcloud auth application-default login/;
      expectProblems(await check(env), {
        topic: ['warn', unchecked, remediation],
        publisher: ['warn', unchecked, remediation],
        subscription: ['warn', unchecked, remediation],
      });
    } finally {
      real.close();
    }
  });
});

/** A proxy for the emulated Gmail that changes the Date header. */
async function startProxyWithClock(rootUrl: string, ms: number, host = '127.0.0.1') {
  const server = createServer((from, to) => {
    const target = new URL(from.url ?? '/', rootUrl);
    from.pipe(
      request(target, { method: from.method, headers: { ...from.headers, host: target.host } }, (answer) => {
        const date = new Date(Date.now() - ms).toUTCString();
        to.writeHead(answer.statusCode ?? 500, { ...answer.headers, date });
        answer.pipe(to);
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('the bucket of large attachments', () => {
  it('takes, returns and deletes a small object', async () => {
    await startSystem();
    const { env, names, storage } = await createBucketFixture();
    const { findings } = await check({ ...env });
    expect(findings.find(({ name }) => name === 'bucket')).toMatchObject({ state: 'ok' });
    expect(storage.calls.map(({ operation }) => operation)).toEqual([
      'upload',
      'read',
      'patch',
      'get',
      'delete',
    ]);
    expect(names()).toEqual([]);
  });

  it('that denies access is a failure, with what to grant', async () => {
    await startSystem();
    const { env, storage } = await createBucketFixture();
    storage.addFault({ kind: 'status', status: 403, operation: 'upload' });
    const { code, findings } = await check({ ...env });
    expect(code).toBe(2);
    expect(findings.find(({ name }) => name === 'bucket')).toMatchObject({
      state: 'fail',
      text: expect.stringContaining('denies access'),
      remediation: expect.stringContaining('roles/storage.objectUser'),
    });
  });

  it('that is not set is a failure when stored bytes are in a bucket', async () => {
    await startSystem();
    await system.db.query(
      "update email_raw set data = null, bucket_bytes = 9, bucket_object = 'raw/' || repeat('a', 64) || '.gz'",
    );
    expectProblems(await check(), {
      bucket: ['fail', /^The bytes are in a bucket, but no bucket is set$/, /Set ATTACHMENTS_BUCKET/],
    });
  });
});
