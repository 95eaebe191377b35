/** The locks of a long store, and the plan by which a store finds its ledger row. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { storeEmail } from '../../shared/db/emails.ts';
import { declaredStatements } from '../../shared/db/statement.ts';
import {
  countsOf,
  mailboxWithPending,
  ONE_STORED,
  storable,
  storedTotal,
} from '../helpers/storable-email.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

describe('a long store', () => {
  // The store waits before it writes the raw bytes, and after it has written everything.
  test.each([
    ['email_raw', 'before insert'],
    ['email_monitor_status', 'after update'],
  ])('a long store that waits at %s does not block heartbeats, hints or quota', async (table, event) => {
    const mailbox = await mailboxWithPending(db);
    const HOLD = 4_711;
    await db.query(
      `create function wait_for_test() returns trigger language plpgsql as $$
       begin
         perform pg_advisory_xact_lock(${HOLD});
         return new;
       end $$`,
    );
    await db.query(
      `create trigger wait_for_test ${event} on ${table} for each row execute function wait_for_test()`,
    );
    let stored: Promise<Date | null> = Promise.resolve(null);
    try {
      await db.transaction(async (tx) => {
        await tx.query(`select pg_advisory_xact_lock(${HOLD})`);
        stored = storeEmail(db, mailbox, await storable('a'));
        await expect.poll(isWaiting).toBe(true);
        const updates = `
          set local lock_timeout = '200ms';
          update mailboxes set lease_expires_at = now() + interval '40 seconds' where id = ${mailbox.mailboxId};
          update mailboxes set hint_history_id = 7, hint_at = now() where id = ${mailbox.mailboxId};
          update mailbox_quota set available_units = 1, refilled_at = now() where mailbox_id = ${mailbox.mailboxId};
          select 1 from mailboxes where id = ${mailbox.mailboxId} for no key update`;
        await db.query(updates);
        expect(await isWaiting()).toBe(true);
      });
      expect(await stored).toBeInstanceOf(Date);
      expect(await countsOf(db, mailbox)).toEqual(ONE_STORED);
    } finally {
      await stored.catch(() => undefined);
      await db.query('drop function wait_for_test cascade');
    }
  });

  async function isWaiting(): Promise<boolean> {
    const { rowCount } = await db.query(
      `select from pg_stat_activity
       where datname = current_database()
         and wait_event = 'advisory'`,
    );
    return rowCount === 1;
  }

  test('a long store whose lease is taken over stores the message once', async () => {
    const mailbox = await mailboxWithPending(db);
    const next = { mailboxId: mailbox.mailboxId, token: randomUUID() };
    const before = await storedTotal(db);
    let stored: Promise<Date | null> = Promise.resolve(null);
    let again: Promise<Date | null> = Promise.resolve(null);
    await db.transaction(async (tx) => {
      await tx.query('select 1 from email_ledger where mailbox_id = $1 for update', [mailbox.mailboxId]);
      stored = storeEmail(db, mailbox, await storable('a'));
      await expect.poll(waitingStores).toBe(1);
      await db.query('update mailboxes set lease_token = $2 where id = $1', [next.mailboxId, next.token]);
      again = storeEmail(db, next, await storable('a'));
      await expect.poll(waitingStores).toBe(2);
    });
    const both = await Promise.all([stored, again]);
    expect(both.filter((storedAt) => storedAt !== null)).toHaveLength(1);
    expect(await countsOf(db, mailbox)).toEqual(ONE_STORED);
    expect(await storedTotal(db)).toBe(before + 1);
  });

  async function waitingStores(): Promise<number> {
    const { rowCount } = await db.query(
      `select from pg_stat_activity
       where datname = current_database()
         and wait_event_type = 'Lock'`,
    );
    return rowCount;
  }
});

// A cached plan outlives its statistics. While nothing is pending, the planner would prefer an index of pending rows, and the plan
// would later read a whole backlog per email.
test('a store finds its ledger row by message id, in a plan made without a backlog and with 50,000 pending messages', async () => {
  const mailbox = await mailboxWithPending(db);
  await storeEmail(db, mailbox, await storable('a'));
  const store = [...declaredStatements.values()].find(({ text }) => text.includes('insert into email_raw'));
  const parameterCount = Math.max(
    ...[...(store?.text ?? '').matchAll(/\$(\d+)/g)].map((match) => Number(match[1])),
  );
  await db.transaction(async (tx) => {
    await tx.query("update email_ledger set state = 'stored'");
    await tx.query('set local plan_cache_mode = force_generic_plan');
    await tx.query(`prepare store as ${store?.text}`);
    const indexesOf = async () => {
      await tx.query('analyze email_ledger');
      const { rows } = await tx.query<{ 'QUERY PLAN': string }>(
        `explain execute store(${Array(parameterCount).fill('null').join(', ')})`,
      );
      const scans = rows.map((row) => row['QUERY PLAN']).filter((line) => line.includes('email_ledger l'));
      return scans.filter((line) => !line.includes('Update on'));
    };
    const byMessageId = [expect.stringContaining('using email_ledger_mailbox_id_gmail_message_id_key')];
    // Without this the planner scans a table of one page sequentially.
    await tx.query('set local enable_seqscan = off');
    expect(await indexesOf()).toEqual(byMessageId);
    await tx.query('set local enable_seqscan = on');
    await tx.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source)
       select $1::integer, 'backlog-' || n, 'history' from generate_series(1, 50000) n`,
      [mailbox.mailboxId],
    );
    expect(await indexesOf()).toEqual(byMessageId);
  });
});
