/** The privileges that `migrate` grants, on accounts of a real PostgreSQL. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Database } from '../../../shared/db/database.ts';
import { readRetention } from '../../../shared/db/retention.ts';
import { grantsVersion } from '../../../shared/db/schema/grants.ts';
import { migrate } from '../../../shared/db/schema/migrations.ts';
import { PRIVILEGES, type Privileges, privilegesOf } from '../../../shared/db/schema/privileges.ts';
import { ACCOUNT_PARTS, type DatabaseAccount } from '../../../shared/db-accounts.ts';
import {
  accountOf,
  accounts,
  createRoles,
  dropRoles,
  entryOf,
  openAs,
} from '../../helpers/database-accounts.ts';
import { requeue, sqlStateOf, storeEmails, workerOf } from '../../helpers/email-queue.ts';
import { age, eraseExpired, hasExpired, setProcessed, storedEmailIds } from '../../helpers/expired-emails.ts';
import { createTestDatabase, type TestDatabase } from '../../helpers/test-database.ts';

const MOVED = accountOf('moved');
/** Next to `extraction`, which is the consumer of the account `consumer`. */
const ORDERS: DatabaseAccount = { part: 'consumer', consumer: 'orders', account: accountOf('orders') };
const ALL = [...accounts, ORDERS];

let db: TestDatabase;
let target: { readonly kind: 'url'; readonly url: string };
const opened = new Map<string, Database>();
beforeAll(async () => {
  db = await createTestDatabase();
  target = { kind: 'url', url: db.url };
  await createRoles(db, 'moved', 'orders');
  await migrate(target, ALL);
});
afterAll(async () => {
  for (const one of opened.values()) await one.close();
  await dropRoles(db, 'moved', 'orders');
  await db.close();
});

function as(name: string): Database {
  const one = opened.get(name) ?? openAs(db, name);
  opened.set(name, one);
  return one;
}

