/** Each function with its own database account, which has only the privileges that `migrate` grants. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { Target } from '../../functions/runtime/targets.ts';
import { migrate } from '../../shared/db/schema/migrations.ts';
import type { AccountPart } from '../../shared/db-accounts.ts';
import {
  accountOf,
  accounts,
  createRoles,
  dropRoles,
  entryOf,
  textOf,
  urlOf,
} from '../helpers/database-accounts.ts';
import { storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
  await createRoles(system.db, 'migrate');
  await migrate({ kind: 'url', url: system.db.url }, accounts);
});
afterAll(async () => {
  await dropRoles(system.db, 'migrate');
  await system.close();
});

describe('database accounts', () => {
  const TOPIC = 'projects/orders-project/topics/gmail';
  const CONSOLE = '/api/system/email-monitor';

  it('each function works with only the privileges of its own account, from the first start on', async () => {
    const as = (part: AccountPart) =>
      system.instance({ DATABASE_URL: urlOf(system.db, part), GMAIL_PUBSUB_TOPIC: TOPIC });
    const statusOf = async (part: AccountPart, target: Target, request = {}) =>
      (await as(part).call(target, request)).status;

    expect(await statusOf('control', 'start')).toBe(200);
    const first = system.gmail.deliver(order(1));
    expect(await statusOf('ingest', 'poll')).toBe(200);
    expect(await storedIds(system)).toContain(first.id);

    const second = system.gmail.deliver(order(2));
    const data = Buffer.from(
      JSON.stringify({ emailAddress: system.gmail.emailAddress, historyId: second.historyId }),
    ).toString('base64');
    expect(await statusOf('ingest', 'gmailPush', { body: { message: { data } } })).toBe(204);
    expect(await storedIds(system)).toContain(second.id);

    const third = system.gmail.deliver(order(3));
    expect(await statusOf('ingest', 'pollNow', { query: { retry: 'dead', prove: 'all' } })).toBe(200);
    expect(await storedIds(system)).toContain(third.id);

    const fourth = system.gmail.deliver(order(4));
    expect(await statusOf('console', 'console', { path: `${CONSOLE}/poll-now` })).toBe(200);
    expect(await storedIds(system)).toContain(fourth.id);
    for (const verb of ['start', 'stop'])
      expect(await statusOf('console', 'console', { path: `${CONSOLE}/${verb}` })).toBe(200);
    expect(await statusOf('console', 'console', { path: `${CONSOLE}/status`, method: 'GET' })).toBe(200);

    expect(await statusOf('control', 'stop')).toBe(200);
    expect(await statusOf('status', 'status')).toBe(200);
  });
});

test('the function migrate migrates an empty database with an account that may only create tables, and reports it', async () => {
  const name = `empty_${randomUUID().slice(0, 8)}`;
  await system.rows(`create database ${name} owner "${accountOf('migrate')}"`);
  try {
    const DATABASE_URL = urlOf(system.db, 'migrate', name);
    // The account of the consumer is one that the account of migrate may not alter.
    const DB_ACCOUNTS = textOf([entryOf('status'), entryOf('consumer')]);
    const { call } = system.instance({ DATABASE_URL, DB_ACCOUNTS });
    const granted = ['status', 'consumer:extraction'];
    const first = await call('migrate');
    expect(first.json).toEqual({ applied: expect.arrayContaining(['0001_initial-schema']), granted });
    expect((await call('migrate')).json).toEqual({ applied: [], granted });
    const status = system.instance({ DATABASE_URL: urlOf(system.db, 'status', name) });
    expect((await status.call('status')).status).toBe(200);
  } finally {
    await system.rows(`drop database ${name} with (force)`);
  }
});
