/** Each function on an account of its own, with the privileges that migrate gives it, on a real PostgreSQL. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { Target } from '../../functions/catalogue.ts';
import { openDatabase } from '../../shared/db/database.ts';
import { migrate } from '../../shared/db/migrations.ts';
import { ACCOUNT_PARTS, type AccountPart } from '../../shared/db-accounts.ts';
import { order } from '../helpers/mails.ts';
import { storedIds } from '../helpers/stored.ts';
import { createWorld, type World } from '../helpers/world.ts';

/** Roles belong to the whole server, which other tests use too. */
const RUN = randomUUID().slice(0, 8);
const accountOf = (part: AccountPart) => `email-monitor-${part}@${RUN}.iam`;

/** Any password: that of the server's own account is in the address already. */
let withPassword: string;
let world: World;
beforeAll(async () => {
  world = await createWorld();
  withPassword = `password '${new URL(world.db.url).password}'`;
  for (const part of ACCOUNT_PARTS)
    await world.rows(`create role "${accountOf(part)}" login ${withPassword}`);
  await migrate(
    { kind: 'url', url: world.db.url },
    ACCOUNT_PARTS.map((part) => ({ part, account: accountOf(part) })),
  );
});
afterAll(async () => {
  for (const part of ACCOUNT_PARTS) {
    await world.rows(`drop owned by "${accountOf(part)}"`);
    await world.rows(`drop role "${accountOf(part)}"`);
  }
  await world.close();
});

function urlOf(account: string, database?: string): string {
  const url = new URL(world.db.url);
  url.username = encodeURIComponent(account);
  if (database !== undefined) url.pathname = `/${database}`;
  return url.href;
}

/** One statement as the account of a part. @returns the code of its fault, null when there is none */
async function faultOf(part: AccountPart, sql: string): Promise<string | null> {
  const db = openDatabase({ target: { kind: 'url', url: urlOf(accountOf(part)) }, poolSize: 1 });
  try {
    await db.query(sql);
    return null;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  } finally {
    await db.close();
  }
}

describe('with the privileges of its account alone', () => {
  const TOPIC = 'projects/orders-project/topics/gmail';
  const CONSOLE = '/api/system/email-monitor';

  it('each function does its work, from the first start on', async () => {
    const as = (part: AccountPart) =>
      world.instance({ DATABASE_URL: urlOf(accountOf(part)), GMAIL_PUBSUB_TOPIC: TOPIC });
    const statusOf = async (part: AccountPart, target: Target, request = {}) =>
      (await as(part).call(target, request)).status;

    expect(await statusOf('start', 'start')).toBe(200);
    const first = world.gmail.deliver(order(1));
    expect(await statusOf('poll', 'poll')).toBe(200);
    expect(await storedIds(world)).toContain(first.id);

    const second = world.gmail.deliver(order(2));
    const data = Buffer.from(
      JSON.stringify({ emailAddress: world.gmail.emailAddress, historyId: second.historyId }),
    ).toString('base64');
    expect(await statusOf('gmail-push', 'gmailPush', { body: { message: { data } } })).toBe(204);
    expect(await storedIds(world)).toContain(second.id);

    const third = world.gmail.deliver(order(3));
    expect(await statusOf('poll-now', 'pollNow', { query: { retry: 'dead', prove: 'all' } })).toBe(200);
    expect(await storedIds(world)).toContain(third.id);

    const fourth = world.gmail.deliver(order(4));
    expect(await statusOf('console', 'console', { path: `${CONSOLE}/poll-now` })).toBe(200);
    expect(await storedIds(world)).toContain(fourth.id);
    for (const verb of ['start', 'stop'])
      expect(await statusOf('console', 'console', { path: `${CONSOLE}/${verb}` })).toBe(200);
    expect(await statusOf('console', 'console', { path: `${CONSOLE}/status`, method: 'GET' })).toBe(200);

    expect(await statusOf('stop', 'stop')).toBe(200);
    expect(await statusOf('status', 'status')).toBe(200);
  });
});

