import { describe, expect, test } from 'vitest';
import { CallGate } from '../helpers/call-gate.ts';
import { expireLease, mailboxRow } from '../helpers/leased-mailbox.ts';
import { mail, order } from '../helpers/mails.ts';
import { incompleteEmails, ledger, storedBytes, storedIds } from '../helpers/stored.ts';
import type { World, WorldOptions } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();
const LEASE = { mailboxId: 1, token: '' };

async function watched(options?: WorldOptions): Promise<World> {
  const world = await createWorld(options);
  await world.ingest();
  return world;
}

function deliver(world: World, count: number): string[] {
  return Array.from({ length: count }, (_, n) => world.gmail.deliver(order(n)).id).sort();
}

/** A world in which calls of `method` are held from now on. */
async function held(world: World, gate: CallGate, method: string) {
  gate.hold(world.gmail, method);
  const running = world.ingest();
  await gate.arrival();
  return { running };
}

describe('the first start', () => {
  test('pins the mailbox before it lists, so that mail arriving meanwhile is live mail', async () => {
    const gate = new CallGate();
    const world = await createWorld({ gmail: { timers: gate.timers } });
    const old = deliver(world, 3);
    const pinned = world.gmail.historyId;
    const { running } = await held(world, gate, 'messages.list');
    const { id } = world.gmail.deliver(mail('Meanwhile'));
    gate.release();
    await running;
    expect(await world.rows('select cursor_before from ingest_runs order by id limit 1')).toEqual([
      { cursor_before: pinned },
    ]);
    await world.ingest();
    expect(await storedIds(world)).toEqual([...old, id].sort());
  });

  test('takes what its query names, and everything after it', async () => {
    const world = await createWorld({ env: { GMAIL_INITIAL_QUERY: 'subject:wanted' } });
    const wanted = world.gmail.deliver(mail('Wanted'), { labelIds: [] });
    world.gmail.deliver(mail('Other'));
    await world.ingest();
    const after = world.gmail.deliver(mail('Other again'));
    await world.ingest();
    expect(await storedIds(world)).toEqual([wanted.id, after.id].sort());
  });

  test('goes on where it was killed, also with mail that arrived since', async () => {
    const world = await createWorld();
    const ids = Array.from({ length: 1_200 }, (_, n) => world.gmail.deliver(mail(`${n}`)).id);
    // The third page is the one that ends the process: its answer never comes.
    world.gmail.faults.add({ kind: 'status', status: 401, method: 'messages.list', skip: 2 });
    expect(await world.ingest()).toMatchObject({ outcome: 'failed', counts: { discovered: 1_000 } });
    ids.push(world.gmail.deliver(mail('Meanwhile')).id);
    world.gmail.faults.clear();
    world.gmail.resetCounters();
    await world.instance().ingest({ budgetMs: 4_600 });
    expect(world.gmail.callLog.countByMethod['messages.list']).toBe(1);
    expect(Object.keys(await ledger(world)).sort()).toEqual(ids.sort());
  });

  test('starts its listing over when Gmail no longer knows the page', async () => {
    const world = await createWorld();
    const ids = Array.from({ length: 600 }, (_, n) => world.gmail.deliver(mail(`${n}`)).id);
    world.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'invalidArgument',
      method: 'messages.list',
      skip: 1,
      times: 1,
    });
    await world.ingest({ budgetMs: 4_600 });
    expect(Object.keys(await ledger(world)).sort()).toEqual(ids.sort());
    expect(world.gmail.callLog.countByMethod['messages.list']).toBe(4);
  });

  test('finds mail that came just before it and that the search did not show yet', async () => {
    const world = await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    world.gmail.indexLag.listMs = 3_000;
    const { id } = world.gmail.deliver(mail('Just before'));
    await world.ingest();
    expect(await storedIds(world)).toEqual([]);
    await world.pass(91);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
  });

  test('of two instances at once is one start', async () => {
    const world = await createWorld();
    const ids = deliver(world, 5);
    const reports = await Promise.all([world.ingest(), world.instance().ingest(), world.instance().ingest()]);
    expect(reports.map((report) => report.outcome).sort()).toEqual(['busy', 'busy', 'completed']);
    expect(await storedIds(world)).toEqual(ids);
    expect(await world.rows("select 1 from list_jobs where purpose = 'initial'")).toHaveLength(1);
  });

  test('without credentials does nothing, successfully', async () => {
    const world = await createWorld();
    const bare = world.instance({ GMAIL_REFRESH_TOKEN: '' });
    expect(await bare.ingest()).toMatchObject({ outcome: 'not_configured', error: null });
    expect(world.gmail.callLog.calls).toEqual([]);
  });
});

