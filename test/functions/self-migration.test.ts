/** The functions on a database whose schema is older than the code, with a replacement of Google's metadata server. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { TARGETS, type Target } from '../../functions/runtime/targets.ts';
import { freePort } from '../../local/ports.ts';
import { knownMigrations, MIGRATIONS_FOLDER } from '../../shared/db/schema/known-migrations.ts';
import { migrate } from '../../shared/db/schema/migrations.ts';
import type { AccountPart } from '../../shared/db-accounts.ts';
import { accountOf, accounts, createRoles, dropRoles, textOf, urlOf } from '../helpers/database-accounts.ts';
import { type MetadataServer, startMetadataServer } from '../helpers/metadata-server.ts';
import { type MigrateService, startMigrateService } from '../helpers/migrate-service.ts';
import { storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

const NEWEST = knownMigrations().at(-1);
const DB_ACCOUNTS = textOf(accounts);
const CALLERS = TARGETS.filter((target) => target !== 'migrate');
const partOf = (target: Target): AccountPart => {
  if (target === 'start' || target === 'stop') return 'control';
  if (target === 'attachmentUrl') return 'attachment_url';
  return target === 'console' || target === 'status' ? target : 'ingest';
};

let metadata: MetadataServer;
let system: TestSystem;
let service: MigrateService;
beforeAll(async () => {
  metadata = await startMetadataServer();
});
afterAll(() => metadata.close());
beforeEach(async () => {
  vi.stubEnv('GCE_METADATA_HOST', metadata.host);
  system = await createTestSystem();
  await createRoles(system.db);
  const { call } = system.instance({ DB_ACCOUNTS });
  service = await startMigrateService(async () => await call('migrate'));
});
afterEach(async () => {
  service.close();
  await dropRoles(system.db);
  await system.close();
});

/** An instance of new code, with the account of a part. */
function instanceOf(part: AccountPart, MIGRATE_URL = service.url) {
  return system.instance({ DATABASE_URL: urlOf(system.db, part), MIGRATE_URL });
}

/** The database is empty. */
const STATUSES: Readonly<Partial<Record<Target, number>>> = {
  attachmentUrl: 404,
  gmailPush: 204,
  ingestMailbox: 204,
};

function requestOf(target: Target) {
  if (target === 'attachmentUrl') return { method: 'GET', query: { id: '1' } };
  if (target === 'console') return { path: '/api/system/email-monitor/status', method: 'GET' };
  const { emailAddress } = system.gmail;
  if (target === 'ingestMailbox') {
    const work = Buffer.from(JSON.stringify({ mailbox: emailAddress })).toString('base64');
    return { body: { message: { data: work } } };
  }
  const data = Buffer.from(JSON.stringify({ emailAddress, historyId: '7' })).toString('base64');
  return target === 'gmailPush' ? { body: { message: { data } } } : {};
}

/** No table, and no privilege on the schema, as before the first call of `migrate`. */
async function emptyDatabase(): Promise<void> {
  await system.db.query('drop schema public cascade; create schema public');
}

