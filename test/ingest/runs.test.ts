import { describe, expect, test } from 'vitest';
import { CallGate } from '../helpers/call-gate.ts';
import { expireLease, mailboxRow } from '../helpers/leased-mailbox.ts';
import { mail, order } from '../helpers/mails.ts';
import { incompleteEmails, ledger, storedBytes, storedIds } from '../helpers/stored.ts';
import type { TestSystem, TestSystemOptions } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
const LEASE = { mailboxId: 1, token: '' };

async function watched(options?: TestSystemOptions): Promise<TestSystem> {
  const system = await createTestSystem(options);
  await system.ingest();
  return system;
}

function deliver(system: TestSystem, count: number): string[] {
  return Array.from({ length: count }, (_, n) => system.gmail.deliver(order(n)).id).sort();
}

/** A system in which calls of `method` are held from now on. */
async function held(system: TestSystem, gate: CallGate, method: string) {
  gate.hold(system.gmail, method);
  const running = system.ingest();
  await gate.arrival();
  return { running };
}

describe('the first start', () => {
  test('pins the mailbox before it lists, so that mail arriving meanwhile is live mail', async () => {
    const gate = new CallGate();
    const system = await createTestSystem({ gmail: { timers: gate.timers } });
    const old = deliver(system, 3);
    const pinned = system.gmail.historyId;
    const { running } = await held(system, gate, 'messages.list');
    const { id } = system.gmail.deliver(mail('Meanwhile'));
    gate.release();
    await running;
    expect(await system.rows('select cursor_before from ingest_runs order by id limit 1')).toEqual([
      { cursor_before: pinned },
    ]);
    await system.ingest();
    expect(await storedIds(system)).toEqual([...old, id].sort());
  });

  test('takes what its query names, and everything after it', async () => {
    const system = await createTestSystem({ env: { GMAIL_INITIAL_QUERY: 'subject:wanted' } });
    const wanted = system.gmail.deliver(mail('Wanted'), { labelIds: [] });
    system.gmail.deliver(mail('Other'));
    await system.ingest();
    const after = system.gmail.deliver(mail('Other again'));
    await system.ingest();
    expect(await storedIds(system)).toEqual([wanted.id, after.id].sort());
  });

  test('goes on where it was killed, also with mail that arrived since', async () => {
    const system = await createTestSystem();
    const ids = Array.from({ length: 1_200 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id);
    // The third page is the one that ends the process: its answer never comes.
    system.gmail.faults.add({ kind: 'status', status: 401, method: 'messages.list', skip: 2 });
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', counts: { discovered: 1_000 } });
    ids.push(system.gmail.deliver(mail('Meanwhile')).id);
    system.gmail.faults.clear();
    system.gmail.resetCounters();
    await system.instance().ingest({ budgetMs: 4_600 });
    expect(system.gmail.callLog.countByMethod['messages.list']).toBe(1);
    expect(Object.keys(await ledger(system)).sort()).toEqual(ids.sort());
  });

  test('starts its listing over when Gmail no longer knows the page', async () => {
    const system = await createTestSystem();
    const ids = Array.from({ length: 600 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id);
    system.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'invalidArgument',
      method: 'messages.list',
      skip: 1,
      times: 1,
    });
    await system.ingest({ budgetMs: 4_600 });
    expect(Object.keys(await ledger(system)).sort()).toEqual(ids.sort());
    expect(system.gmail.callLog.countByMethod['messages.list']).toBe(4);
  });

  test('finds mail that came just before it and that the search did not show yet', async () => {
    const system = await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    system.gmail.indexLag.listMs = 3_000;
    const { id } = system.gmail.deliver(mail('Just before'));
    await system.ingest();
    expect(await storedIds(system)).toEqual([]);
    await system.pass(91);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
  });

  test('of two instances at once is one start', async () => {
    const system = await createTestSystem();
    const ids = deliver(system, 5);
    const reports = await Promise.all([
      system.ingest(),
      system.instance().ingest(),
      system.instance().ingest(),
    ]);
    expect(reports.map((report) => report.outcome).sort()).toEqual(['busy', 'busy', 'completed']);
    expect(await storedIds(system)).toEqual(ids);
    expect(await system.rows("select 1 from list_jobs where purpose = 'initial'")).toHaveLength(1);
  });

  test('without credentials does nothing, successfully', async () => {
    const system = await createTestSystem();
    const bare = system.instance({ GMAIL_REFRESH_TOKEN: '' });
    expect(await bare.ingest()).toMatchObject({ outcome: 'not_configured', error: null });
    expect(system.gmail.callLog.calls).toEqual([]);
  });
});

