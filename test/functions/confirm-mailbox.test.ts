import { describe, expect, onTestFinished, test } from 'vitest';
import { EmulatedGmail, startEmulatedGmail } from '../../emulators/gmail/emulated-gmail.ts';
import { ledger } from '../helpers/stored.ts';
import { mail } from '../helpers/test-emails.ts';
import type { Instance, TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
const NEW_TOKEN = '1//new-token';

/** A started monitor of `orders@example.com`. */
async function started(): Promise<TestSystem> {
  const system = await createTestSystem();
  await system.call('start');
  await system.call('poll');
  return system;
}

/** The same deployment with the credentials of another account. */
async function otherAccount(system: TestSystem): Promise<{ gmail: EmulatedGmail; other: Instance }> {
  const gmail = new EmulatedGmail({
    emailAddress: 'sales@example.com',
    refreshToken: NEW_TOKEN,
    quotaUnitsPerMinute: null,
  });
  const server = await startEmulatedGmail(gmail);
  onTestFinished(async () => await server.close());
  const other = system.instance({
    GMAIL_REFRESH_TOKEN: NEW_TOKEN,
    GMAIL_API_ROOT_URL: server.rootUrl,
    GOOGLE_OAUTH_TOKEN_URL: server.tokenUrl,
  });
  return { gmail, other };
}

async function mailboxCount(system: TestSystem): Promise<number> {
  return (await system.rows('select 1 from mailboxes')).length;
}

describe('an unknown account', () => {
  test('an unknown account is not read: the state is access_denied with both addresses, and no mailbox is watching', async () => {
    const system = await started();
    const { gmail, other } = await otherAccount(system);
    gmail.deliver(mail('Order'));
    const start = await other.call('start');
    expect([start.status, start.json.state]).toEqual([200, 'access_denied']);
    await other.call('poll');
    const { json } = await other.call('status');
    expect(json.state).toBe('access_denied');
    expect(json.last_error).toMatch(/sales@example\.com/);
    expect(json.last_error).toMatch(/orders@example\.com/);
    expect(json.advice.join(' ')).toMatch(/new_mailbox=.*renamed_from=/);
    expect(json.mailboxes.map((one: { state: string }) => one.state)).not.toContain('watching');
    expect(await mailboxCount(system)).toBe(1);
    expect(await ledger(system)).toEqual({});
  });

  test('an unknown account becomes a second mailbox after an operator confirms it, and only then its mail is stored', async () => {
    const system = await started();
    const { gmail, other } = await otherAccount(system);
    expect((await other.call('poll')).status).toBe(409);
    const confirmed = await other.call('start', { query: { new_mailbox: 'Sales@example.com' } });
    expect(confirmed.status).toBe(200);
    const { id } = gmail.deliver(mail('Order'));
    await other.call('poll');
    expect(
      await system.rows(
        `select m.email_address, e.gmail_message_id as id
         from incoming_emails e
         join mailboxes m on m.id = e.mailbox_id`,
      ),
    ).toEqual([{ email_address: 'sales@example.com', id }]);
    expect((await other.call('status')).json.state).not.toBe('access_denied');
  });

  test('an unknown account takes over a known mailbox after an operator confirms the rename', async () => {
    const system = await started();
    system.gmail.renameAccount('sales@example.com');
    system.gmail.reauthorize(NEW_TOKEN);
    const renewed = system.instance({ GMAIL_REFRESH_TOKEN: NEW_TOKEN });
    expect((await renewed.call('poll')).status).toBe(409);
    const confirmed = await renewed.call('start', { query: { renamed_from: 'orders@example.com' } });
    expect(confirmed.status).toBe(200);
    expect(confirmed.json.mailboxes).toMatchObject([{ email_address: 'sales@example.com' }]);
    expect(confirmed.json).toMatchObject({ last_error: null, advice: [] });
    expect(await mailboxCount(system)).toBe(1);
  });
});

describe('a confirmation', () => {
  test.each([
    [{ new_mailbox: 'sales' }, /new_mailbox=orders@example\.com/],
    [
      { 'new-mailbox': 'sales@example.com' },
      /"new-mailbox" is not a parameter of start.*new_mailbox, renamed_from/,
    ],
    [{ new_mailbox: ['a@example.com', 'b@example.com'] }, /one email address/],
    [{ renamed_from: '' }, /renamed_from=orders@example\.com/],
    [{ renamed_from: 'other@example.com' }, /Known: orders@example\.com/],
    [{ new_mailbox: 'a@example.com', renamed_from: 'b@example.com' }, /not both/],
  ])('a start with %j is rejected with what to do, and leaves the monitor off', async (query, detail) => {
    const system = await started();
    await system.call('stop');
    const rejected = await system.call('start', { query: query as unknown as Record<string, string> });
    expect([rejected.status, rejected.json.code]).toEqual([400, 'bad_request']);
    expect(rejected.json.detail).toMatch(detail);
    expect(await system.rows('select is_running from email_monitor_status')).toEqual([{ is_running: false }]);
  });

  test('a confirmation of the known mailbox changes nothing', async () => {
    const system = await started();
    const again = await system.call('start', { query: { new_mailbox: 'orders@example.com' } });
    expect(again.status).toBe(200);
    expect(await system.rows('select 1 from mailbox_confirmations')).toEqual([]);
  });
});

test('the next push after a rename finds the new address and is not dropped', async () => {
  const system = await started();
  system.gmail.renameAccount('sales@example.com');
  const { id, historyId } = system.gmail.deliver(mail('Order'));
  const data = Buffer.from(JSON.stringify({ emailAddress: 'sales@example.com', historyId })).toString(
    'base64',
  );
  const pushed = await system.call('gmailPush', {
    body: { message: { data, messageId: '1' }, subscription: 's' },
  });
  expect(pushed.status).toBe(204);
  expect(await ledger(system)).toEqual({ [id]: 'stored' });
  expect(await system.rows('select email_address from mailboxes')).toEqual([
    { email_address: 'sales@example.com' },
  ]);
});
