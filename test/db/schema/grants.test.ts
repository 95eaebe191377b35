/** The privileges that `migrate` grants, on accounts of a real PostgreSQL. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../../shared/db/database.ts';
import { GRANTS } from '../../../shared/db/schema/grants.ts';
import { migrate } from '../../../shared/db/schema/migrations.ts';
import { ACCOUNT_PARTS, type AccountPart } from '../../../shared/db-accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../helpers/test-database.ts';

/** Roles belong to the whole server, which other tests use at the same time. */
const RUN = randomUUID().slice(0, 8);
const accountOf = (part: string) => `email-monitor-${part}@${RUN}.iam`;
const MOVED = accountOf('moved');

let db: TestDatabase;
const opened = new Map<string, Database>();
beforeAll(async () => {
  db = await createTestDatabase();
  for (const part of [...ACCOUNT_PARTS, 'moved'])
    await db.query(`create role "${accountOf(part)}" login password '${new URL(db.url).password}'`);
  await migrate(
    { kind: 'url', url: db.url },
    ACCOUNT_PARTS.map((part) => ({ part, account: accountOf(part) })),
  );
});
afterAll(async () => {
  for (const one of opened.values()) await one.close();
  for (const part of [...ACCOUNT_PARTS, 'moved'])
    await db.query(`drop owned by "${accountOf(part)}"; drop role "${accountOf(part)}"`);
  await db.close();
});

function as(part: AccountPart | 'moved'): Database {
  const url = new URL(db.url);
  url.username = encodeURIComponent(accountOf(part));
  const one = opened.get(part) ?? openDatabase({ target: { kind: 'url', url: url.href }, poolSize: 1 });
  opened.set(part, one);
  return one;
}

/** Runs one statement as the account of a part. @returns the code of its error, null when it succeeded */
async function errorOf(part: AccountPart | 'moved', sql: string): Promise<string | null> {
  try {
    await as(part).query(sql);
    return null;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  }
}

async function tablesOf(account: string): Promise<string[]> {
  const { rows } = await db.query<{ table_name: string }>(
    `select distinct table_name
     from information_schema.table_privileges
     where grantee = $1::text`,
    [account],
  );
  return rows.map((row) => row.table_name);
}

const RUNNING = ['ingest', 'console'] as const;

test('ingest has a privilege on every table of the schema', async () => {
  const { rows } = await db.query<{ table: string }>(
    `select tablename::text as table
     from pg_tables
     where schemaname = 'public'`,
  );
  expect(Object.keys(GRANTS.ingest).sort()).toEqual(rows.map((row) => row.table).sort());
});

describe('ingest accounts', () => {
  test.each(RUNNING)('the account of %s may store, list, reconcile and prune', async (part) => {
    // The statements match no row: they test the privileges.
    for (const sql of [
      `insert into email_search select id, '' from incoming_emails where false`,
      'insert into email_raw select * from email_raw where false',
      `update email_ledger set state = 'stored' where false`,
      'update mailbox_quota set available_units = 0 where false',
      'update mailbox_watches set topic = null where false',
      'insert into reconciliation_ids select * from reconciliation_ids where false',
      ...[
        'list_jobs',
        'reconciliations',
        'reconciliation_ids',
        'incidents',
        'ingest_runs',
        'ledger_changes',
      ].map((table) => `delete from ${table} where false`),
      'select holds_lease(1, gen_random_uuid()), has_due_message(1), has_due_list_job(1)',
      'select is_poll_due(m), has_newer_hint(m) from mailboxes m',
    ])
      expect([sql, await errorOf(part, sql)]).toEqual([sql, null]);
  });

  test.each([...RUNNING, 'control', 'status'] as const)(
    'the account of %s can neither change nor delete a stored email',
    async (part) => {
      for (const sql of [
        "update incoming_emails set subject = ''",
        'update email_attachments set file_data = file_data',
        "update email_search set search_words = ''",
        'delete from incoming_emails',
        'delete from email_ledger',
        'create table own (id integer)',
      ])
        expect([sql, await errorOf(part, sql)]).toEqual([sql, 'database_denied']);
    },
  );
});