test.each(['poll', 'gmail-push', 'poll-now', 'console', 'start', 'stop', 'status'] as const)(
  '%s can neither change a stored email nor take one away',
  async (part) => {
    expect(await faultOf(part, "update incoming_emails set subject = ''")).toBe('database_denied');
    expect(await faultOf(part, 'update email_attachments set file_data = file_data')).toBe('database_denied');
    expect(await faultOf(part, 'delete from incoming_emails')).toBe('database_denied');
    expect(await faultOf(part, 'delete from email_ledger')).toBe('database_denied');
    expect(await faultOf(part, 'create table own (id integer)')).toBe('database_denied');
  },
);

test.each(['status', 'start', 'stop'] as const)('%s reads no mail', async (part) => {
  for (const table of ['incoming_emails', 'email_attachments', 'email_raw'])
    expect(await faultOf(part, `select * from ${table}`)).toBe('database_denied');
});

test('status changes nothing at all', async () => {
  const { rows } = await world.db.query<{ privilege_type: string }>(
    'select distinct privilege_type from information_schema.table_privileges where grantee = $1::text',
    [accountOf('status')],
  );
  expect(rows.map((row) => row.privilege_type)).toEqual(['SELECT']);
});

test('the next phase reads mail and marks it as processed, and changes nothing else', async () => {
  expect(
    await faultOf('consumer', 'select * from incoming_emails join email_attachments on true'),
  ).toBeNull();
  expect(
    await faultOf('consumer', 'update incoming_emails set processed = true, updated_at = now()'),
  ).toBeNull();
  expect(await faultOf('consumer', "update incoming_emails set subject = ''")).toBe('database_denied');
  expect(await faultOf('consumer', 'select * from mailboxes')).toBe('database_denied');
});

describe('migrating again', () => {
  const account = `email-monitor-moved@${RUN}.iam`;
  beforeAll(async () => void (await world.rows(`create role "${account}" login ${withPassword}`)));
  afterAll(async () => {
    await world.rows(`drop owned by "${account}"`);
    await world.rows(`drop role "${account}"`);
  });

  it('takes from an account what its part does not have', async () => {
    const target = { kind: 'url', url: world.db.url } as const;
    const privileges = async () =>
      (
        await world.rows<{ table_name: string }>(
          'select distinct table_name from information_schema.table_privileges where grantee = $1::text',
          [account],
        )
      ).map((row) => row.table_name);
    await migrate(target, [{ part: 'poll', account }]);
    expect(await privileges()).toContain('incoming_emails');
    await migrate(target, [{ part: 'status', account }]);
    expect(await privileges()).not.toContain('incoming_emails');
    expect(await privileges()).toContain('mailboxes');
  });

  it('grants nothing, and names the account, when one is no user of the database', async () => {
    const target = { kind: 'url', url: world.db.url } as const;
    await migrate(target, [{ part: 'status', account }]);
    await expect(
      migrate(target, [
        { part: 'poll', account },
        { part: 'consumer', account: `nobody-${RUN}` },
      ]),
    ).rejects.toMatchObject({ code: 'database_denied', message: expect.stringContaining(`nobody-${RUN}`) });
    const { rows } = await world.db.query(
      "select 1 from information_schema.table_privileges where grantee = $1::text and privilege_type <> 'SELECT'",
      [account],
    );
    expect(rows).toEqual([]);
  });
});

test('an account that may only create tables migrates an empty database, and the function says what it did', async () => {
  const migrator = `email-monitor-migrate@${RUN}.iam`;
  const name = `empty_${RUN}`;
  await world.rows(`create role "${migrator}" login ${withPassword}`);
  await world.rows(`create database ${name} owner "${migrator}"`);
  try {
    const DATABASE_URL = urlOf(migrator, name);
    const DB_ACCOUNTS = `status=${accountOf('status')}`;
    const { call } = world.instance({ DATABASE_URL, DB_ACCOUNTS });
    const first = await call('migrate');
    expect(first.json).toEqual({
      applied: expect.arrayContaining(['0001_email-monitor']),
      granted: ['status'],
    });
    expect((await call('migrate')).json).toEqual({ applied: [], granted: ['status'] });
    expect(
      (await world.instance({ DATABASE_URL: urlOf(accountOf('status'), name) }).call('status')).status,
    ).toBe(200);
  } finally {
    await world.rows(`drop database ${name} with (force)`);
    await world.rows(`drop role "${migrator}"`);
  }
});
