import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readMonitorStatus } from '../../../shared/db/monitor-status.ts';
import { migrate, readSchemaDifference } from '../../../shared/db/schema/migrations.ts';
import { accountOf, createRoles, dropRoles, urlOf } from '../../helpers/database-accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../helpers/test-database.ts';

const MIGRATIONS = join(import.meta.dirname, '../../../sql/migrations');

let db: TestDatabase;
let target: { readonly kind: 'url'; readonly url: string };
beforeEach(async () => {
  db = await createTestDatabase();
  target = { kind: 'url', url: db.url };
});
afterEach(async () => await db.close());

async function appliedNames(): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>('select name from schema_migrations order by id');
  return rows.map((row) => row.name);
}

test('migrate applies all migrations to an empty database once', async () => {
  await db.query('drop schema public cascade; create schema public');
  expect(await migrate(target)).toContain('0001_initial-schema');
  expect(await migrate(target)).toEqual([]);
  expect(await readSchemaDifference(db)).toEqual({ pending: [], unknown: [] });
});

test('readSchemaDifference returns pending migrations and those that newer code applied', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'email-monitor-migrations-'));
  try {
    cpSync(MIGRATIONS, folder, { recursive: true });
    writeFileSync(join(folder, '9998_later.sql'), 'create table later (id integer);');
    expect((await readSchemaDifference(db, folder)).pending).toEqual(['9998_later']);
    expect(await migrate(target, [], folder)).toEqual(['9998_later']);
    expect((await readSchemaDifference(db)).unknown).toEqual(['9998_later']);
    // Older code does not change it.
    expect(await migrate(target)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  ['an empty database', 'drop schema public cascade; create schema public'],
  ['tables that it reads only', `grant select on all tables in schema public to "${accountOf('status')}"`],
])('an account that may not create tables is denied access to %s', async (_, sql) => {
  await createRoles(db);
  try {
    await db.query(sql);
    await expect(migrate({ kind: 'url', url: urlOf(db, 'status') })).rejects.toMatchObject({
      code: 'database_denied',
      message: expect.stringMatching(/^The account .* may not create tables or does not own them\.$/),
    });
  } finally {
    await dropRoles(db);
  }
});

describe('interrupted migration', () => {
  const TWO = {
    '0001_one.sql': 'create table one (id integer);',
    '0002_two.sql': 'create table two (id integer);',
  };
  let folder: string;
  beforeEach(async () => {
    await db.query('drop schema public cascade; create schema public');
    folder = mkdtempSync(join(tmpdir(), 'email-monitor-migrations-'));
    for (const [name, sql] of Object.entries(TWO)) writeFileSync(join(folder, name), sql);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test.each([
    ['fails', 'select 1 / 0', 'unstorable'],
    ['loses its connection', 'select pg_terminate_backend(pg_backend_pid())', 'database_unavailable'],
  ])(
    'a call whose third migration %s keeps the first two, and the next call continues',
    async (_name, sql, code) => {
      const third = join(folder, '0003_three.sql');
      writeFileSync(third, `create table three (id integer); ${sql}; create table four (id integer);`);
      await expect(migrate(target, [], folder)).rejects.toMatchObject({ code });
      expect(await appliedNames()).toEqual(['0001_one', '0002_two']);
      const { rows } = await db.query("select to_regclass('two') as two, to_regclass('three') as three");
      expect(rows).toEqual([{ two: 'two', three: null }]);

      writeFileSync(third, 'create table three (id integer);');
      expect(await migrate(target, [], folder)).toEqual(['0003_three']);
      expect(await appliedNames()).toEqual(['0001_one', '0002_two', '0003_three']);
    },
  );

  test('a second call is rejected while the first one migrates, and changes nothing', async () => {
    // The first call waits for this lock in its third migration.
    writeFileSync(join(folder, '0003_three.sql'), 'select pg_advisory_xact_lock(3);');
    const released = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const holder = db.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock(3)');
      held.resolve();
      await released.promise;
    });
    await held.promise;
    const first = migrate(target, [], folder);
    await expect
      .poll(
        async () =>
          (
            await db.query(
              `select 1
               from pg_locks
               join pg_database d on d.oid = database
               where locktype = 'advisory'
                 and not granted
                 and datname = current_database()`,
            )
          ).rows,
      )
      .toHaveLength(1);
    await expect(migrate(target, [], folder)).rejects.toMatchObject({
      code: 'migration_running',
      status: 503,
      retryAfterMs: 5_000,
    });
    released.resolve();
    await holder;
    expect(await first).toEqual(['0001_one', '0002_two', '0003_three']);
    expect(await migrate(target, [], folder)).toEqual([]);
  });

  test('a migration that waits for a long transaction gives up before a statement of the functions does', async () => {
    await migrate(target, [], folder);
    writeFileSync(join(folder, '0003_three.sql'), 'alter table one add column name text;');
    const released = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const holder = db.transaction(async (tx) => {
      await tx.query('select id from one');
      held.resolve();
      await released.promise;
    });
    await held.promise;
    const migrating = migrate(target, [], folder).catch((error: unknown) => error);
    await expect
      .poll(
        async () =>
          (await db.query("select 1 from pg_locks where relation = 'one'::regclass and not granted")).rows
            .length,
      )
      .toBeGreaterThan(0);
    // Waits behind the migration.
    expect((await db.query('select id from one')).rows).toEqual([]);
    expect(await migrating).toMatchObject({ code: 'database_unavailable' });
    released.resolve();
    await holder;
    expect(await migrate(target, [], folder)).toEqual(['0003_three']);
  });

  test('the migrations of a session that sends no statement for a minute are rolled back and its lock is released', async () => {
    writeFileSync(
      join(folder, '0003_three.sql'),
      `create table settings as
       select name, setting from pg_settings where name in ('idle_session_timeout', 'idle_in_transaction_session_timeout');`,
    );
    await migrate(target, [], folder);
    expect((await db.query('select distinct setting from settings')).rows).toEqual([{ setting: '60000' }]);
  });
});