test('the account of console may add records of email accesses, and only that of ingest may delete them', async () => {
  const insert = "insert into email_accesses (account, email_id, action) select '', 1, 'open' where false";
  const remove = 'delete from email_accesses where false';
  for (const part of RUNNING)
    expect([part, await errorOf(part, insert), await errorOf(part, remove)]).toEqual([
      part,
      part === 'console' ? null : 'database_denied',
      part === 'ingest' ? null : 'database_denied',
    ]);
  expect(await errorOf('console', "update email_accesses set account = '' where false")).toBe(
    'database_denied',
  );
});

describe('accounts without mail', () => {
  test('the account of control may add a mailbox that the operator confirmed, with its quota and watch', async () => {
    for (const sql of [
      "insert into mailboxes (email_address, cursor_history_id) select '', 1 where false",
      'insert into mailbox_quota select * from mailbox_quota where false',
      'insert into mailbox_watches select * from mailbox_watches where false',
      'insert into mailbox_confirmations select * from mailbox_confirmations where false',
      'update email_monitor_status set is_running = is_running',
    ])
      expect([sql, await errorOf('control', sql)]).toEqual([sql, null]);
  });

  test('the account of control may make ignored messages pending', async () => {
    expect(await errorOf('control', "update email_ledger set state = 'pending' where false")).toBeNull();
  });

  test.each(['control', 'status'] as const)('the account of %s reads no mail', async (part) => {
    for (const table of ['incoming_emails', 'email_attachments', 'email_raw', 'email_search'])
      expect([table, await errorOf(part, `select * from ${table}`)]).toEqual([table, 'database_denied']);
  });
});

test('the account of status has only select privileges', async () => {
  const { rows } = await db.query<{ privilege_type: string }>(
    'select distinct privilege_type from information_schema.table_privileges where grantee = $1::text',
    [accountOf('status')],
  );
  expect(rows.map((row) => row.privilege_type)).toEqual(['SELECT']);
});

test('the consumer account reads emails, marks them as processed, and changes nothing else', async () => {
  for (const [sql, code] of [
    ['select * from incoming_emails join email_attachments on true', null],
    ['update incoming_emails set processed = true, updated_at = now()', null],
    ["update incoming_emails set subject = ''", 'database_denied'],
    ['select * from mailboxes', 'database_denied'],
  ] as const)
    expect([sql, await errorOf('consumer', sql)]).toEqual([sql, code]);
});

describe('repeated migration', () => {
  test('migrate revokes privileges that the new part of an account does not have', async () => {
    const target = { kind: 'url', url: db.url } as const;
    await migrate(target, [{ part: 'ingest', account: MOVED }]);
    expect(await tablesOf(MOVED)).toContain('incoming_emails');
    await migrate(target, [{ part: 'status', account: MOVED }]);
    expect(await tablesOf(MOVED)).not.toContain('incoming_emails');
    expect(await tablesOf(MOVED)).toContain('mailboxes');
  });

  test('migrate revokes everything from a consumer that is no longer listed, and leaves other accounts alone', async () => {
    const target = { kind: 'url', url: db.url } as const;
    const consumers = [accountOf('consumer'), MOVED].map(
      (account) => ({ part: 'consumer', account }) as const,
    );
    await migrate(target, consumers);
    expect(await errorOf('moved', 'select * from email_raw')).toBeNull();
    await db.query(`grant select on incoming_emails to "${accountOf('status')}"`);
    await migrate(target, consumers.slice(0, 1));
    expect(await tablesOf(MOVED)).toEqual([]);
    for (const table of ['incoming_emails', 'email_attachments', 'email_raw'])
      expect(await errorOf('moved', `select * from ${table}`)).toBe('database_denied');
    expect(await tablesOf(accountOf('consumer'))).toContain('incoming_emails');
    expect(await tablesOf(accountOf('status'))).toContain('incoming_emails');
  });

  test('migrate grants nothing and names the account when one does not exist', async () => {
    const target = { kind: 'url', url: db.url } as const;
    await migrate(target, [{ part: 'status', account: MOVED }]);
    await expect(
      migrate(target, [
        { part: 'ingest', account: MOVED },
        { part: 'consumer', account: `missing-${RUN}` },
      ]),
    ).rejects.toMatchObject({ code: 'database_denied', message: expect.stringContaining(`missing-${RUN}`) });
    expect(await tablesOf(MOVED)).not.toContain('incoming_emails');
  });
});
