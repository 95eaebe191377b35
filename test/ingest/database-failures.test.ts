import { describe, expect, test } from 'vitest';
import { CallGate } from '../helpers/call-gate.ts';
import { mailboxRow } from '../helpers/leased-mailbox.ts';
import { incompleteEmails, storedIds } from '../helpers/stored.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { deliverOrders, useIngestSystems } from './scenario.ts';

const { startedSystem } = useIngestSystems();
const LEASE = { mailboxId: 1, token: '' };

async function row(system: TestSystem, id: string): Promise<Record<string, unknown>> {
  const rows = await system.rows('select * from email_ledger where gmail_message_id = $1', [id]);
  return rows[0] ?? {};
}

/** The database rejects the first two changes of a run row, as PostgreSQL does while it starts. */
async function rejectTwice({ db }: TestSystem, change: 'insert' | 'update'): Promise<void> {
  await db.query('create sequence rejections');
  await db.query(`
    create function reject_twice() returns trigger language plpgsql as
    $$ begin
      if nextval('rejections') <= 2 then raise exception 'starting up' using errcode = '57P03'; end if;
      return new;
    end $$`);
  await db.query(
    `create trigger reject before ${change} on ingest_runs for each row execute function reject_twice()`,
  );
}

describe('database error', () => {
  /** As if every store met this error. */
  async function failStores(system: TestSystem, sqlState: string): Promise<void> {
    await system.db.query(
      `create or replace function reject_store() returns trigger language plpgsql as $$
       begin
         raise exception 'no' using errcode = '${sqlState}';
       end $$`,
    );
    await system.db.query(
      'create trigger reject_store before insert on incoming_emails for each row execute function reject_store()',
    );
  }

  test.each(['53100', '57P03', '53300', '25006'])(
    'database error %s fails the run and charges no message, however long it lasts',
    async (sqlState) => {
      const system = await startedSystem();
      await system.turnOn();
      const ids = deliverOrders(system, 3);
      await failStores(system, sqlState);
      for (let n = 0; n < 4; n += 1) {
        await system.pass(10_800);
        expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({
          outcome: 'failed',
          error: { code: 'database_unavailable' },
        });
      }
      expect(await system.rows('select distinct state, attempt_count from email_ledger')).toEqual([
        { state: 'pending', attempt_count: 0 },
      ]);
      const { json } = await system.call('status');
      expect(json).toMatchObject({ state: 'backing_off' });
      expect(json.last_error).toContain('database');
      expect(json.advice).not.toEqual([]);
      await system.db.query('drop trigger reject_store on incoming_emails');
      await system.pass(300);
      await system.ingest({ trigger: 'schedule' });
      expect(await storedIds(system)).toEqual(ids);
    },
  );

  test.each(['57014', '53200'])(
    'database error %s is a failed attempt of the message while other statements succeed',
    async (sqlState) => {
      const system = await startedSystem();
      const [id = ''] = deliverOrders(system, 1);
      await failStores(system, sqlState);
      expect(await system.ingest()).toMatchObject({ outcome: 'completed', counts: { failed: 1 } });
      expect(await row(system, id)).toMatchObject({ state: 'pending', error_code: 'unstorable' });
    },
  );
});

describe('unavailable database', () => {
  test.each([0, 1, 2, 3])(
    'loses no message when connections break during a run, and the next run stores each once (try %i)',
    async (nth) => {
      const gate = new CallGate();
      const system = await startedSystem({ gmail: { timers: gate.timers } });
      const ids = deliverOrders(system, 20);
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
    },
  );

  test('charges no message while the database cannot write rows', async () => {
    const system = await startedSystem();
    const ids = deliverOrders(system, 12);
    await system.db.query(`
      create function reject() returns trigger language plpgsql as
      $$ begin raise exception 'disk full' using errcode = '53100'; end $$`);
    await system.db.query(
      'create trigger reject before insert on incoming_emails for each row execute function reject()',
    );
    expect(await system.ingest()).toMatchObject({
      outcome: 'failed',
      error: { code: 'database_unavailable' },
    });
    expect(
      await system.rows('select 1 from email_ledger where attempt_count > 0 or claim_token is not null'),
    ).toEqual([]);
    await system.db.query('drop trigger reject on incoming_emails');
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
  });

  test('releases the lease when the database fails briefly at the end of a run', async () => {
    const system = await startedSystem();
    const ids = deliverOrders(system, 2);
    await rejectTwice(system, 'update');
    expect(await system.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await mailboxRow(system.db, LEASE)).toMatchObject({ lease_token: null, failure_count: 0 });
    expect(await storedIds(system)).toEqual(ids);
    expect(await system.rows('select outcome from ingest_runs order by id desc limit 1')).toEqual([
      { outcome: 'completed' },
    ]);
  });

  test('releases the lease when the database fails briefly at the start of a run', async () => {
    const system = await startedSystem();
    const ids = deliverOrders(system, 2);
    await rejectTwice(system, 'insert');
    await expect(system.ingest()).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await mailboxRow(system.db, LEASE)).toMatchObject({ lease_token: null });
    expect(await system.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(system)).toEqual(ids);
  });

  test('charges no message while the schema is older than the code', async () => {
    const system = await startedSystem();
    const ids = deliverOrders(system, 3);
    await system.db.query('alter table incoming_emails rename column subject to topic');
    for (let n = 0; n < 9; n += 1) {
      expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'schema_outdated' } });
    }
    await system.db.query('alter table incoming_emails rename column topic to subject');
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
  });
});
