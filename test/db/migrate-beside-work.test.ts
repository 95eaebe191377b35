/** Migration 0004 over a ledger that is being written: what is under way when it comes is neither lost nor killed. */
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Queryable } from '../../shared/db/database.ts';
import { migrate } from '../../shared/db/migrations.ts';
import { readOverview } from '../../shared/db/mailbox-status.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

const MIGRATIONS = join(import.meta.dirname, '../../sql/migrations');

let db: TestDatabase;
beforeEach(async () => {
  db = await createTestDatabase();
  await db.query('drop schema public cascade');
  await db.query('create schema public');
  const before = mkdtempSync(join(tmpdir(), 'email-monitor-migrations-'));
  for (const name of readdirSync(MIGRATIONS).filter((one) => one < '0004'))
    cpSync(join(MIGRATIONS, name), join(before, name));
  await migrate({ kind: 'url', url: db.url }, [], before);
  rmSync(before, { recursive: true });
  await db.query(`insert into mailboxes (email_address, cursor_history_id) values ('a@example.com', 1)`);
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source)
     select 1, 'm' || n, 'history' from generate_series(1, 5) n`,
  );
});
afterEach(async () => await db.close());

/** Does `begun`, waits until the migration waits for it, does `then`, and commits. */
async function migrateAmid(
  begun: (tx: Queryable) => Promise<unknown>,
  then: (tx: Queryable) => Promise<unknown> = async () => undefined,
): Promise<void> {
  let migration: Promise<unknown> = Promise.resolve();
  await db.transaction(async (tx) => {
    await begun(tx);
    migration = migrate({ kind: 'url', url: db.url });
    // Told below: until then nobody listens.
    migration.catch(() => undefined);
    await expect.poll(async () => await waiting(), { timeout: 10_000 }).toBe(1);
    await then(tx);
  });
  await migration;
}

async function waiting(): Promise<number> {
  const { rowCount } = await db.query(
    `select from pg_stat_activity
     where datname = current_database()
       and application_name = 'email-monitor-migrate'
       and wait_event_type = 'Lock'`,
  );
  return rowCount;
}

test('what enters the ledger while it begins is counted', async () => {
  await migrateAmid(
    async (tx) =>
      await tx.query(
        `insert into email_ledger (mailbox_id, gmail_message_id, source) values (1, 'late', 'history')`,
      ),
  );
  expect((await readOverview(db))[0]?.ledger.pending).toBe(6);
});

test('a mail that is being stored is stored, and neither ends the other', async () => {
  await migrateAmid(
    async (tx) => await tx.query(`update email_ledger set state = 'stored' where gmail_message_id = 'm1'`),
    async (tx) =>
      await tx.query(
        `insert into incoming_emails
           (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
         values (1, 'm1', now(), 1, 0, 1)`,
      ),
  );
  expect((await readOverview(db))[0]?.ledger).toMatchObject({ pending: 4, stored: 1 });
});