/** The data in the schema that older code made, and more privileges than it granted. Migrations later than 0002 are not applied. */
async function olderSchema(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'email-monitor-migrations-'));
  try {
    for (const name of knownMigrations().filter((one) => one < '0003'))
      cpSync(join(MIGRATIONS_FOLDER, `${name}.sql`), join(folder, `${name}.sql`));
    await system.db.query('alter schema public rename to newer; create schema public');
    await migrate({ kind: 'url', url: system.db.url }, [], folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
  await system.db.query(`
    do $$
    declare
      copied record;
    begin
      -- No trigger fires, and foreign keys are not checked.
      set local session_replication_role = replica;
      for copied in
        select c.table_name, string_agg(quote_ident(c.column_name), ', ') as columns
        from information_schema.columns c
        join information_schema.columns n
          on n.table_schema = 'newer' and n.table_name = c.table_name and n.column_name = c.column_name
        where c.table_schema = 'public'
          and c.is_generated = 'NEVER'
          and c.table_name <> 'schema_migrations'
        group by c.table_name
      loop
        execute format('delete from public.%I', copied.table_name);
        execute format(
          'insert into public.%1$I (%2$s) overriding system value select %2$s from newer.%1$I',
          copied.table_name, copied.columns);
      end loop;
      perform setval(format('public.%I', s.sequencename)::regclass, s.last_value)
      from pg_sequences s
      where s.schemaname = 'newer'
        and s.last_value is not null
        and to_regclass(format('public.%I', s.sequencename)) is not null;
    end
    $$;
    drop schema newer cascade`);
  for (const { account } of accounts)
    await system.db.query(`
      grant usage on schema public to "${account}";
      grant select, insert, update, delete on all tables in schema public to "${account}"`);
}

const appliedCount = async () =>
  (await system.rows(`select 1 from schema_migrations where name = '${NEWEST}'`)).length;

describe('first contact', () => {
  it.each(CALLERS)(
    '%s migrates an empty database through its first request, and answers the next one',
    async (target) => {
      await emptyDatabase();
      const { call, log } = instanceOf(partOf(target));
      const first = await call(target, requestOf(target));
      expect([first.status, first.headers['retry-after']]).toEqual([503, '1']);
      expect(first.json).toMatchObject({
        code: 'schema_outdated',
        detail: `The database does not have the migration ${NEWEST}.`,
        remediation: expect.stringContaining('call again'),
      });
      expect(service.callCount).toBe(1);
      expect(metadata.audiences.at(-1)).toBe(service.url);
      expect(log.find((line) => line['event'] === 'migrate_called')).toMatchObject({
        applied_count: knownMigrations().length,
      });

      const second = await call(target, requestOf(target));
      expect(second.status).toBe(STATUSES[target] ?? 200);
      expect(second.headers['retry-after']).toBeUndefined();
      expect(service.callCount).toBe(1);
    },
  );

  it('migrates where every account may use the schema public, as in a new Cloud SQL database', async () => {
    await emptyDatabase();
    await system.db.query('grant usage on schema public to public');
    const { call } = instanceOf('status');
    expect((await call('status')).status).toBe(503);
    expect((await call('status')).status).toBe(200);
  });

  it('serves the page of the console while the schema is outdated', async () => {
    await emptyDatabase();
    expect((await instanceOf('console').call('console', { path: '/', method: 'GET' })).status).toBe(200);
  });

  it('does not call migrate when the schema is current', async () => {
    await olderSchema();
    await system.call('migrate');
    const { call } = system.instance({ MIGRATE_URL: service.url });
    expect((await call('status')).status).toBe(200);
    expect(service.callCount).toBe(0);
  });
});

describe('an older schema', () => {
  it('answers 503 to a push, and stores its email when Pub/Sub delivers it again', async () => {
    await system.call('start');
    await system.call('poll');
    await olderSchema();
    const { emailAddress } = system.gmail;
    const { historyId, id } = system.gmail.deliver(order(1));
    const data = Buffer.from(JSON.stringify({ emailAddress, historyId })).toString('base64');
    const { call } = instanceOf('ingest');
    const push = async () => (await call('gmailPush', { body: { message: { data } } })).status;
    expect(await push()).toBe(503);
    expect(await push()).toBe(204);
    expect(await storedIds(system)).toContain(id);
  });

  it('neither records a run or an incident nor charges a message when poll finds it', async () => {
    await system.call('start');
    await system.call('poll');
    await olderSchema();
    const { id } = system.gmail.deliver(order(1));
    const state = async () => ({
      runs: await system.rows('select id, outcome from ingest_runs order by id'),
      incidents: await system.rows('select id from incidents'),
      mailboxes: await system.rows('select failure_count, next_poll_at, lease_token from mailboxes'),
      ledger: await system.rows('select * from email_ledger'),
    });
    const before = await state();
    const { call } = instanceOf('ingest');
    expect((await call('poll')).status).toBe(503);
    expect(await state()).toEqual(before);
    await system.pass(60);
    expect((await call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
    expect(await storedIds(system)).toContain(id);
  });

  it('two functions that meet it at once apply each migration once', async () => {
    await emptyDatabase();
    const callers = [
      [instanceOf('status'), 'status'],
      [instanceOf('ingest'), 'poll'],
    ] as const;
    const answers = await Promise.all(callers.map(async ([one, target]) => await one.call(target)));
    for (const { headers, status } of answers) {
      expect(status).toBe(503);
      // 5: the other call was migrating.
      expect(headers['retry-after']).toMatch(/^[15]$/);
    }
    for (const [one, target] of callers) expect((await one.call(target)).status).toBe(200);
    expect(await appliedCount()).toBe(1);
  });

  it('concurrent requests of an instance share one call', async () => {
    await olderSchema();
    const gate = Promise.withResolvers<void>();
    const { answer } = service;
    service.answer = async () => {
      await gate.promise;
      return await answer();
    };
    const { call } = instanceOf('status');
    const both = Promise.all([call('status'), call('status')]);
    await vi.waitFor(() => expect(service.callCount).toBe(1), { timeout: 20_000 });
    gate.resolve();
    expect((await both).map(({ headers, status }) => [status, headers['retry-after']])).toEqual([
      [503, '1'],
      [503, '1'],
    ]);
    expect(service.callCount).toBe(1);
  });
});

describe('missing grants', () => {
  beforeEach(async () => {
    await olderSchema();
    await system.instance({ DB_ACCOUNTS }).call('migrate');
  });

  it('calls migrate when the migrations were applied and a grant was not', async () => {
    await system.db.query(`revoke all on ingest_runs from "${accountOf('status')}"`);
    const { call } = instanceOf('status');
    const denied = await call('status');
    expect([denied.status, denied.json.code, denied.headers['retry-after']]).toEqual([
      503,
      'database_denied',
      '1',
    ]);
    expect((await call('status')).status).toBe(200);
  });

  it('removes the grants of a consumer that left the configuration, while the request succeeds', async () => {
    const isGranted = async () =>
      (
        await system.rows("select has_table_privilege($1::text, 'incoming_emails', 'select') as yes", [
          accountOf('consumer'),
        ])
      )[0]?.['yes'];
    expect(await isGranted()).toBe(true);
    const others = textOf(accounts.filter((one) => one.part !== 'consumer'));
    const migrator = system.instance({ DB_ACCOUNTS: others });
    service.answer = async () => await migrator.call('migrate');
    const { call } = system.instance({
      DATABASE_URL: urlOf(system.db, 'status'),
      MIGRATE_URL: service.url,
      DB_ACCOUNTS: others,
    });
    expect((await call('status')).status).toBe(200);
    expect([await isGranted(), service.callCount]).toEqual([false, 1]);
    expect((await call('status')).status).toBe(200);
    expect(service.callCount).toBe(1);
  });

  it('calls migrate when an instance with a current schema loses its tables to a restored backup', async () => {
    const { call } = instanceOf('status');
    expect((await call('status')).status).toBe(200);
    await emptyDatabase();
    expect((await call('status')).status).toBe(503);
    expect((await call('status')).status).toBe(200);
    expect(service.callCount).toBe(1);
  });
});

describe('migrate away', () => {
  const PROBLEM = JSON.stringify({ code: 'database_unavailable', detail: 'PostgreSQL: ECONNREFUSED.' });
  const failure = (log: Record<string, unknown>[]) =>
    log.filter((line) => line['event'] === 'migrate_called');

  it.each([
    ['404 of Cloud Run', 404, '<html>Not found</html>', 'migrate answered 404.'],
    ['403 of Cloud Run', 403, '', 'migrate answered 403.'],
    ['a problem', 503, PROBLEM, 'migrate answered 503 database_unavailable: PostgreSQL: ECONNREFUSED.'],
  ])('logs %s with its remediation, and calls again after a minute', async (_name, status, body, detail) => {
    await olderSchema();
    const { answer } = service;
    service.answer = async () => ({ status, headers: {}, body });
    const { call, log } = instanceOf('status');
    const first = await call('status');
    expect([first.status, first.json.code, first.headers['retry-after']]).toEqual([
      503,
      'schema_outdated',
      '60',
    ]);
    expect(failure(log)).toEqual([
      {
        severity: 'ERROR',
        event: 'migrate_called',
        message: `The function migrate did not update the schema: ${detail}`,
        error_code: 'migrate_unavailable',
        remediation: expect.stringContaining('roles/run.invoker'),
      },
    ]);
    await system.pass(50);
    const again = await call('status');
    expect(again.status).toBe(503);
    expect(Number(again.headers['retry-after'])).toBeLessThanOrEqual(10);
    expect(service.callCount).toBe(1);
    service.answer = answer;
    await system.pass(10);
    expect((await call('status')).headers['retry-after']).toBe('1');
    expect((await call('status')).status).toBe(200);
    expect(service.callCount).toBe(2);
  });

  it('logs that migrate cannot be reached', async () => {
    await olderSchema();
    const { call, log } = instanceOf('status', `http://127.0.0.1:${await freePort()}`);
    expect((await call('status')).headers['retry-after']).toBe('60');
    expect(failure(log)[0]?.['message']).toContain('migrate did not answer: ECONNREFUSED.');
  });

  it('logs that the metadata server gives no token', async () => {
    await olderSchema();
    vi.stubEnv('GCE_METADATA_HOST', `127.0.0.1:${await freePort()}`);
    const { call, log } = instanceOf('status');
    expect((await call('status')).headers['retry-after']).toBe('60');
    expect(failure(log)[0]?.['message']).toContain('The metadata server gave no token: ECONNREFUSED.');
  });

  it('asks to call again soon, without an error, while another call migrates', async () => {
    await olderSchema();
    await system.db.transaction(async (tx) => {
      await tx.query('select pg_advisory_xact_lock(7241865325823964)');
      const { call, log } = instanceOf('status');
      const answer = await call('status');
      expect([answer.status, answer.headers['retry-after']]).toEqual([503, '5']);
      expect(failure(log)).toMatchObject([{ severity: 'WARNING', error_code: 'migration_running' }]);
    });
  });
});
