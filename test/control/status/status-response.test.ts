/** The status after real runs, from the first start on. `mailbox-state.test.ts` derives each state from rows. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

const MAIL = Buffer.from('From: buyer@example.com\r\nSubject: Order\r\n\r\nOne\r\n');
const NO_CREDENTIALS = { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '', GMAIL_REFRESH_TOKEN: '' };

let system: TestSystem;
beforeEach(async () => {
  system = await createTestSystem();
});
afterEach(() => system.close());

async function status() {
  const answered = await system.call('status');
  expect(answered.status).toBe(200);
  return answered.json;
}

describe('the state', () => {
  it('the state is stopped before the first start, with advice how to start', async () => {
    expect(await status()).toMatchObject({
      is_running: false,
      state: 'stopped',
      advice: [expect.stringContaining('POST start')],
      advice_items: [{ code: 'stopped', action: 'start' }],
    });
  });

  it('the state is starting until the first run has ended', async () => {
    await system.turnOn();
    expect(await status()).toMatchObject({ state: 'starting', mailboxes: [], advice: [] });
  });

  it('the state is watching when all discovered messages are stored', async () => {
    await system.turnOn();
    system.gmail.deliver(MAIL);
    await system.call('poll');
    expect(await status()).toMatchObject({
      is_running: true,
      last_poll_at: expect.any(String),
      last_error: null,
      emails_processed_total: 1,
      state: 'watching',
      advice: [],
      mailboxes: [
        {
          email_address: 'orders@example.com',
          is_current: true,
          state: 'watching',
          cursor_history_id: system.gmail.historyId,
          last_success_at: expect.any(String),
          next_poll_at: null,
          failure_count: 0,
          last_error: null,
          lease_holder: null,
          is_listing: false,
          ledger: { pending: 0, stored: 1, gone: 0, ignored: 0, dead: 0 },
          oldest_pending_at: null,
          waiting_count: 0,
          unknown_since: null,
          failing: null,
          last_push_at: null,
          watch: null,
          incidents: [],
        },
      ],
    });
  });

  it('the state is catching_up, and what waits is unknown, while a push has announced history that no listing has reached', async () => {
    await system.turnOn();
    await system.call('poll');
    await system.db.query(
      `update mailboxes set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '40 seconds'`,
    );
    system.gmail.deliver(MAIL);
    const notification = { emailAddress: 'orders@example.com', historyId: system.gmail.historyId };
    const data = Buffer.from(JSON.stringify(notification)).toString('base64');
    // The instance that holds the lease has died.
    expect((await system.call('gmailPush', { body: { message: { data } } })).status).toBe(204);
    const { mailboxes, state } = await status();
    expect(state).toBe('catching_up');
    expect(mailboxes).toMatchObject([{ waiting_count: null, unknown_since: mailboxes[0].last_push_at }]);
    await system.db.query('update mailboxes set lease_expires_at = now()');
    await system.call('poll');
    expect(await status()).toMatchObject({ state: 'watching', mailboxes: [{ waiting_count: 0 }] });
  });

  it('the state is fetch_failing while a message cannot be fetched, and watching once it is gone', async () => {
    await system.turnOn();
    const { id } = system.gmail.deliver(MAIL);
    system.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get', messageId: id });
    await system.call('poll');
    const { advice, state, mailboxes } = await status();
    expect(state).toBe('fetch_failing');
    expect(mailboxes[0]).toMatchObject({
      ledger: { pending: 1 },
      failing: { count: 1, dead_count: 0, error_code: 'gmail_refused' },
      oldest_pending_at: expect.any(String),
    });
    expect(advice.join()).not.toContain('Nothing to do');

    await system.db.query(`update email_ledger set state = 'gone', resolved_at = now()`);
    expect((await status()).state).toBe('watching');
  });

  it('the state is backing_off after a failed run, with the error, its remediation and the time of the next run', async () => {
    await system.turnOn();
    await system.call('poll');
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    await system.call('poll');
    const { state, last_error: lastError, mailboxes, advice } = await status();
    expect(state).toBe('backing_off');
    expect(lastError).toBe('Gmail did not return a valid response: users.history.list: 503 backendError.');
    const [mailbox] = mailboxes;
    expect(mailbox).toMatchObject({
      state: 'backing_off',
      failure_count: 1,
      next_poll_at: expect.any(String),
      last_error: { code: 'gmail_unavailable', detail: 'users.history.list: 503 backendError.' },
    });
    expect(advice).toEqual([mailbox.last_error.remediation]);
    system.gmail.faults.clear();
    await system.call('pollNow');
    expect(await status()).toMatchObject({ state: 'watching', last_error: null, advice: [] });
  });

  it('the state is reauth_required after the token was revoked, on or stopped, until new credentials work', async () => {
    await system.turnOn();
    await system.call('poll');
    system.gmail.revokeRefreshToken();
    system.gmail.deliver(MAIL);
    await system.call('poll');
    const revoked = await status();
    expect(revoked).toMatchObject({ state: 'reauth_required', mailboxes: [{ state: 'reauth_required' }] });
    expect(revoked.advice[0]).toContain('npm run authorize');
    await system.call('stop');
    expect((await status()).state).toBe('reauth_required');

    system.gmail.reauthorize('1//another-refresh-token');
    const { call } = system.instance({ GMAIL_REFRESH_TOKEN: '1//another-refresh-token' });
    expect((await call('pollNow')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
    const repaired = (await call('status')).json;
    expect(repaired).toMatchObject({ state: 'stopped', mailboxes: [{ failure_count: 0, last_error: null }] });
    expect(repaired.mailboxes).toHaveLength(1);
  });

  it('the state is reauth_required for rejected credentials that never reached a mailbox', async () => {
    await system.turnOn();
    system.gmail.revokeRefreshToken();
    await system.call('poll');
    expect(await status()).toMatchObject({
      state: 'reauth_required',
      mailboxes: [],
      advice: [expect.stringContaining('npm run authorize')],
    });
  });

  it('the state is access_denied when the Gmail API is not enabled', async () => {
    await system.turnOn();
    system.gmail.faults.add({
      kind: 'status',
      status: 403,
      reason: 'accessNotConfigured',
      method: 'getProfile',
    });
    await system.call('poll');
    expect(await status()).toMatchObject({
      state: 'access_denied',
      advice: [expect.stringContaining('Enable the Gmail API')],
    });
  });

  it('the state is access_denied when the OAuth client is wrong', async () => {
    await system.turnOn();
    const { call } = system.instance({ GMAIL_CLIENT_SECRET: 'wrong' });
    await call('poll');
    expect((await call('status')).json).toMatchObject({
      state: 'access_denied',
      advice: [expect.stringContaining('GMAIL_CLIENT_SECRET')],
    });
  });

  it('the state is the state of the mailbox of the configured credentials, not of earlier mailboxes', async () => {
    await system.turnOn();
    await system.call('poll');
    await system.db.query(
      `insert into mailboxes (email_address, cursor_history_id, failure_count, last_error_code)
       values ('former@example.com', 1, 3, 'reauth_required')`,
    );
    const { state, mailboxes, advice } = await status();
    expect(state).toBe('watching');
    expect(mailboxes.map((one: { is_current: boolean }) => one.is_current)).toEqual([true, false]);
    expect(advice).toEqual([]);
    const unset = (await system.instance(NO_CREDENTIALS).call('status')).json;
    expect(unset).toMatchObject({
      state: 'not_configured',
      mailboxes: [{ is_current: false, state: 'not_configured' }, {}],
    });
  });
});

it('status shows no lease holder after the lease has expired', async () => {
  await system.call('pollNow');
  await system.db.query(
    `update mailboxes
     set lease_token = gen_random_uuid(), lease_holder = 'dead', lease_expires_at = now() - interval '1 second'`,
  );
  expect((await status()).mailboxes[0].lease_holder).toBeNull();
});

it('status changes no row and calls no Gmail method', async () => {
  await system.turnOn();
  await system.call('poll');
  const tables = [
    'mailboxes',
    'mailbox_quota',
    'mailbox_watches',
    'email_monitor_status',
    'ingest_runs',
    'email_ledger',
  ];
  const dump = async () =>
    await Promise.all(tables.map(async (table) => await system.rows(`select * from ${table} order by 1`)));
  const before = await dump();
  system.gmail.resetCounters();
  await status();
  expect(await dump()).toEqual(before);
  expect(system.gmail.callLog.calls).toEqual([]);
});