describe('history that lags behind its notifications', () => {
  test('is looked for again while the push is fresh', async () => {
    const system = await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await system.ingest();
    await system.switchOn();
    system.gmail.indexLag.historyMs = 2_500;
    const { id } = system.gmail.deliver(mail('Order'));
    await system.call('gmailPush', { body: notification(system, system.gmail.historyId) });
    expect(await storedIds(system)).toEqual([id]);
    expect(system.sleeps.reduce((sum, ms) => sum + ms, 0)).toBeLessThan(7_000);
  });

  test('a record that turns up behind newer ones is found, and the cursor waited for it', async () => {
    const system = await createTestSystem({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    await system.ingest();
    system.gmail.indexLag.nextRecordMs = 60_000;
    const late = system.gmail.deliver(mail('Late'));
    const prompt = system.gmail.deliver(mail('Prompt'));
    await system.ingest();
    expect(await storedIds(system)).toEqual([prompt.id]);
    await system.pass(61);
    await system.ingest();
    expect(await storedIds(system)).toEqual([late.id, prompt.id].sort());
    // The cursor waited for the settle time, and is then at Gmail's current history id.
    for (let n = 0; n < 3; n += 1) {
      await system.pass(91);
      await system.ingest();
    }
    expect((await mailboxRow(system.db, LEASE)).cursor_history_id).toBe(system.gmail.historyId);
  });

  test('empty pages with a token are gone through', async () => {
    const system = await watched();
    system.gmail.emptyHistoryPages = 3;
    const ids = deliver(system, 2);
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
  });

  test('that is longer than a run moves the cursor in each run after the settle time, and ends', async () => {
    const system = await watched({ skipsDelays: true });
    const ids = Array.from({ length: 1_800 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id).sort();
    // Each page after the first of a listing takes so long that the run ends the listing there.
    const slow = { kind: 'delay', delayMs: 9_000, method: 'history.list' } as const;
    const cursors: bigint[] = [];
    for (let n = 0; n < 20; n += 1) {
      const fault = system.gmail.faults.add(slow);
      await system.ingest({ budgetMs: 3_000 + 21_000 });
      system.gmail.faults.remove(fault);
      cursors.push(BigInt((await mailboxRow(system.db, LEASE)).cursor_history_id));
      if (cursors.at(-1) === BigInt(system.gmail.historyId)) break;
      if (n > 1) expect(cursors.at(-1)).toBeGreaterThan(cursors.at(-2) ?? 0n);
    }
    expect(cursors.at(-1)).toBe(BigInt(system.gmail.historyId));
    expect(Object.keys(await ledger(system)).sort()).toEqual(ids);
  });

  test('that is longer than a run does not hold back a live message behind it', async () => {
    const system = await watched({ skipsDelays: true });
    const old = system.gmail.deliver(mail('Old'));
    for (let n = 0; n < 1_500; n += 1)
      system.gmail.modifyLabels(old.id, n % 2 === 0 ? { add: ['STARRED'] } : { remove: ['STARRED'] });
    const { id } = system.gmail.deliver(mail('Live'));
    system.gmail.faults.add({ kind: 'delay', delayMs: 9_000, method: 'history.list' });
    expect(await system.ingest({ budgetMs: 3_000 + 35_000 })).toMatchObject({ outcome: 'out_of_time' });
    expect(await storedIds(system)).toContain(id);
  });
});

describe('a holder that comes too late', () => {
  test.each(['expired', 'replaced'])(
    'writes neither mail nor state when its lease is %s while it fetches',
    async (how) => {
      const gate = new CallGate();
      const system = await watched({ gmail: { timers: gate.timers } });
      const ids = deliver(system, 3);
      const { running } = await held(system, gate, 'messages.get');
      if (how === 'expired') await expireLease(system.db, LEASE);
      else {
        await system.db.query(
          "update mailboxes set lease_token = gen_random_uuid(), lease_holder = 'other', lease_expires_at = now() + interval '40 seconds'",
        );
      }
      const before = await mailboxRow(system.db, LEASE);
      gate.release();
      expect(await running).toMatchObject({
        outcome: 'failed',
        error: { code: 'lease_lost' },
        counts: { stored: 0 },
      });
      expect(await storedIds(system)).toEqual([]);
      const after = await mailboxRow(system.db, LEASE);
      for (const column of ['cursor_history_id', 'failure_count', 'last_success_at', 'last_error_code']) {
        expect([column, after[column]]).toEqual([column, before[column]]);
      }
      if (how === 'replaced') expect(after.lease_token).toBe(before.lease_token);
      // The next holder stores each once.
      await system.db.query('update mailboxes set lease_expires_at = null');
      await system.instance().ingest();
      expect(await storedIds(system)).toEqual(ids);
      expect(await incompleteEmails(system)).toEqual([]);
    },
  );

  test('leaves the end of a run to its successor', async () => {
    const gate = new CallGate();
    const system = await watched({ gmail: { timers: gate.timers } });
    const { running } = await held(system, gate, 'history.list');
    await system.db.query(
      "update mailboxes set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '40 seconds', failure_count = 4",
    );
    gate.release();
    await running;
    expect(await mailboxRow(system.db, LEASE)).toMatchObject({
      failure_count: 4,
      lease_token: expect.any(String),
    });
  });

  test('leaves it so also when it fails for a reason of its own', async () => {
    let isLost = false;
    const system: TestSystem = await watched({
      onSleep: async () => {
        if (isLost) return;
        isLost = true;
        await system.db.query(
          "update mailboxes set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '40 seconds'",
        );
      },
    });
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
    expect(await mailboxRow(system.db, LEASE)).toMatchObject({
      failure_count: 0,
      lease_token: expect.any(String),
    });
    expect(await system.rows('select last_error_code from email_monitor_status')).toEqual([
      { last_error_code: null },
    ]);
    expect(await system.rows('select outcome from ingest_runs order by id desc limit 1')).toEqual([
      { outcome: 'failed' },
    ]);
  });
});

describe('a hint', () => {
  test('that arrives while somebody works is served before the lease goes back', async () => {
    const gate = new CallGate();
    const system = await watched({ gmail: { timers: gate.timers } });
    await system.switchOn();
    const first = deliver(system, 1);
    const { running } = await held(system, gate, 'messages.get');
    const { id } = system.gmail.deliver(mail('Meanwhile'));
    const pushed = system.instance();
    expect(
      await pushed.call('gmailPush', { body: notification(system, system.gmail.historyId) }),
    ).toMatchObject({
      status: 204,
    });
    expect(pushed.log.some((line) => line['outcome'] === 'busy')).toBe(true);
    gate.release();
    await running;
    expect(await storedIds(system)).toEqual([...first, id].sort());
  });

  test('beyond everything that Gmail lists holds nobody up for long', async () => {
    const system = await watched();
    await system.db.query('update mailboxes set hint_history_id = 18446744073709551615, hint_at = now()');
    expect(await system.ingest()).toMatchObject({ outcome: 'completed' });
    expect(system.sleeps).toEqual([400, 800, 1_600, 3_200]);
    expect((await mailboxRow(system.db, LEASE)).lease_token).toBeNull();
  });
});

describe('the switch', () => {
  test('off stops poll and push, not poll-now, and nothing is lost meanwhile', async () => {
    const system = await watched();
    const ids = deliver(system, 2);
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'stopped' });
    await system.call('gmailPush', { body: notification(system, system.gmail.historyId) });
    expect(await storedIds(system)).toEqual([]);
    expect((await mailboxRow(system.db, LEASE)).hint_history_id).toBe(system.gmail.historyId);
    expect(await system.ingest({ trigger: 'manual' })).toMatchObject({
      outcome: 'completed',
      counts: { stored: 2 },
    });
    expect(await storedIds(system)).toEqual(ids);
  });
});

describe('after failures', () => {
  test('the wait doubles from 5 s up to 300 s, and a success ends it', async () => {
    const system = await watched();
    await system.switchOn();
    const fault = system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    const waits: number[] = [];
    for (let n = 1; n <= 8; n += 1) {
      expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'failed' });
      expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'not_due' });
      expect(await system.ingest({ trigger: 'push' })).toMatchObject({ outcome: 'not_due' });
      const rows = await system.rows<{ s: number }>(
        'select round(extract(epoch from next_poll_at - (select max(finished_at) from ingest_runs)))::integer as s from mailboxes',
      );
      waits.push(rows[0]?.s ?? 0);
      await system.pass(301);
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 300, 300]);
    expect(await system.rows('select last_error_code from email_monitor_status')).toEqual([
      { last_error_code: 'gmail_unavailable' },
    ]);
    system.gmail.faults.remove(fault);
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'completed' });
    expect(await mailboxRow(system.db, LEASE)).toMatchObject({
      failure_count: 0,
      next_poll_at: null,
      last_error: null,
    });
    expect(await system.rows('select last_error_code from email_monitor_status')).toEqual([
      { last_error_code: null },
    ]);
  });

  test('poll-now does not wait', async () => {
    const system = await watched();
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list', times: 4 });
    expect(await system.ingest()).toMatchObject({ outcome: 'failed' });
    expect(await system.ingest({ trigger: 'manual' })).toMatchObject({ outcome: 'completed' });
  });

  test('a longer interval is kept after a success, for the schedule and not for pushes', async () => {
    const system = await createTestSystem({ env: { GMAIL_POLL_INTERVAL_SECONDS: '600' } });
    await system.switchOn();
    await system.ingest({ trigger: 'schedule' });
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'not_due' });
    await system.pass(300);
    expect(await system.ingest({ trigger: 'push' })).toMatchObject({ outcome: 'completed' });
    await system.pass(296);
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'completed' });
  });
});