describe('a database with the earlier first migration', () => {
  const EARLIER = [
    '0001_email-monitor',
    '0002_listing-refusals',
    '0003_watch-and-proof',
    '0004_console',
    '0005_quota-refill',
  ];
  beforeEach(async () => {
    await db.query('truncate schema_migrations');
    await db.query(
      'insert into schema_migrations (name, run_on) select name, now() from unnest($1::text[]) name',
      [EARLIER],
    );
  });
  const INCOMPATIBLE = {
    code: 'schema_incompatible',
    status: 503,
    message: expect.stringContaining('0001_email-monitor'),
    remediation: expect.stringMatching(/`\.local\/`.*empty database/),
  };

  test('migrate rejects a database of the earlier schema, names the folder to delete, and changes nothing', async () => {
    await expect(migrate(target)).rejects.toMatchObject(INCOMPATIBLE);
    expect(await appliedNames()).toEqual(EARLIER);
  });

  test('migrate rejects a database that has only the first migration of the earlier schema', async () => {
    await db.query("delete from schema_migrations where name <> '0001_email-monitor'");
    await expect(migrate(target)).rejects.toMatchObject(INCOMPATIBLE);
  });

  test('readSchemaDifference rejects a database of the earlier schema', async () => {
    await expect(readSchemaDifference(db)).rejects.toMatchObject(INCOMPATIBLE);
  });
});

test.each([
  ['a table of the same name', 'create table mailboxes (id integer)', /"mailboxes" already exists/],
  [
    'a schema_migrations of another tool',
    'create table schema_migrations (version text)',
    /"name" does not exist/,
  ],
])(
  'migrate rejects a database in which another program has %s, and names it',
  async (_name, sql, message) => {
    await db.query(`drop schema public cascade; create schema public; ${sql}`);
    await expect(migrate(target)).rejects.toMatchObject({
      code: 'schema_incompatible',
      message: expect.stringMatching(message),
    });
  },
);

/** Applies the migrations before `name`, runs `fill`, and applies the rest. */
async function migrateFrom(name: string, fill: () => Promise<unknown>): Promise<void> {
  await db.query('drop schema public cascade; create schema public');
  const folder = mkdtempSync(join(tmpdir(), 'email-monitor-migrations-'));
  try {
    for (const file of readdirSync(MIGRATIONS).filter((one) => one < name))
      cpSync(join(MIGRATIONS, file), join(folder, file));
    await migrate(target, [], folder);
    await fill();
    expect(await migrate(target)).toContain(name);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the migration of held credentials takes those of the newest run, so that status stays correct until the next one', async () => {
  await migrateFrom('0004_held-credentials', async () => {
    await db.query(
      `insert into mailboxes (email_address, credential_fingerprint, cursor_history_id, last_run_at)
       values ('former@example.com', 'former', 1, now() - interval '1 day'),
              ('orders@example.com', 'current', 1, now()),
              ('lost@example.com', null, 1, now())`,
    );
  });
  expect((await readMonitorStatus(db)).credentialFingerprint).toBe('current');
});

test('the migration of the label of listings takes that of the mailbox, so that open ones continue', async () => {
  await migrateFrom('0017_label-of-listings', async () => {
    await db.query(
      `insert into mailboxes (email_address, cursor_history_id, label_id)
       values ('orders@example.com', 1, 'Label_7'), ('all@example.com', 1, null);
       insert into list_jobs (mailbox_id, purpose, query, page_token) select id, 'backfill', '', 'next' from mailboxes;
       insert into reconciliations (mailbox_id, window_begins_at, is_full, query, page_token)
         select id, now(), false, '', 'next' from mailboxes;`,
    );
  });
  const { rows } = await db.query(
    `select m.email_address, j.label_id as of_job, r.label_id as of_reconciliation
     from mailboxes m
     join list_jobs j on j.mailbox_id = m.id
     join reconciliations r on r.mailbox_id = m.id
     order by m.id`,
  );
  expect(rows).toEqual([
    { email_address: 'orders@example.com', of_job: 'Label_7', of_reconciliation: 'Label_7' },
    { email_address: 'all@example.com', of_job: null, of_reconciliation: null },
  ]);
});