/** Runs one statement as an account. @returns the code of its error, null when it succeeded */
async function errorOf(name: string, sql: string): Promise<string | null> {
  try {
    await as(name).query(sql);
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

/** Every privilege of the account on a table, view or column of the schema, as `select on mailboxes.id`. */
async function privilegesFound(account: string): Promise<string[]> {
  const { rows } = await db.query<{ found: string }>(
    `select p.name || ' on ' || c.relname || case when t.is_granted then '' else '.' || a.attname end as found
     from pg_class c
     cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger', 'maintain'])
       p (name)
     cross join lateral (select has_table_privilege($1::text, c.oid, p.name) as is_granted) t
     left join pg_attribute a on a.attrelid = c.oid
       and a.attnum > 0
       and not a.attisdropped
       and not t.is_granted
       and p.name in ('select', 'insert', 'update', 'references')
     where c.relnamespace = 'public'::regnamespace
       and c.relkind in ('r', 'v', 'm', 'p', 'f')
       and (t.is_granted or has_column_privilege($1::text, c.oid, a.attnum, p.name))`,
    [account],
  );
  return rows.map((row) => row.found).sort();
}

/** The functions that the account may execute with the privileges of their owner. */
async function ownerFunctionsOf(account: string): Promise<string[]> {
  const { rows } = await db.query<{ signature: string }>(
    `select p.oid::regprocedure::text as signature
     from pg_proc p
     where p.pronamespace = 'public'::regnamespace
       and p.prosecdef
       and has_function_privilege($1::text, p.oid, 'execute')`,
    [account],
  );
  return rows.map((row) => row.signature).sort();
}

/** As `privilegesFound` returns them. */
function expectedOf({ tables }: Privileges): string[] {
  return Object.entries(tables)
    .flatMap(([table, text]) =>
      [...text.matchAll(/(\w+)(?: \(([^)]*)\))?/g)].flatMap(([, privilege, columns]) =>
        columns === undefined
          ? [`${privilege} on ${table}`]
          : columns.split(', ').map((column) => `${privilege} on ${table}.${column}`),
      ),
    )
    .sort();
}

const RUNNING = ['ingest', 'console'] as const;

const OF_A_CONSUMER = [
  'select on email_attachments',
  'select on emails_for_processing',
  'select on incoming_emails',
  'select on mailboxes.email_address',
  'select on mailboxes.id',
];
const QUEUE = [
  'claim_emails(text,text,integer,interval)',
  'complete_email(text,text,integer,jsonb)',
  'extend_claim(text,text,integer,interval)',
  'fail_email(text,text,integer,text,interval)',
  'release_email(text,text,integer)',
  'requeue_email(text,integer)',
];

describe('every table, view and function of the schema', () => {
  test('a part has a privilege on each table and view, except on those that only their owner uses', async () => {
    const { rows } = await db.query<{ name: string }>(
      `select relname::text as name
       from pg_class
       where relnamespace = 'public'::regnamespace
         and relkind in ('r', 'v', 'm', 'p', 'f')`,
    );
    const granted = Object.values(PRIVILEGES).flatMap(({ tables }) => Object.keys(tables));
    expect(
      [...new Set(granted), 'consumer_accounts', 'erasures', 'queueing_lock', 'retention_blocks'].sort(),
    ).toEqual(rows.map((row) => row.name).sort());
  });

  test.each(ACCOUNT_PARTS)('the account of %s has exactly the listed privileges', async (part) => {
    expect(await privilegesFound(accountOf(part))).toEqual(expectedOf(privilegesOf(entryOf(part))));
  });

  test('only the accounts of consumers may call the queue, that of ingest may erase, and that of console may requeue and lock', async () => {
    const found = async (name: string) => [name, await ownerFunctionsOf(accountOf(name))];
    for (const name of ['consumer', 'orders']) expect(await found(name)).toEqual([name, QUEUE]);
    expect(await found('console')).toEqual([
      'console',
      ['lock_unclaimed_email(integer)', 'requeue_email(text,integer)', 'retention_status(integer)'],
    ]);
    for (const name of ['control', 'status'])
      expect(await found(name)).toEqual([name, ['retention_status(integer)']]);
    expect(await found('ingest')).toEqual(['ingest', ['erase_expired_emails(integer,integer)']]);
    expect(await found('moved')).toEqual(['moved', []]);
  });
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

  test('the account of console may change what the parser returns, and neither raw bytes nor the identity of an email', async () => {
    for (const sql of [
      "update incoming_emails set subject = '', processed = false where false",
      "update email_attachments set content_type = '' where false",
      'delete from email_attachments where false',
      "update email_search set search_words = '' where false",
      'select lock_unclaimed_email(1)',
    ])
      expect([sql, await errorOf('console', sql)]).toEqual([sql, null]);
    for (const sql of [
      "update incoming_emails set gmail_message_id = ''",
      'update incoming_emails set mailbox_id = mailbox_id',
      'update incoming_emails set received_at = now()',
      'update email_attachments set file_data = file_data',
      "update email_attachments set filename = ''",
      "update email_raw set data = ''",
      'delete from email_raw',
      'delete from incoming_emails',
      'delete from email_search',
      'delete from email_ledger',
      "update email_queue set state = 'dead'",
      'delete from email_queue',
      'create table own (id integer)',
    ])
      expect([sql, await errorOf('console', sql)]).toEqual([sql, 'database_denied']);
  });

  test.each(['ingest', 'control', 'status'] as const)(
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

test('the account of ingest erases an expired email that is completed, and no other', async () => {
  const [expired = 0, open = 0, young = 0] = await storeEmails(db, 3);
  await setProcessed(db, [expired, young]);
  // As if the consumer had completed them.
  await db.query(
    `with completed as (
       delete from email_queue
       where consumer = 'orders'
         and email_id = any ($1::integer[])
       returning email_id
     )
     insert into email_results (email_id, consumer, worker)
     select email_id, 'orders', 'a'
     from completed`,
    [[expired, young]],
  );
  await age(db, [expired, open]);
  expect(await hasExpired(as('ingest'))).toBe(true);
  expect(await eraseExpired(as('ingest'))).toBe(1);
  expect(await storedEmailIds(db)).toEqual(expect.arrayContaining([open, young]));
  const { rows } = await db.query("select account from erasures where selected_by = 'retention'");
  expect(rows).toEqual([{ account: accountOf('ingest') }]);
  for (const part of ['control', 'console', 'status', 'consumer'])
    expect([part, await errorOf(part, 'select erase_expired_emails(1, 1)')]).toEqual([
      part,
      'database_denied',
    ]);
  await db.query('delete from incoming_emails');
});

test('the accounts of the functions that answer status may read what retention keeps', async () => {
  for (const part of ['control', 'console', 'status'])
    expect((await readRetention(as(part), 30)).unpublished_count).toBe(0);
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

test.each(['ingest', 'control', 'console', 'status'] as const)(
  'the account of %s reads the backlogs of consumers, which the status shows',
  async (part) => {
    expect(await errorOf(part, 'select * from consumer_backlogs()')).toBeNull();
  },
);

describe('accounts of consumers', () => {
  test('reads parsed emails and the addresses of mailboxes, and nothing else', async () => {
    expect(await privilegesFound(accountOf('orders'))).toEqual(OF_A_CONSUMER);
    for (const [sql, code] of [
      ['select * from incoming_emails join email_attachments on true', null],
      ['select id, email_address from mailboxes', null],
      ['select * from emails_for_processing', null],
      ['select attachment_data(id) from email_attachments', null],
      ['select * from mailboxes', 'database_denied'],
      ['select * from email_raw', 'database_denied'],
      ['select * from email_queue', 'database_denied'],
      ['select * from email_results', 'database_denied'],
      ['select * from consumer_backlogs()', 'database_denied'],
      ["insert into consumer_accounts values ('x', 'y')", 'database_denied'],
      ["update incoming_emails set subject = ''", 'database_denied'],
      ['delete from incoming_emails', 'database_denied'],
      ['create table public.own (id integer)', 'database_denied'],
    ] as const)
      expect([sql, await errorOf('orders', sql)]).toEqual([sql, code]);
  });

  test('only the account of extraction may change processed, because the column is its queue', async () => {
    const sql = 'update incoming_emails set processed = true where false';
    expect(await errorOf('consumer', sql)).toBeNull();
    expect(await errorOf('orders', sql)).toBe('database_denied');
    expect(await privilegesFound(accountOf('consumer'))).toEqual(
      [...OF_A_CONSUMER, 'update on incoming_emails.processed'].sort(),
    );
  });

  test('acts for its own consumer only', async () => {
    const [id = 0] = await storeEmails(db, 1);
    const [own, other] = [workerOf(as('orders'), 'orders'), workerOf(as('orders'), 'extraction')];
    expect(await workerOf(as('consumer'), 'extraction').claim()).toEqual([id]);
    for (const call of [
      async () => await other.claim(),
      async () => await other.extend(id),
      async () => await other.complete(id),
      async () => await other.fail(id),
      async () => await other.release(id),
      async () => await requeue(as('orders'), 'extraction', id),
    ])
      expect(await sqlStateOf(call())).toBe('42501');
    expect(await own.claim()).toEqual([id]);
    await own.complete(id, { order: 1 });
    await workerOf(as('consumer'), 'extraction').complete(id);
  });

  test('cannot attach a function that runs as the owner of the tables to a table of its own', async () => {
    const { rows } = await db.query<{ name: string }>(
      `select proname::text as name
       from pg_proc
       where pronamespace = 'public'::regnamespace
         and prosecdef
         and prorettype = 'trigger'::regtype`,
    );
    expect(rows.length).toBeGreaterThan(3);
    expect(await errorOf('orders', 'create table orders.bait (id integer, processed boolean)')).toBeNull();
    for (const { name } of rows) {
      const trigger = (on: string) =>
        `create trigger t after insert on ${on} for each row execute function public.${name}()`;
      expect([name, await errorOf('orders', trigger('orders.bait'))]).toEqual([name, 'database_denied']);
      const temporary = `create temp table bait (id integer, processed boolean); ${trigger('bait')}`;
      expect([name, await errorOf('status', temporary)]).toEqual([name, 'database_denied']);
    }
  });

  // A session compiles such a function once. Compiled with tables of the account, it would run its code when the owner calls it.
  test('can call no PL/pgSQL function that the functions of the queue call', async () => {
    const { rows } = await db.query<{ name: string }>(
      `select p.proname::text as name
       from pg_proc p
       join pg_language l on l.oid = p.prolang
       where p.pronamespace = 'public'::regnamespace
         and l.lanname = 'plpgsql'
         and not p.prosecdef
         and p.proname <> 'attachment_data'
         and has_function_privilege($1::text, p.oid, 'execute')`,
      [accountOf('orders')],
    );
    // The words of a search, which no function of the owner calls; and a trigger, which sets a time only.
    expect(rows.map(({ name }) => name).sort()).toEqual(['email_words', 'set_updated_at']);
  });

  test('has a schema of its own, which other consumers can neither read nor use', async () => {
    for (const sql of [
      'create table orders.found (email_id integer primary key, total numeric)',
      'insert into orders.found values (1, 9.5)',
      'select * from orders.found',
    ])
      expect([sql, await errorOf('orders', sql)]).toEqual([sql, null]);
    for (const sql of ['select * from orders.found', 'create table orders.mine (id integer)'])
      expect([sql, await errorOf('consumer', sql)]).toEqual([sql, 'database_denied']);
    expect(await errorOf('orders', 'create table extraction.mine (id integer)')).toBe('database_denied');
  });

  test('has sessions whose open transactions end after a minute', async () => {
    const { rows } = await db.query<{ config: string[] }>(
      `select s.setconfig as config
       from pg_db_role_setting s
       join pg_roles r on r.oid = s.setrole
       join pg_database d on d.oid = s.setdatabase
       where r.rolname = $1::text
         and d.datname = current_database()`,
      [accountOf('orders')],
    );
    expect(rows).toEqual([{ config: ['idle_in_transaction_session_timeout=60s'] }]);
  });

  test('the account of console requeues for every consumer', async () => {
    const [id = 0] = await storeEmails(db, 1);
    for (const consumer of ['orders', 'extraction'])
      expect(await errorOf('console', `select requeue_email('${consumer}', ${id})`)).toBeNull();
  });
});

describe('repeated migration', () => {
  const isGone = async (name: string, consumer: string, id: number) => {
    expect(await privilegesFound(accountOf(name))).toEqual([]);
    expect(await ownerFunctionsOf(accountOf(name))).toEqual([]);
    expect(await sqlStateOf(workerOf(as(name), consumer).complete(id))).toBe('42501');
  };
  const accountsOf = async (account: string) =>
    (
      await db.query<{ consumer: string }>(
        'select consumer from consumer_accounts where account = $1::text order by consumer',
        [account],
      )
    ).rows.map((row) => row.consumer);

  test('migrate revokes privileges that the new part of an account does not have', async () => {
    await migrate(target, [...ALL, { part: 'consumer', consumer: 'shipping', account: MOVED }]);
    expect(await tablesOf(MOVED)).toContain('incoming_emails');
    await migrate(target, [{ part: 'status', account: MOVED }]);
    expect(await privilegesFound(MOVED)).toEqual(expectedOf(PRIVILEGES.status));
    expect(await ownerFunctionsOf(MOVED)).toEqual(['retention_status(integer)']);
    expect(await errorOf('moved', 'create table shipping.mine (id integer)')).toBe('database_denied');
    await migrate(target, ALL);
  });

  test('migrate takes everything but its data from a consumer that is no longer listed, and leaves other accounts alone', async () => {
    const [id = 0] = await storeEmails(db, 1);
    await migrate(target, [...ALL, { part: 'consumer', consumer: 'billing', account: MOVED }]);
    expect(await workerOf(as('moved'), 'billing').claim(100)).toContain(id);
    expect(await errorOf('moved', 'create table billing.kept as select 1 as total')).toBeNull();
    await db.query(`grant select on email_search to "${accountOf('status')}"`);
    await migrate(target, [ORDERS]);
    await isGone('moved', 'billing', id);
    for (const sql of ['select * from incoming_emails', 'select * from billing.kept'])
      expect([sql, await errorOf('moved', sql)]).toEqual([sql, 'database_denied']);
    expect([await accountsOf(MOVED), await accountsOf(ORDERS.account)]).toEqual([[], ['orders']]);
    expect((await db.query('select * from billing.kept')).rows).toEqual([{ total: 1 }]);
    expect(await tablesOf(ORDERS.account)).toContain('incoming_emails');
    // An account of another part keeps even what was granted by hand.
    expect(await tablesOf(accountOf('status'))).toContain('email_search');
    await db.query(`revoke select on email_search from "${accountOf('status')}"`);
    await migrate(target, ALL);
  });

  test('migrate moves an account from one consumer to another, and gives several consumers to one account', async () => {
    const both = ['packing', 'returns'].map(
      (consumer): DatabaseAccount => ({ part: 'consumer', consumer, account: MOVED }),
    );
    const mayCreate = async () =>
      await Promise.all(
        ['packing', 'returns'].map(
          async (schema) => await errorOf('moved', `create table if not exists ${schema}.mine (id integer)`),
        ),
      );
    await migrate(target, [...ALL, ...both]);
    expect([await accountsOf(MOVED), await mayCreate()]).toEqual([
      ['packing', 'returns'],
      [null, null],
    ]);
    await migrate(target, [...ALL, ...both.slice(1)]);
    expect([await accountsOf(MOVED), await mayCreate()]).toEqual([['returns'], ['database_denied', null]]);
    expect(await sqlStateOf(workerOf(as('moved'), 'packing').claim())).toBe('42501');
    expect(await sqlStateOf(workerOf(as('moved'), 'returns').claim())).toBeNull();
    await migrate(target, ALL);
  });

  test('migrate revokes what earlier versions granted to consumers without a name', async () => {
    await db.query(
      `grant usage on schema public to "${MOVED}";
       grant select on email_raw to "${MOVED}";
       grant select, update (processed, updated_at) on incoming_emails to "${MOVED}"`,
    );
    await migrate(target, ALL);
    expect(await privilegesFound(MOVED)).toEqual([]);
  });

  test('migrate takes everything from the account of attachment-url when the bucket is turned off, so that it can be dropped', async () => {
    await migrate(target, [...ALL, { part: 'attachment_url', account: MOVED }]);
    expect(await privilegesFound(MOVED)).not.toEqual([]);
    await migrate(target, ALL);
    expect(await privilegesFound(MOVED)).toEqual([]);
  });

  test('migrate revokes the queue from an account that is not listed, which could act for every consumer', async () => {
    await db.query(`grant usage on schema public to "${MOVED}"`);
    await db.query(`grant execute on function claim_emails to "${MOVED}"`);
    expect(await ownerFunctionsOf(MOVED)).toEqual([QUEUE[0]]);
    await migrate(target, ALL);
    expect(await ownerFunctionsOf(MOVED)).toEqual([]);
  });

  test('migrate grants nothing and names the account when one does not exist', async () => {
    await migrate(target, [...ALL, { part: 'status', account: MOVED }]);
    const missing = accountOf('missing');
    await expect(
      migrate(target, [
        { part: 'ingest', account: MOVED },
        { part: 'consumer', consumer: 'orders', account: missing },
      ]),
    ).rejects.toMatchObject({ code: 'database_denied', message: expect.stringContaining(missing) });
    expect(await tablesOf(MOVED)).not.toContain('incoming_emails');
    await migrate(target, ALL);
  });

  test('migrate refuses a consumer with the name of a user or of a schema of another account', async () => {
    await db.query(`create schema taken authorization "${MOVED}"`);
    // A user without a schema of its own searches the schema of its name first.
    for (const consumer of ['postgres', 'taken'])
      await expect(
        migrate(target, [...ALL, { part: 'consumer', consumer, account: MOVED }]),
      ).rejects.toMatchObject({ code: 'database_denied', message: expect.stringContaining(consumer) });
    expect(await tablesOf(MOVED)).not.toContain('incoming_emails');
  });
});

test('the version of the grants changes with each account, its part and its consumer', () => {
  const consumer = (name: string, account: string): DatabaseAccount[] => [
    { part: 'consumer', consumer: name, account },
  ];
  const versions = [
    consumer('orders', 'a'),
    consumer('orders', 'b'),
    consumer('billing', 'a'),
    [...consumer('orders', 'a'), ...consumer('orders', 'b')],
    [{ part: 'status', account: 'a' } as const],
  ].map(grantsVersion);
  expect(new Set(versions).size).toBe(versions.length);
  expect(grantsVersion(consumer('orders', 'a'))).toBe(versions[0]);
});