describe('a refresh token that is revoked in the middle', () => {
  test('leaves cursor and ledger as they are, says so once, and costs no mail', async () => {
    const gate = new CallGate();
    const system = await watched({ gmail: { timers: gate.timers } });
    const ids = deliver(system, 12);
    const { running } = await held(system, gate, 'messages.get');
    system.gmail.revokeRefreshToken();
    gate.release();
    expect(await running).toMatchObject({ outcome: 'failed', error: { code: 'reauth_required' } });
    expect(system.log.filter((line) => line['severity'] === 'ERROR')).toHaveLength(1);
    expect(
      await system.rows(
        "select 1 from email_ledger where state = 'pending' and (attempt_count > 0 or claim_token is not null)",
      ),
    ).toEqual([]);
    const before = await mailboxRow(system.db, LEASE);
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'reauth_required' } });
    expect((await mailboxRow(system.db, LEASE)).cursor_history_id).toBe(before.cursor_history_id);
    system.gmail.reauthorize('1//new-token');
    const cured = system.instance({ GMAIL_REFRESH_TOKEN: '1//new-token' });
    expect(await cured.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(system)).toEqual(ids);
    expect(await system.rows('select 1 from mailboxes')).toHaveLength(1);
  });
});

describe('a database that goes away in the middle', () => {
  test.each([0, 1, 2, 3])('costs no mail, and the next run stores each once (try %i)', async (nth) => {
    const gate = new CallGate();
    const system = await watched({ gmail: { timers: gate.timers } });
    const ids = deliver(system, 20);
    const broken = system.instance();
    gate.hold(system.gmail, 'messages.get');
    const running = broken.ingest().catch((error: unknown) => error);
    await gate.arrival();
    for (let n = 0; n <= nth; n += 1) {
      await system
        .rows(
          `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and application_name = 'email-monitor'`,
        )
        .catch(() => undefined);
      gate.release();
    }
    await running;
    await system.pass(3_600);
    await system.ingest();
    await system.pass(3_600);
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
    expect(await incompleteEmails(system)).toEqual([]);
    expect(await system.rows('select emails_processed_total as n from email_monitor_status')).toEqual([
      { n: 20 },
    ]);
  });

  test('charges no message for rows that it cannot write for a while', async () => {
    const system = await watched();
    const ids = deliver(system, 12);
    await system.db.query(`
      create function refuse() returns trigger language plpgsql as
      $$ begin raise exception 'disk full' using errcode = '53100'; end $$`);
    await system.db.query(
      'create trigger refuse before insert on incoming_emails for each row execute function refuse()',
    );
    expect(await system.ingest()).toMatchObject({
      outcome: 'failed',
      error: { code: 'database_unavailable' },
    });
    expect(
      await system.rows('select 1 from email_ledger where attempt_count > 0 or claim_token is not null'),
    ).toEqual([]);
    await system.db.query('drop trigger refuse on incoming_emails');
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
  });

  test('for a moment at the end of a run leaves no lease behind that would stop everybody', async () => {
    const system = await watched();
    const ids = deliver(system, 2);
    await system.db.query('create sequence refusals');
    await system.db.query(`
      create function refuse_twice() returns trigger language plpgsql as
      $$ begin
        if nextval('refusals') <= 2 then raise exception 'starting up' using errcode = '57P03'; end if;
        return new;
      end $$`);
    await system.db.query(
      'create trigger refuse before update on ingest_runs for each row execute function refuse_twice()',
    );
    expect(await system.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await mailboxRow(system.db, LEASE)).toMatchObject({ lease_token: null, failure_count: 0 });
    expect(await storedIds(system)).toEqual(ids);
    expect(await system.rows('select outcome from ingest_runs order by id desc limit 1')).toEqual([
      { outcome: 'completed' },
    ]);
  });

  test('at the begin of a run leaves no lease behind either', async () => {
    const system = await watched();
    const ids = deliver(system, 2);
    await system.db.query('create sequence refusals');
    await system.db.query(`
      create function refuse_twice() returns trigger language plpgsql as
      $$ begin
        if nextval('refusals') <= 2 then raise exception 'starting up' using errcode = '57P03'; end if;
        return new;
      end $$`);
    await system.db.query(
      'create trigger refuse before insert on ingest_runs for each row execute function refuse_twice()',
    );
    await expect(system.ingest()).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await mailboxRow(system.db, LEASE)).toMatchObject({ lease_token: null });
    expect(await system.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(system)).toEqual(ids);
  });

  test('charges no message while the schema is older than the code', async () => {
    const system = await watched();
    const ids = deliver(system, 3);
    await system.db.query('alter table incoming_emails rename column subject to topic');
    for (let n = 0; n < 9; n += 1) {
      expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'schema_outdated' } });
    }
    await system.db.query('alter table incoming_emails rename column topic to subject');
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
  });
});

describe('the record of a run', () => {
  test('is one row and one line, with its counts', async () => {
    const system = await watched();
    // The first reconciliation.
    await system.ingest();
    const raw = order(1);
    const { id } = system.gmail.deliver(raw);
    system.log.length = 0;
    await system.ingest();
    expect((await storedBytes(system)).get(id)).toEqual(raw);
    const lines = system.log.filter((line) => line['event'] === 'run_finished');
    expect(lines).toEqual([
      expect.objectContaining({ outcome: 'completed', stored_count: 1, quota_units: 22 }),
    ]);
    expect(
      await system.rows(
        'select outcome, stored_count, quota_units from ingest_runs order by id desc limit 1',
      ),
    ).toEqual([{ outcome: 'completed', stored_count: 1, quota_units: 22 }]);
  });
});

function notification(system: TestSystem, historyId: string): unknown {
  const data = { emailAddress: system.gmail.emailAddress, historyId };
  return { message: { data: Buffer.from(JSON.stringify(data)).toString('base64'), messageId: '1' } };
}
