/** Each function on an account of its own, with only the privileges that `migrate` grants it. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import type { Target } from '../../functions/runtime/targets.ts';
import { migrate } from '../../shared/db/schema/migrations.ts';
import { ACCOUNT_PARTS, type AccountPart } from '../../shared/db-accounts.ts';
import { order } from '../helpers/mails.ts';
import { storedIds } from '../helpers/stored.ts';
import { createWorld, type World } from '../helpers/world.ts';

/** Roles belong to the whole server, which other tests use too. */
const RUN = randomUUID().slice(0, 8);
const accountOf = (part: AccountPart) => `email-monitor-${part}@${RUN}.iam`;

/** That of the server's own account, which is in the URL already. */
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

test('the function migrate migrates an empty database with an account that may only create tables, and reports it', async () => {
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
      applied: expect.arrayContaining(['0001_initial-schema']),
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
