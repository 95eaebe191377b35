/** The doctor on one broken link after the other: it names that link and its remediation, and finds the others well. */
import { randomUUID } from 'node:crypto';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../local/ports.ts';
import { migrate } from '../../shared/db/schema/migrations.ts';
import { JOB, type SchedulerBeside, schedulerBeside } from '../functions/scheduler-beside.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { order } from '../helpers/mails.ts';
import { createTestSystem, type TestSystem, type TestSystemOptions } from '../helpers/test-system.ts';
import { runDoctor, expectProblems } from './doctor-fixture.ts';

// Each command is a process of its own, and a busy machine starts it slowly.
vi.setConfig({ testTimeout: 30_000 });

const TOPIC = 'projects/demo/topics/gmail';

let system: TestSystem;
let scheduler: SchedulerBeside;
beforeEach(async () => {
  scheduler = await schedulerBeside();
});
afterEach(async () => {
  await Promise.all([system.close(), scheduler.close()]);
});

/** Runs with push, has stored an order that a push announced, and has compared it with Gmail. */
async function watched(options: TestSystemOptions = {}): Promise<void> {
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

const examine = async (env: Record<string, string> = {}) => await runDoctor([], { ...system.env, ...env });
const asText = async (env: Record<string, string> = {}) =>
  await runToEnd('doctor', [], { METADATA_SERVER_DETECTION: 'none', ...system.env, ...env });

describe('npm run doctor', () => {
  it('finds nothing wrong with a system that runs, and shows no secret', async () => {
    await watched();
    const { code, output } = await asText({ NO_COLOR: '1' });
    expect(output).toContain('All is well.');
    expect(code).toBe(0);
    expect(output).toContain('answers for the mailbox orders@example.com');
    expect(output).toMatch(/^ok {4}database +PostgreSQL \d+/m);
    expect(output).toContain('orders@example.com is watching, 1 stored');
    expect(output).toMatch(
      /^note {2}publishing status .*says nothing.*console\.cloud\.google\.com\/auth\/audience/m,
    );
    expect(output).toContain('Gmail 1 = stored 1, pending 0, failed 0, ignored 0, gone 0, missing 0');
    for (const name of ['GMAIL_CLIENT_SECRET', 'GMAIL_REFRESH_TOKEN', 'DATABASE_URL']) {
      expect(output).not.toContain(system.env[name]);
    }
    expect(output).not.toContain('\u001b');
  });

  it('answers programs with names that stay, and changes nothing', async () => {
    await watched();
    const state = async () => await system.rows('select m.*, s.* from mailboxes m, email_monitor_status s');
    const before = await state();
    system.gmail.callLog.reset();
    const output = await examine();
    expectProblems(output, {});
    expect(output.findings.map((finding) => finding.name).join(' ')).toBe(
      'node environment database migrations grants status_row clock credentials scope publishing_status gmail_api ' +
        'history_cursor quota scheduler_job cycles mailbox pending failing dead completeness listing watch last_push topic ' +
        'publisher subscription',
    );
    expect(await state()).toEqual(before);
    expect(system.gmail.callLog.calls.reduce((sum, call) => sum + call.units, 0)).toBe(3);
  });

  it('colours its words on request of a terminal only', async () => {
    await watched();
    expect((await asText({ FORCE_COLOR: '1' })).output).toContain('\u001b[32mok');
  });

  it('names each fault of the configuration, and looks no further', async () => {
    await watched();
    const { code, findings } = await examine({ DATABASE_URL: '', LOG_LEVEL: 'loud' });
    const faults = findings.filter((finding) => finding.state === 'fail');
    expect(faults.map((finding) => finding.name)).toEqual(['environment', 'environment']);
    expect(faults.map((finding) => finding.text).join('\n')).toMatch(
      /LOG_LEVEL must be one of[\s\S]*DATABASE_URL is missing/,
    );
    expect(faults[0]?.remediation).toContain('.env.example');
    expect([code, findings.at(-1)?.state]).toEqual([2, 'skip']);
  });
});

describe('the doctor on a broken database', () => {
  it('tells one that does not answer, and looks at Gmail all the same', async () => {
    await watched();
    const env = { DATABASE_URL: `postgres://operator:hidden-word@127.0.0.1:${await freePort()}/orders` };
    const output = await examine(env);
    expectProblems(output, { database: ['fail', /ECONNREFUSED/, /Check that PostgreSQL runs/] });
    expect(output.findings.find(({ name }) => name === 'gmail_api')?.state).toBe('ok');
    expect(JSON.stringify(output)).not.toContain('hidden-word');
  });

  it('names the migrations that are missing', async () => {
    await watched();
    const [last] = await system.rows<{ name: string }>(
      'delete from schema_migrations where id = (select max(id) from schema_migrations) returning name',
    );
    expectProblems(await examine(), {
      migrations: ['fail', new RegExp(`not applied yet: ${last?.name}$`), /npm run migrate/],
    });
  });

  it('names the migrations that it does not know', async () => {
    await watched();
    await system.db.query("insert into schema_migrations (name, run_on) values ('9999_later', now())");
    expectProblems(await examine(), {
      migrations: ['fail', /newer than this code: 9999_later/, /Use the code/],
    });
  });

  it('names the table that an account of the deployment lost, or never had', async () => {
    await watched();
    const account = `email-monitor-poll-now@${randomUUID().slice(0, 8)}.iam`;
    const env = { DB_ACCOUNTS: `poll-now=${account}` };
    expectProblems(await examine(env), { grants: ['fail', /is no user of the database/, /npm run migrate/] });
    await system.db.query(`create role "${account}" login password '${new URL(system.db.url).password}'`);
    try {
      await migrate({ kind: 'url', url: system.db.url }, [{ part: 'poll-now', account }]);
      expectProblems(await examine(env), {});
      await system.db.query(`revoke insert on email_raw from "${account}"`);
      const lack = /poll-now@\w+\.iam: insert on email_raw$/;
      expectProblems(await examine(env), { grants: ['fail', lack, /npm run migrate/] });
      // The same, logged in as that account, which its name gives away.
      const own = new URL(system.db.url);
      own.username = encodeURIComponent(account);
      expectProblems(await examine({ DATABASE_URL: own.href }), {
        migrations: ['warn', /cannot be looked at/, /owns the tables/],
        grants: ['fail', lack, /npm run migrate/],
      });
    } finally {
      await system.db.query(`drop owned by "${account}"`);
      await system.db.query(`drop role "${account}"`);
    }
  });
});

describe('the doctor on broken access to Gmail', () => {
  it('names the credential that is missing', async () => {
    await watched();
    const { findings } = await examine({ GMAIL_REFRESH_TOKEN: '' });
    expect(findings.find(({ name }) => name === 'credentials')).toMatchObject({
      state: 'fail',
      text: 'not set: GMAIL_REFRESH_TOKEN',
      remediation: expect.stringContaining('npm run authorize'),
    });
  });

  it('names a refresh token that was taken away', async () => {
    await watched();
    system.gmail.revokeRefreshToken();
    expectProblems(await examine(), { credentials: ['fail', /invalid_grant/, /npm run authorize/] });
  });

  it('names another client secret', async () => {
    await watched();
    expectProblems(await examine({ GMAIL_CLIENT_SECRET: 'another' }), {
      credentials: ['fail', /invalid_client/, /GMAIL_CLIENT_SECRET/],
    });
  });

  it('names a scope that does not allow reading', async () => {
    await watched();
    // Only the doctor meets it: whoever agreed the last time left the box empty.
    system.gmail.oauth.narrowScope('https://www.googleapis.com/auth/gmail.metadata');
    expectProblems(await examine(), {
      scope: ['fail', /gmail\.metadata does not allow/, /agree to reading/],
    });
  });

  it('warns of a token whose end Google names', async () => {
    await watched();
    system.gmail.oauth.refreshTokenSeconds = 3 * 86_400;
    expectProblems(await examine(), {
      publishing_status: ['warn', /dies in 3\.0 days, as in status "Testing"/, /auth\/audience/],
    });
  });

  it('tells a Gmail API that is not enabled', async () => {
    await watched();
    const reason = 'accessNotConfigured';
    system.gmail.faults.add({ kind: 'status', status: 403, reason, method: 'getProfile' });
    expectProblems(await examine(), { gmail_api: ['fail', /accessNotConfigured/, /Enable the Gmail API/] });
  });

  it('warns of a cursor that Gmail no longer knows', async () => {
    await watched();
    await system.db.query('update mailboxes set cursor_history_id = 1');
    system.gmail.faults.add({ kind: 'status', status: 404, reason: 'notFound', method: 'history.list' });
    expectProblems(await examine(), {
      history_cursor: ['warn', /no longer knows the history from 1 on/, /POST poll-now/],
    });
  });

  it('warns of calls that Gmail rate-limited within the hour', async () => {
    await watched();
    await system.db.query(
      'update ingest_runs set rate_limited_count = 7 where id = (select max(id) from ingest_runs)',
    );
    await system.db.query(
      "insert into ingest_runs (trigger, rate_limited_count, started_at) values ('schedule', 90, now() - interval '2 hours')",
    );
    expectProblems(await examine(), {
      quota: [
        'warn',
        /\d+ of 6000 units per minute are spent, 7 calls were rate-limited in the last hour/,
        /^Lower GMAIL_QUOTA_UNITS_PER_MINUTE/,
      ],
    });
  });
});

describe('the doctor on a broken clock', () => {
  it('warns of a Google whose clock is another', async () => {
    await watched();
    const late = await behindTheTimes(system.server.rootUrl, 60_000);
    try {
      expectProblems(await examine({ GMAIL_API_ROOT_URL: late.url }), {
        clock: ['warn', /the database [+-]0\.\d s, Google -(59|60)\.\d s/, /NTP/],
      });
    } finally {
      late.close();
    }
  });
});

describe('the doctor on a broken scheduler job', () => {
  it('compares it with the is_running flag', async () => {
    await watched();
    scheduler.scheduler.pause(JOB);
    expectProblems(await examine(), {
      scheduler_job: ['fail', /paused, and the monitor is on/, /POST start/],
    });
  });

  it('misses one that does not exist', async () => {
    await watched();
    expectProblems(await examine({ SCHEDULER_JOB: `${JOB}-of-another` }), {
      scheduler_job: ['fail', /does not exist/, /SCHEDULER_JOB/],
    });
  });

  it('tells a Cloud Scheduler that does not answer', async () => {
    await watched();
    const nowhere = { CLOUD_SCHEDULER_EMULATOR_HOST: `127.0.0.1:${await freePort()}` };
    expectProblems(await examine(nowhere), { scheduler_job: ['fail', /Reading/, /Call again/] });
  });

  it('misses the cycles that it does not bring about', async () => {
    await watched();
    await system.db.query(
      "update email_monitor_status set last_poll_at = now() - interval '1 hour', updated_at = now() - interval '1 hour'",
    );
    await system.db.query("update mailboxes set last_run_at = now() - interval '1 hour'");
    expectProblems(await examine(), { cycles: ['fail', /none since/, /scheduler job/] });
  });

  it('warns of a monitor that is stopped', async () => {
    await watched();
    await system.call('stop');
    expectProblems(await examine(), { cycles: ['warn', /the monitor is stopped/, /POST start/] });
  });
});

describe('the doctor on a mailbox in trouble', () => {
  it('names what needs a person', async () => {
    await watched();
    await system.db.query(
      `update mailboxes
       set failure_count = 3, last_error_code = 'reauth_required', last_error = 'OAuth token: 400 invalid_grant.'`,
    );
    expectProblems(await examine(), {
      mailbox: ['fail', /reauth_required after 3 failed cycles/, /npm run authorize/],
    });
  });

  it('warns of cycles that fail and may heal', async () => {
    await watched();
    await system.db.query(
      "update mailboxes set failure_count = 2, last_error_code = 'gmail_unavailable', last_error = '503.', next_poll_at = now() + interval '9 seconds'",
    );
    expectProblems(await examine(), { mailbox: ['warn', /backing_off after 2 failed/, /tried again/] });
  });

  it('counts the dead', async () => {
    await watched();
    await system.db.query(
      "insert into email_ledger (mailbox_id, gmail_message_id, source, state) values (1, 'a', 'history', 'dead')",
    );
    expectProblems(await examine(), { dead: ['fail', /1 message failed every time/, /npm run retry-dead/] });
  });

  it('warns of messages that wait after failures, with error and next attempt', async () => {
    await watched();
    await system.db.query(
      `insert into email_ledger
         (mailbox_id, gmail_message_id, source, state, error_code, error_detail, last_attempt_at, next_attempt_at)
       values (1, 'c', 'history', 'pending', 'gmail_unavailable', '503.', now(), now() + interval '1 minute')`,
    );
    expectProblems(await examine(), {
      failing: [
        'warn',
        /1 message waits after failures \(gmail_unavailable: 503\.\), next attempt at/,
        /next attempt/,
      ],
    });
  });

  it('warns of messages that wait too long', async () => {
    await watched();
    await system.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, discovered_at)
       values (1, 'b', 'backfill', 'pending', now() - interval '13 hours')`,
    );
    expectProblems(await examine(), { pending: ['warn', /1 message waits, the oldest since/, /poll-now/] });
  });

  it('warns of mail that was missing, and of a reconciliation that is old', async () => {
    await watched();
    await system.db.query("insert into incidents (mailbox_id, kind) values (1, 'missing_found')");
    expectProblems(await examine(), {
      completeness: ['warn', /open incidents: missing_found/, /reconcile=all/],
    });
    await system.db.query('update incidents set closed_at = now()');
    await system.db.query("update reconciliations set evaluated_at = now() - interval '4 hours'");
    expectProblems(await examine(), { completeness: ['warn', /hours ago/, /reconcile=all/] });
  });

  it('names a listing that Gmail refuses', async () => {
    await watched();
    await system.db.query(
      `insert into list_jobs (mailbox_id, purpose, query, error_code, error_detail, not_before)
       values (1, 'initial', 'in:nowhere', 'gmail_refused', 'users.messages.list: 400.', now() + interval '1 hour')`,
    );
    expectProblems(await examine(), {
      listing: ['fail', /Gmail refuses "in:nowhere".*asked again by itself/, /GMAIL_INITIAL_QUERY/],
    });
  });
});

describe('the doctor on broken push', () => {
  it('names why the watch could not be set up', async () => {
    await watched();
    await system.db.query("update mailbox_watches set error_code = 'watch_denied', error = '403.'");
    expectProblems(await examine(), { watch: ['fail', /watch_denied/, /Grant roles\/pubsub\.publisher/] });
  });

  it('tells a watch that has run out, or will within the day', async () => {
    await watched();
    await system.db.query("update mailbox_watches set expires_at = now() + interval '20 hours'");
    expectProblems(await examine(), { watch: ['warn', /was not renewed/, /POST start/] });
    await system.db.query("update mailbox_watches set expires_at = now() - interval '1 minute'");
    expectProblems(await examine(), { watch: ['fail', /ran out/, /POST start/] });
  });

  it('names a watch that is silent, with topic, subscription and endpoint', async () => {
    await watched();
    await system.db.query('update mailboxes set pushed_at = null');
    await system.db.query("update mailbox_watches set registered_at = now() - interval '3 minutes'");
    expectProblems(await examine(), {
      watch: [
        'fail',
        /push_silent, Gmail publishes to .* but no push has arrived/,
        /push subscription .*endpoint/,
      ],
    });
  });

  it('warns of pushes that do not come, though mail does', async () => {
    await watched();
    await system.db.query("update mailboxes set pushed_at = now() - interval '3 hours'");
    await system.db.query("update email_ledger set discovered_at = now() - interval '5 minutes'");
    expectProblems(await examine(), {
      last_push: [
        'warn',
        /3 h ago.*the last mail 5 min ago.*do not arrive/,
        /gmail-push answers in its log/,
      ],
    });
  });

  it('does not take for well what it may not look at', async () => {
    await watched();
    // No emulated Gmail stands for Pub/Sub here, and no credentials of Google are on this machine.
    const real = await behindTheTimes(system.server.rootUrl, 0, '0.0.0.0');
    try {
      const env = { GMAIL_API_ROOT_URL: real.url, HOME: '/nonexistent' };
      const look = /cannot be looked at: No Google credentials/;
      const remediation = /gcloud auth application-default login/;
      expectProblems(await examine(env), {
        topic: ['warn', look, remediation],
        publisher: ['warn', look, remediation],
        subscription: ['warn', look, remediation],
      });
    } finally {
      real.close();
    }
  });
});

/** The emulated Gmail with a clock of its own: the same answers, with another date. */
async function behindTheTimes(rootUrl: string, ms: number, host = '127.0.0.1') {
  const server = createServer((from, to) => {
    const target = new URL(from.url ?? '/', rootUrl);
    from.pipe(
      request(target, { method: from.method, headers: from.headers }, (answer) => {
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