describe('history that lags behind its notifications', () => {
  test('is looked for again while the push is fresh', async () => {
    const world = await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await world.ingest();
    await world.switchOn();
    world.gmail.indexLag.historyMs = 2_500;
    const { id } = world.gmail.deliver(mail('Order'));
    await world.call('gmailPush', { body: notification(world, world.gmail.historyId) });
    expect(await storedIds(world)).toEqual([id]);
    expect(world.sleeps.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(7_000);
  });

  test('a record that turns up behind newer ones is found, and the cursor waited for it', async () => {
    const world = await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await world.ingest();
    world.gmail.indexLag.nextRecordMs = 60_000;
    const late = world.gmail.deliver(mail('Late'));
    const prompt = world.gmail.deliver(mail('Prompt'));
    await world.ingest();
    expect(await storedIds(world)).toEqual([prompt.id]);
    await world.pass(61);
    await world.ingest();
    expect(await storedIds(world)).toEqual([late.id, prompt.id].sort());
    // The cursor waited for the settle time, and is then at Gmail's current history id.
    for (let n = 0; n < 3; n += 1) {
      await world.pass(91);
      await world.ingest();
    }
    expect((await mailboxRow(world.db, LEASE)).cursor_history_id).toBe(world.gmail.historyId);
  });

  test('empty pages with a token are gone through', async () => {
    const world = await watched();
    world.gmail.emptyHistoryPages = 3;
    const ids = deliver(world, 2);
    await world.ingest();
    expect(await storedIds(world)).toEqual(ids);
  });

  test('that is longer than a run moves the cursor in each run after the settle time, and ends', async () => {
    const world = await watched({ skipsDelays: true });
    const ids = Array.from({ length: 1_800 }, (_, n) => world.gmail.deliver(mail(`${n}`)).id).sort();
    // Each page after the first of a listing takes so long that the run ends the listing there.
    const slow = { kind: 'delay', delayMs: 9_000, method: 'history.list' } as const;
    const cursors: bigint[] = [];
    for (let n = 0; n < 20; n += 1) {
      const fault = world.gmail.faults.add(slow);
      await world.ingest({ budgetMs: 3_000 + 21_000 });
      world.gmail.faults.remove(fault);
      cursors.push(BigInt((await mailboxRow(world.db, LEASE)).cursor_history_id));
      if (cursors.at(-1) === BigInt(world.gmail.historyId)) break;
      if (n > 1) expect(cursors.at(-1)).toBeGreaterThan(cursors.at(-2) ?? 0n);
    }
    expect(cursors.at(-1)).toBe(BigInt(world.gmail.historyId));
    expect(Object.keys(await ledger(world)).sort()).toEqual(ids);
  });

  test('that is longer than a run does not hold back a live message behind it', async () => {
    const world = await watched({ skipsDelays: true });
    const old = world.gmail.deliver(mail('Old'));
    for (let n = 0; n < 1_500; n += 1)
      world.gmail.modifyLabels(old.id, n % 2 === 0 ? { add: ['STARRED'] } : { remove: ['STARRED'] });
    const { id } = world.gmail.deliver(mail('Live'));
    world.gmail.faults.add({ kind: 'delay', delayMs: 9_000, method: 'history.list' });
    expect(await world.ingest({ budgetMs: 3_000 + 35_000 })).toMatchObject({ outcome: 'out_of_time' });
    expect(await storedIds(world)).toContain(id);
  });
});

describe('a holder that comes too late', () => {
  test.each(['expired', 'replaced'])(
    'writes neither mail nor state when its lease is %s while it fetches',
    async (how) => {
      const gate = new CallGate();
      const world = await watched({ gmail: { timers: gate.timers } });
      const ids = deliver(world, 3);
      const { running } = await held(world, gate, 'messages.get');
      if (how === 'expired') await expireLease(world.db, LEASE);
      else {
        await world.db.query(
          "update mailboxes set lease_token = gen_random_uuid(), lease_holder = 'other', lease_expires_at = now() + interval '40 seconds'",
        );
      }
      const before = await mailboxRow(world.db, LEASE);
      gate.release();
      expect(await running).toMatchObject({
        outcome: 'failed',
        error: { code: 'lease_lost' },
        counts: { stored: 0 },
      });
      expect(await storedIds(world)).toEqual([]);
      const after = await mailboxRow(world.db, LEASE);
      for (const column of ['cursor_history_id', 'failure_count', 'last_success_at', 'last_error_code']) {
        expect([column, after[column]]).toEqual([column, before[column]]);
      }
      if (how === 'replaced') expect(after.lease_token).toBe(before.lease_token);
      // The next holder stores each once.
      await world.db.query('update mailboxes set lease_expires_at = null');
      await world.instance().ingest();
      expect(await storedIds(world)).toEqual(ids);
      expect(await incompleteEmails(world)).toEqual([]);
    },
  );

  test('leaves the end of a run to its successor', async () => {
    const gate = new CallGate();
    const world = await watched({ gmail: { timers: gate.timers } });
    const { running } = await held(world, gate, 'history.list');
    await world.db.query(
      "update mailboxes set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '40 seconds', failure_count = 4",
    );
    gate.release();
    await running;
    expect(await mailboxRow(world.db, LEASE)).toMatchObject({
      failure_count: 4,
      lease_token: expect.any(String),
    });
  });

  test('leaves it so also when it fails for a reason of its own', async () => {
    let isLost = false;
    const world: World = await watched({
      onSleep: async () => {
        if (isLost) return;
        isLost = true;
        await world.db.query(
          "update mailboxes set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '40 seconds'",
        );
      },
    });
    world.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    expect(await world.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
    expect(await mailboxRow(world.db, LEASE)).toMatchObject({
      failure_count: 0,
      lease_token: expect.any(String),
    });
    expect(await world.rows('select last_error_code from email_monitor_status')).toEqual([
      { last_error_code: null },
    ]);
    expect(await world.rows('select outcome from ingest_runs order by id desc limit 1')).toEqual([
      { outcome: 'failed' },
    ]);
  });
});

describe('a hint', () => {
  test('that arrives while somebody works is served before the lease goes back', async () => {
    const gate = new CallGate();
    const world = await watched({ gmail: { timers: gate.timers } });
    await world.switchOn();
    const first = deliver(world, 1);
    const { running } = await held(world, gate, 'messages.get');
    const { id } = world.gmail.deliver(mail('Meanwhile'));
    const pushed = world.instance();
    expect(
      await pushed.call('gmailPush', { body: notification(world, world.gmail.historyId) }),
    ).toMatchObject({
      status: 204,
    });
    expect(pushed.log.some((line) => line['outcome'] === 'busy')).toBe(true);
    gate.release();
    await running;
    expect(await storedIds(world)).toEqual([...first, id].sort());
  });

  test('beyond everything that Gmail lists holds nobody up for long', async () => {
    const world = await watched();
    await world.db.query('update mailboxes set hint_history_id = 18446744073709551615, hint_at = now()');
    expect(await world.ingest()).toMatchObject({ outcome: 'completed' });
    expect(world.sleeps).toEqual([400, 800, 1_600, 3_200]);
    expect((await mailboxRow(world.db, LEASE)).lease_token).toBeNull();
  });
});

describe('the switch', () => {
  test('off stops poll and push, not poll-now, and nothing is lost meanwhile', async () => {
    const world = await watched();
    const ids = deliver(world, 2);
    expect(await world.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'stopped' });
    await world.call('gmailPush', { body: notification(world, world.gmail.historyId) });
    expect(await storedIds(world)).toEqual([]);
    expect((await mailboxRow(world.db, LEASE)).hint_history_id).toBe(world.gmail.historyId);
    expect(await world.ingest({ trigger: 'manual' })).toMatchObject({
      outcome: 'completed',
      counts: { stored: 2 },
    });
    expect(await storedIds(world)).toEqual(ids);
  });
});

describe('after failures', () => {
  test('the wait doubles from 5 s up to 300 s, and a success ends it', async () => {
    const world = await watched();
    await world.switchOn();
    const fault = world.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    const waits: number[] = [];
    for (let n = 1; n <= 8; n += 1) {
      expect(await world.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'failed' });
      expect(await world.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'not_due' });
      expect(await world.ingest({ trigger: 'push' })).toMatchObject({ outcome: 'not_due' });
      const rows = await world.rows<{ s: number }>(
        'select round(extract(epoch from next_poll_at - (select max(finished_at) from ingest_runs)))::integer as s from mailboxes',
      );
      waits.push(rows[0]?.s ?? 0);
      await world.pass(301);
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 300, 300]);
    expect(await world.rows('select last_error_code from email_monitor_status')).toEqual([
      { last_error_code: 'gmail_unavailable' },
    ]);
    world.gmail.faults.remove(fault);
    expect(await world.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'completed' });
    expect(await mailboxRow(world.db, LEASE)).toMatchObject({
      failure_count: 0,
      next_poll_at: null,
      last_error: null,
    });
    expect(await world.rows('select last_error_code from email_monitor_status')).toEqual([
      { last_error_code: null },
    ]);
  });

  test('poll-now does not wait', async () => {
    const world = await watched();
    world.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list', times: 4 });
    expect(await world.ingest()).toMatchObject({ outcome: 'failed' });
    expect(await world.ingest({ trigger: 'manual' })).toMatchObject({ outcome: 'completed' });
  });

  test('a longer interval is kept after a success, for the schedule and not for pushes', async () => {
    const world = await createWorld({ env: { GMAIL_POLL_INTERVAL_SECONDS: '600' } });
    await world.switchOn();
    await world.ingest({ trigger: 'schedule' });
    expect(await world.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'not_due' });
    await world.pass(300);
    expect(await world.ingest({ trigger: 'push' })).toMatchObject({ outcome: 'completed' });
    await world.pass(296);
    expect(await world.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'completed' });
  });
});

