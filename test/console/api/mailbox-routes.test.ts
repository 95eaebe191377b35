import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { secretNameOf } from '../../../shared/mailbox-access.ts';
import { createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

const API = '/api/console';
const ADDED = {
  email_address: 'Sales@example.com',
  access: 'refresh_token',
  label: ' Orders ',
  initial_query: '',
};

let system: TestSystem;
beforeEach(async () => {
  system = await createTestSystem();
  await system.turnOn();
  await system.call('poll');
});
afterEach(() => system.close());

const read = async (path: string, query: Record<string, string> = {}) =>
  await system.call('console', {
    method: 'GET',
    path: `${API}/${path}`,
    query,
    headers: { 'sec-fetch-site': 'same-origin' },
  });
const write = async (path: string, body: object, site = 'same-origin') =>
  await system.call('console', {
    method: 'POST',
    path: `${API}/mailboxes/${path}`,
    body,
    headers: { 'sec-fetch-site': site },
  });

describe('adding a mailbox', () => {
  it('the mailbox is added in lower case, appears in the list, and the answer names the next command', async () => {
    const { json, status } = await write('add', ADDED);
    expect(status).toBe(200);
    expect(json).toMatchObject({
      email_address: 'sales@example.com',
      next_step: expect.stringContaining('npm run authorize -- --mailbox sales@example.com'),
    });
    expect(
      await system.rows('select email_address, access, label, initial_query from mailbox_settings'),
    ).toEqual([
      { email_address: 'sales@example.com', access: 'refresh_token', label: 'Orders', initial_query: null },
    ]);
    const { json: page } = await read('mailboxes', { contains: 'SALES' });
    expect(page).toMatchObject({
      found_count: 1,
      mailboxes: [{ email_address: 'sales@example.com', state: 'starting' }],
    });
    expect((await read('mailboxes', { offset: '1' })).json).toMatchObject({ found_count: 2 });
  });

  it('an address that a shell would execute in part is quoted in the next command', async () => {
    const { json } = await write('add', { ...ADDED, email_address: 'a$(id)`@example.com' });
    expect(json.next_step).toContain("npm run authorize -- --mailbox 'a$(id)`@example.com' --client-secret");
  });

  it('the next step is the next poll when the folder has the credentials already', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'email-monitor-secrets-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, `${secretNameOf('sales@example.com')}.json`), '{}');
    const add = async () =>
      await system.instance({ GMAIL_MAILBOX_SECRETS: folder }).call('console', {
        method: 'POST',
        path: `${API}/mailboxes/add`,
        body: ADDED,
      });
    expect((await add()).json.next_step).toBe('The next poll uses the credentials that are there already.');
    await write('remove', { email_address: ADDED.email_address });
    await system.rows('update email_monitor_status set is_running = false');
    expect((await add()).json.next_step).toBe(
      'The credentials are there already. The monitor is stopped: press “Start”, and the poll uses them.',
    );
  });

  it('the error of an invalid address says nothing about the encoding of a URL, because it is in the body', async () => {
    const { json } = await write('add', { ...ADDED, email_address: 'a@b@example.com' });
    expect(json.detail).toBe('"email_address" must be one email address, such as orders@example.com.');
  });

  it.each(['a\0b@example.com', 'a\u0007b@example.com', '\ud800@example.com'])(
    'the address %j, which the database or a message cannot hold, is rejected everywhere',
    async (address) => {
      const answers = [
        await write('add', { ...ADDED, email_address: address }),
        await write('pause', { email_address: address }),
        await write('remove', { email_address: `formerly ${address} (mailbox 1)` }),
        await read('overview', { mailbox: address }),
        await system.call('pollNow', { query: { mailbox: address } }),
      ];
      expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400, 400]);
      expect(await system.rows('select from mailbox_settings')).toEqual([]);
    },
  );

  it('an address with a character that nothing shows is not added, and the error names the character', async () => {
    const { json, status } = await write('add', { ...ADDED, email_address: 'sales\u200b@example.com' });
    expect([status, json.detail]).toEqual([
      400,
      'The address contains a character that is not visible (U+200B). Type the address instead of pasting it.',
    ]);
    expect(await system.rows('select from mailbox_settings')).toEqual([]);
  });

  it('an address that is the first mailbox, was added before, or is none is rejected, and nothing is stored', async () => {
    await write('add', ADDED);
    for (const body of [
      ADDED,
      { ...ADDED, email_address: 'orders@example.com' },
      { ...ADDED, email_address: 'no address' },
      { ...ADDED, access: 'environment' },
    ])
      expect((await write('add', body)).status).toBe(400);
    expect(await system.rows('select email_address from mailbox_settings')).toHaveLength(1);
  });
});

it('a mailbox is paused, resumed and removed, and the log names the operator', async () => {
  await write('add', ADDED);
  const address = { email_address: 'sales@example.com' };
  const isPaused = async () => await system.rows('select is_paused from mailbox_settings');
  expect((await write('pause', address)).status).toBe(200);
  expect(await isPaused()).toEqual([{ is_paused: true }]);
  expect((await read('overview')).json.status.totals).toMatchObject({ paused_count: 1 });
  expect((await write('resume', address)).status).toBe(200);
  expect(await isPaused()).toEqual([{ is_paused: false }]);
  expect((await write('remove', address)).json.next_step).toContain('secret');
  expect(await isPaused()).toEqual([]);
  for (const verb of ['pause', 'resume', 'remove']) expect((await write(verb, address)).status).toBe(404);
});

it('a mailbox whose address another account has now is shown, paused and removed by the text that the list shows', async () => {
  await write('add', ADDED);
  const former = 'formerly sales@example.com (mailbox 7)';
  await system.rows('update mailbox_settings set email_address = $1', [former]);
  expect((await read('overview', { mailbox: former })).json.status.mailboxes).toMatchObject([
    { email_address: former },
  ]);
  for (const verb of ['pause', 'resume', 'remove'])
    expect((await write(verb, { email_address: former })).status).toBe(200);
  expect((await write('add', { ...ADDED, email_address: former })).status).toBe(400);
});

it('the first mailbox can be paused but not removed', async () => {
  const address = { email_address: 'orders@example.com' };
  expect((await write('pause', address)).status).toBe(200);
  expect((await read('overview')).json.status).toMatchObject({
    state: 'stopped',
    mailboxes: [{ is_paused: true }],
  });
  expect((await write('remove', address)).status).toBe(404);
});

it('no change is made for a page of another site', async () => {
  for (const verb of ['add', 'pause', 'resume', 'remove'])
    expect((await write(verb, ADDED, 'cross-site')).status).toBe(403);
  expect(await system.rows('select email_address from mailbox_settings')).toEqual([]);
});

it('the overview and the status can be of one mailbox, and an unknown address is not found', async () => {
  await write('add', ADDED);
  const { json } = await read('overview', { mailbox: 'orders@example.com' });
  expect(json).toMatchObject({
    status: { mailbox_count: 2, mailboxes: [{ email_address: 'orders@example.com' }] },
    quota: { minute_limit: 6_000 },
  });
  expect((await read('overview')).json).toMatchObject({ quota: { minute_limit: 12_000 } });
  expect((await read('overview', { mailbox: 'unknown@example.com' })).status).toBe(404);
  expect((await system.call('status', { query: { mailbox: 'unknown@example.com' } })).status).toBe(404);
  expect(
    (await system.call('status', { query: { mailbox: 'Sales@example.com' } })).json.mailboxes,
  ).toHaveLength(1);
});
