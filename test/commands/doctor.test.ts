import { afterEach, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../local/ports.ts';
import { EmulatedScheduler } from '../../local/scheduler/emulated-scheduler.ts';
import { startEmulatedScheduler } from '../../local/scheduler/server.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { order } from '../helpers/mails.ts';
import { createWorld, type World, type WorldOptions } from '../helpers/world.ts';

// Each command is a process of its own, and a busy machine starts it slowly.
vi.setConfig({ testTimeout: 30_000 });

let world: World;
afterEach(async () => await world.close());

/** Runs, and has stored an order. */
async function watched(options?: WorldOptions): Promise<void> {
  world = await createWorld(options);
  await world.switchOn();
  world.gmail.deliver(order(1));
  await world.ingest();
}

async function examine(env: Record<string, string> = {}) {
  const { code, output } = await runToEnd('doctor', [], { ...world.env, ...env });
  const lines = output.split('\n').filter((line) => /^(ok|FAIL|skip) /.test(line));
  return { code, output, lines, failed: lines.filter((line) => line.startsWith('FAIL')) };
}

describe('npm run doctor', () => {
  it('finds nothing wrong with a system that runs, and shows no secret', async () => {
    await watched();
    const { code, output, failed } = await examine();
    expect(failed).toEqual([]);
    expect(code).toBe(0);
    expect(output).toContain('answers for the mailbox orders@example.com');
    expect(output).toMatch(/^ok {4}database +PostgreSQL \d+/m);
    expect(output).toContain('orders@example.com is watching, 1 stored');
    for (const name of ['GMAIL_CLIENT_SECRET', 'GMAIL_REFRESH_TOKEN', 'DATABASE_URL']) {
      expect(output).not.toContain(world.env[name]);
    }
  });

  it('names each fault of the configuration, and looks no further', async () => {
    await watched();
    const { code, failed, lines } = await examine({ DATABASE_URL: '', LOG_LEVEL: 'loud' });
    expect(code).toBe(1);
    expect(failed.join('\n')).toContain('LOG_LEVEL must be one of');
    expect(failed.join('\n')).toContain('DATABASE_URL is missing');
    expect(lines.at(-1)).toMatch(/^skip/);
  });

  it('tells a database that does not answer, and looks at Gmail all the same', async () => {
    await watched();
    const { code, output, failed } = await examine({
      DATABASE_URL: `postgres://operator:hidden-word@127.0.0.1:${await freePort()}/orders`,
    });
    expect([code, failed]).toEqual([1, [expect.stringContaining('ECONNREFUSED')]]);
    expect(output).toContain('answers for the mailbox orders@example.com');
    expect(output).not.toContain('hidden-word');
  });

  it('names the migrations that are missing, or that it does not know', async () => {
    await watched();
    const [last] = await world.rows<{ name: string }>(
      'delete from schema_migrations where id = (select max(id) from schema_migrations) returning name',
    );
    expect((await examine()).failed).toEqual([
      expect.stringMatching(new RegExp(`^FAIL  schema .*${last?.name}.*npm run migrate`)),
    ]);
    await world.db.query(
      "insert into schema_migrations (name, run_on) values ($1, now()), ('9999_later', now())",
      [last?.name],
    );
    expect((await examine()).failed).toEqual([expect.stringContaining('newer than this code: 9999_later')]);
  });

  it('names what is wrong with the credentials', async () => {
    await watched({ gmail: { scope: 'https://www.googleapis.com/auth/gmail.metadata' } });
    expect((await examine({ GMAIL_REFRESH_TOKEN: '' })).failed).toEqual([
      expect.stringMatching(/not set: GMAIL_REFRESH_TOKEN.*npm run authorize/),
    ]);
    expect((await examine()).failed[0]).toMatch(/scope +gmail\.metadata does not allow reading/);
    expect((await examine({ GMAIL_CLIENT_SECRET: 'another' })).failed[0]).toContain('invalid_client');
    world.gmail.revokeRefreshToken();
    expect((await examine()).failed[0]).toContain('invalid_grant');
  });

  it('tells a Gmail API that is not enabled', async () => {
    await watched();
    world.gmail.faults.add({
      kind: 'status',
      status: 403,
      reason: 'accessNotConfigured',
      method: 'getProfile',
    });
    expect((await examine()).failed).toEqual([
      expect.stringMatching(/Gmail API .*accessNotConfigured.*Enable the Gmail API/),
    ]);
  });

  it('compares the scheduler job with the switch', async () => {
    await watched();
    const location = 'projects/p/locations/l';
    const scheduler = new EmulatedScheduler();
    scheduler.create(location, {
      name: `${location}/jobs/poll`,
      schedule: '* * * * *',
      httpTarget: { uri: 'http://127.0.0.1/' },
    });
    const emulator = await startEmulatedScheduler(scheduler, { tickMs: 0 });
    const env = {
      SCHEDULER_JOB: `${location}/jobs/poll`,
      CLOUD_SCHEDULER_EMULATOR_HOST: emulator.host,
    };
    expect((await examine(env)).failed).toEqual([]);
    scheduler.pause(`${location}/jobs/poll`);
    expect((await examine(env)).failed).toEqual([
      expect.stringMatching(/scheduler job +paused, and the monitor is on.*POST start/),
    ]);
    expect((await examine({ ...env, SCHEDULER_JOB: `${location}/jobs/other` })).failed).toEqual([
      expect.stringContaining('does not exist'),
    ]);
    await emulator.close();
    expect((await examine(env)).failed).toEqual([expect.stringMatching(/scheduler job .*Call again/)]);
  });

  it('names what needs a person in the mailbox', async () => {
    await watched();
    await world.db.query(
      `update mailboxes
       set failure_count = 3, last_error_code = 'reauth_required', last_error = 'OAuth token: 400 invalid_grant.'`,
    );
    await world.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, discovered_at)
       values (1, 'a', 'history', 'dead', now()), (1, 'b', 'history', 'pending', now() - interval '13 hours')`,
    );
    await world.db.query(
      `insert into listings (mailbox_id, purpose, query, error_code, error_detail)
       values (1, 'initial', 'in:nowhere', 'gmail_refused', 'users.messages.list: 400.')`,
    );
    await world.db.query("insert into incidents (mailbox_id, kind) values (1, 'missing_found')");
    await world.db.query(
      'update mailboxes set proved_at = now(), proved_gmail_count = 5, proved_missing_count = 1',
    );
    await world.db.query("update email_monitor_status set last_poll_at = now() - interval '1 hour'");
    const { code, failed } = await examine();
    expect(code).toBe(1);
    expect(failed).toEqual([
      expect.stringContaining('cycles'),
      expect.stringMatching(/reauth_required after 3 failed cycles.*npm run authorize/),
      expect.stringContaining('1 message waits, the oldest since'),
      expect.stringMatching(/1 message failed every time.*poll-now\?retry=dead/),
      expect.stringContaining('open incidents: missing_found'),
      expect.stringMatching(/Gmail refuses "in:nowhere".*asked again by itself.*npm run backfill/),
    ]);
  });
});