describe('a refresh token that is revoked in the middle', () => {
  test('leaves cursor and ledger as they are, says so once, and costs no mail', async () => {
    const gate = new CallGate();
    const world = await watched({ gmail: { timers: gate.timers } });
    const ids = deliver(world, 12);
    const { running } = await held(world, gate, 'messages.get');
    world.gmail.revokeRefreshToken();
    gate.release();
    expect(await running).toMatchObject({ outcome: 'failed', error: { code: 'reauth_required' } });
    expect(world.log.filter((line) => line['severity'] === 'ERROR')).toHaveLength(1);
    expect(
      await world.rows(
        "select 1 from email_ledger where state = 'pending' and (attempt_count > 0 or claim_token is not null)",
      ),
    ).toEqual([]);
    const before = await mailboxRow(world.db, LEASE);
    expect(await world.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'reauth_required' } });
    expect((await mailboxRow(world.db, LEASE)).cursor_history_id).toBe(before.cursor_history_id);
    world.gmail.reauthorize('1//new-token');
    const cured = world.instance({ GMAIL_REFRESH_TOKEN: '1//new-token' });
    expect(await cured.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(world)).toEqual(ids);
    expect(await world.rows('select 1 from mailboxes')).toHaveLength(1);
  });
});

describe('a database that goes away in the middle', () => {
  test.each([0, 1, 2, 3])('costs no mail, and the next run stores each once (try %i)', async (nth) => {
    const gate = new CallGate();
    const world = await watched({ gmail: { timers: gate.timers } });
    const ids = deliver(world, 20);
    const broken = world.instance();
    gate.hold(world.gmail, 'messages.get');
    const running = broken.ingest().catch((error: unknown) => error);
    await gate.arrival();
    for (let n = 0; n <= nth; n += 1) {
      await world
        .rows(
          `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and application_name = 'email-monitor'`,
        )
        .catch(() => undefined);
      gate.release();
    }
    await running;
    await world.pass(3_600);
    await world.ingest();
    await world.pass(3_600);
    await world.ingest();
    expect(await storedIds(world)).toEqual(ids);
    expect(await incompleteEmails(world)).toEqual([]);
    expect(await world.rows('select emails_processed_total as n from email_monitor_status')).toEqual([
      { n: 20 },
    ]);
  });

  test('charges no message for rows that it cannot write for a while', async () => {
    const world = await watched();
    const ids = deliver(world, 12);
    await world.db.query(`
      create function refuse() returns trigger language plpgsql as
      $$ begin raise exception 'disk full' using errcode = '53100'; end $$`);
    await world.db.query(
      'create trigger refuse before insert on incoming_emails for each row execute function refuse()',
    );
    expect(await world.ingest()).toMatchObject({
      outcome: 'failed',
      error: { code: 'database_unavailable' },
    });
    expect(
      await world.rows('select 1 from email_ledger where attempt_count > 0 or claim_token is not null'),
    ).toEqual([]);
    await world.db.query('drop trigger refuse on incoming_emails');
    await world.ingest();
    expect(await storedIds(world)).toEqual(ids);
  });

  test('for a moment at the end of a run leaves no lease behind that would stop everybody', async () => {
    const world = await watched();
    const ids = deliver(world, 2);
    await world.db.query('create sequence refusals');
    await world.db.query(`
      create function refuse_twice() returns trigger language plpgsql as
      $$ begin
        if nextval('refusals') <= 2 then raise exception 'starting up' using errcode = '57P03'; end if;
        return new;
      end $$`);
    await world.db.query(
      'create trigger refuse before update on ingest_runs for each row execute function refuse_twice()',
    );
    expect(await world.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await mailboxRow(world.db, LEASE)).toMatchObject({ lease_token: null, failure_count: 0 });
    expect(await storedIds(world)).toEqual(ids);
    expect(await world.rows('select outcome from ingest_runs order by id desc limit 1')).toEqual([
      { outcome: 'completed' },
    ]);
  });

  test('at the begin of a run leaves no lease behind either', async () => {
    const world = await watched();
    const ids = deliver(world, 2);
    await world.db.query('create sequence refusals');
    await world.db.query(`
      create function refuse_twice() returns trigger language plpgsql as
      $$ begin
        if nextval('refusals') <= 2 then raise exception 'starting up' using errcode = '57P03'; end if;
        return new;
      end $$`);
    await world.db.query(
      'create trigger refuse before insert on ingest_runs for each row execute function refuse_twice()',
    );
    await expect(world.ingest()).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await mailboxRow(world.db, LEASE)).toMatchObject({ lease_token: null });
    expect(await world.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(world)).toEqual(ids);
  });

  test('charges no message while the schema is older than the code', async () => {
    const world = await watched();
    const ids = deliver(world, 3);
    await world.db.query('alter table incoming_emails rename column subject to topic');
    for (let n = 0; n < 9; n += 1) {
      expect(await world.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'schema_outdated' } });
    }
    await world.db.query('alter table incoming_emails rename column topic to subject');
    await world.ingest();
    expect(await storedIds(world)).toEqual(ids);
  });
});

describe('the record of a run', () => {
  test('is one row and one line, with its counts', async () => {
    const world = await watched();
    // The first reconciliation.
    await world.ingest();
    const raw = order(1);
    const { id } = world.gmail.deliver(raw);
    world.log.length = 0;
    await world.ingest();
    expect((await storedBytes(world)).get(id)).toEqual(raw);
    const lines = world.log.filter((line) => line['event'] === 'run_finished');
    expect(lines).toEqual([
      expect.objectContaining({ outcome: 'completed', stored_count: 1, quota_units: 22 }),
    ]);
    expect(
      await world.rows('select outcome, stored_count, quota_units from ingest_runs order by id desc limit 1'),
    ).toEqual([{ outcome: 'completed', stored_count: 1, quota_units: 22 }]);
  });
});

function notification(world: World, historyId: string): unknown {
  const data = { emailAddress: world.gmail.emailAddress, historyId };
  return { message: { data: Buffer.from(JSON.stringify(data)).toString('base64'), messageId: '1' } };
}
