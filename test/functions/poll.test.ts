import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

const SUBJECT = 'Hush order 4711';
const MAIL = Buffer.from(
  `From: buyer@example.com\r\nTo: orders@example.com\r\nSubject: ${SUBJECT}\r\n\r\nHush body\r\n`,
);
const NO_CREDENTIALS = { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '', GMAIL_REFRESH_TOKEN: '' };

let system: TestSystem;
beforeEach(async () => {
  system = await createTestSystem();
});
afterEach(() => system.close());

const gmailCalls = () => system.gmail.callLog.calls.length;

describe('poll', () => {
  it('poll stores arrived mail and counts it', async () => {
    await system.turnOn();
    system.gmail.deliver(MAIL);
    system.gmail.deliver(MAIL);
    const polled = await system.call('poll');
    expect(polled.status).toBe(200);
    expect(polled.headers['content-type']).toBe('application/json');
    expect(polled.json).toMatchObject({
      outcome: 'completed',
      new_emails: 2,
      discovered: 2,
      failed: 0,
      dead: 0,
    });
    expect(polled.json).not.toHaveProperty('code');
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 0 });
    expect((await system.call('status')).json.emails_processed_total).toBe(2);
  });

  it('poll succeeds without a call to Gmail while the monitor is off', async () => {
    const polled = await system.call('poll');
    expect([polled.status, polled.json.outcome, gmailCalls()]).toEqual([200, 'stopped', 0]);
  });

  it('poll succeeds without a call to Gmail while there are no credentials', async () => {
    await system.turnOn();
    const polled = await system.instance(NO_CREDENTIALS).call('poll');
    expect([polled.status, polled.json.outcome, gmailCalls()]).toEqual([200, 'not_configured', 0]);
  });

  it('a failed poll returns a problem with the members of the run, and the mailbox backs off', async () => {
    await system.turnOn();
    await system.call('poll');
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    const failed = await system.call('poll');
    expect(failed.status).toBe(503);
    expect(failed.headers['content-type']).toBe('application/problem+json');
    expect(failed.json).toMatchObject({
      type: 'about:blank',
      status: 503,
      code: 'gmail_unavailable',
      detail: 'users.history.list: 503 backendError.',
      outcome: 'failed',
      new_emails: 0,
    });
    system.gmail.faults.clear();
    expect((await system.call('poll')).json.outcome).toBe('not_due');
    expect((await system.call('pollNow')).json.outcome).toBe('completed');
    expect((await system.call('poll')).json.outcome).toBe('completed');
  });

  it('poll with a revoked token returns the command that repairs it', async () => {
    await system.turnOn();
    system.gmail.revokeRefreshToken();
    const failed = await system.call('poll');
    expect(failed.status).toBe(409);
    expect(failed.json).toMatchObject({
      code: 'reauth_required',
      outcome: 'failed',
      remediation: expect.stringContaining('npm run authorize'),
    });
  });
});

describe('poll with an interval of a day', () => {
  let daily: TestSystem;
  beforeEach(async () => {
    daily = await createTestSystem({
      env: { GMAIL_POLL_INTERVAL_SECONDS: '86400', GMAIL_SETTLE_SECONDS: '90' },
    });
    await daily.turnOn();
    // The first listing runs twice.
    await daily.call('poll');
    await daily.pass(91);
    await daily.call('poll');
  });
  afterEach(() => daily.close());

  const outcome = async () => (await daily.call('poll')).json.outcome;

  it('poll returns not_due at each tick until the interval is over', async () => {
    daily.gmail.deliver(MAIL);
    const units = daily.gmail.callLog.calls.length;
    expect(await outcome()).toBe('not_due');
    await daily.pass(43_000);
    expect([await outcome(), daily.gmail.callLog.calls.length]).toEqual(['not_due', units]);
    await daily.pass(43_400);
    expect((await daily.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
    expect(await outcome()).toBe('not_due');
  });

  it('poll runs before the interval is over when a hint is waiting', async () => {
    const { historyId } = daily.gmail.deliver(MAIL);
    await daily.db.query('update mailboxes set hint_history_id = $1::numeric, hint_at = now()', [historyId]);
    expect((await daily.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
    await daily.pass(11);
    expect(await outcome()).toBe('not_due');
  });

  it('poll runs before the interval is over when a message is due, and not earlier', async () => {
    const { id } = daily.gmail.deliver(MAIL);
    daily.gmail.faults.add({ kind: 'status', status: 400, messageId: id, times: 1 });
    await daily.pass(86_400);
    expect((await daily.call('poll')).json).toMatchObject({ outcome: 'completed', failed: 1 });
    expect(await outcome()).toBe('not_due');
    await daily.pass(21);
    expect((await daily.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
    expect(await outcome()).toBe('not_due');
  });

  it('poll runs before the interval is over when a listing was cut', async () => {
    expect(await outcome()).toBe('not_due');
    await daily.db.query(
      "insert into list_jobs (mailbox_id, purpose, query) select id, 'backfill', 'subject:order' from mailboxes",
    );
    expect(await outcome()).toBe('completed');
    expect(await outcome()).toBe('not_due');
  });

  it('poll runs again when a backoff of at most five minutes has ended', async () => {
    daily.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    await daily.db.query('update mailboxes set next_poll_at = null, failure_count = 20');
    expect(await outcome()).toBe('failed');
    expect(await outcome()).toBe('not_due');
    daily.gmail.faults.clear();
    await daily.pass(300);
    expect(await outcome()).toBe('completed');
    expect(await outcome()).toBe('not_due');
  });
});

describe('poll-now', () => {
  it('poll-now runs while the monitor is off', async () => {
    system.gmail.deliver(MAIL);
    const polled = await system.call('pollNow');
    expect(polled.status).toBe(200);
    expect(polled.json).toMatchObject({ outcome: 'completed', new_emails: 1 });
    expect(polled.json).not.toHaveProperty('retried');
  });

  it('poll-now without credentials is rejected with the missing variables', async () => {
    const rejected = await system.instance(NO_CREDENTIALS).call('pollNow');
    expect(rejected.status).toBe(409);
    expect(rejected.json).toMatchObject({
      code: 'not_configured',
      detail: 'Not set: GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET, GMAIL_REFRESH_TOKEN.',
    });
  });

  it('poll-now without credentials does not call a known mailbox unknown', async () => {
    await system.call('pollNow');
    const query = { mailbox: system.gmail.emailAddress };
    const rejected = await system.instance(NO_CREDENTIALS).call('pollNow', { query });
    expect(rejected.json).toMatchObject({ status: 409, code: 'not_configured' });
  });

  it('poll-now returns busy while another instance holds the lease', async () => {
    await system.call('pollNow');
    await system.db.query(
      `update mailboxes
       set lease_token = gen_random_uuid(), lease_holder = 'another', lease_expires_at = now() + interval '1 minute'`,
    );
    expect(await system.call('pollNow')).toMatchObject({
      status: 200,
      json: { outcome: 'busy', new_emails: 0 },
    });
    expect((await system.call('status')).json.mailboxes[0].lease_holder).toBe('another');
  });

  it.each([{ retry: 'bad' }, { retry: '' }, { retry: ['dead', 'dead'] }])(
    'poll-now with %o is a bad request',
    async (query) => {
      const rejected = await system.call('pollNow', { query: query as never });
      expect(rejected.status).toBe(400);
      expect(rejected.json).toMatchObject({
        code: 'bad_request',
        detail: 'The only value of "retry" is "dead".',
      });
      expect(gmailCalls()).toBe(0);
    },
  );

  it('poll-now?retry=dead requeues the dead messages, and none that was given up', async () => {
    const { id } = system.gmail.deliver(MAIL);
    system.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get', messageId: id });
    await system.call('pollNow');
    await system.db.query(`update email_ledger set state = 'dead', resolved_at = now()`);
    system.gmail.faults.clear();
    expect((await system.call('pollNow')).json.new_emails).toBe(0);
    expect((await system.call('status')).json.advice).toContainEqual(
      expect.stringMatching(/^1 messages? of orders@example\.com .*poll-now\?retry=dead/),
    );
    await system.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, state, source, given_up_at)
       select mailbox_id, '18c0ffee00000000', 'dead', 'history', now()
       from email_ledger`,
    );
    const retried = await system.call('pollNow', { query: { retry: 'dead' } });
    expect(retried.json).toMatchObject({ outcome: 'completed', new_emails: 1, retried: 1 });
    expect(
      await system.rows(
        "select given_up_at is not null as is_given_up from email_ledger where state = 'dead'",
      ),
    ).toEqual([{ is_given_up: true }]);
  });

  it.each(['reconcile', 'prove'])(
    'poll-now?%s=all reconciles all mail since the first start',
    async (name) => {
      await system.call('pollNow');
      system.gmail.deliver(MAIL);
      await system.call('pollNow');
      const polled = await system.call('pollNow', { query: { [name]: 'all' } });
      expect(polled.json).toMatchObject({ outcome: 'completed', new_emails: 0 });
      const [mailbox] = (await system.call('status')).json.mailboxes;
      expect(mailbox.reconciliation.full).toMatchObject({
        gmail_count: 1,
        stored_count: 1,
        missing_count: 0,
      });
    },
  );

  it('poll-now with a misspelt parameter is a bad request, and does not call Gmail', async () => {
    const rejected = await system.call('pollNow', { query: { reconciles: 'all' } });
    expect(rejected.status).toBe(400);
    expect(rejected.json.detail).toBe(
      '"reconciles" is not a parameter of poll-now. Valid parameters: mailbox, retry, reconcile.',
    );
    expect(gmailCalls()).toBe(0);
  });

  it.each(['reconcile', 'prove'])(
    'poll-now with a value of %s other than all is a bad request',
    async (name) => {
      const rejected = await system.call('pollNow', { query: { [name]: 'some' } });
      expect(rejected).toMatchObject({
        status: 400,
        json: { code: 'bad_request', detail: `The only value of "${name}" is "all".` },
      });
      expect(gmailCalls()).toBe(0);
    },
  );

  describe('while a message fails', () => {
    const waiting = async () =>
      await system.rows(
        'select state, attempt_count, next_attempt_at, given_up_at from email_ledger where state <> $1 order by id',
        ['stored'],
      );

    beforeEach(async () => {
      await system.turnOn();
      const { id } = system.gmail.deliver(MAIL);
      system.gmail.deliver(MAIL);
      system.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get', messageId: id });
      await system.call('poll');
    });

    it('poll-now tries a failing message each time, and changes neither its attempts nor its next attempt', async () => {
      const before = await waiting();
      expect(before).toMatchObject([{ state: 'pending', attempt_count: 1 }]);
      for (let press = 0; press < 7; press += 1) {
        // Another message succeeds, so a scheduled run would charge the failure.
        system.gmail.deliver(MAIL);
        expect((await system.call('pollNow')).json).toMatchObject({ new_emails: 1, failed: 1, dead: 0 });
      }
      expect(await waiting()).toEqual(before);
    });

    it('poll-now does not charge a failing message whose next attempt is due', async () => {
      await system.db.query("update email_ledger set next_attempt_at = now() - interval '1 minute'");
      const before = await waiting();
      for (let press = 0; press < 7; press += 1) {
        system.gmail.deliver(MAIL);
        expect((await system.call('pollNow')).json).toMatchObject({ new_emails: 1, failed: 1, dead: 0 });
      }
      expect(await waiting()).toEqual(before);
      // It is still due: the next poll charges it.
      system.gmail.deliver(MAIL);
      await system.call('poll');
      expect(await waiting()).toMatchObject([{ state: 'pending', attempt_count: 2 }]);
    });

    it('poll-now does not charge the other messages when the one that waited longest is stored', async () => {
      const { id } = system.gmail.deliver(MAIL);
      system.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get', messageId: id });
      system.gmail.deliver(MAIL);
      await system.call('poll');
      const [, before] = await waiting();
      system.gmail.faults.clear();
      system.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get', messageId: id });
      expect((await system.call('pollNow')).json).toMatchObject({ new_emails: 1, failed: 1 });
      expect(await waiting()).toEqual([before]);
    });

    it('status advises about a failing message, and never says that there is nothing to do', async () => {
      await system.call('pollNow');
      const { advice, mailboxes, state } = (await system.call('status')).json;
      expect(state).toBe('fetch_failing');
      expect(advice.join(' ')).toMatch(/1 message of orders@example\.com cannot be fetched.*POST poll-now\./);
      expect(mailboxes[0].failing).toMatchObject({ count: 1, dead_count: 0, error_code: 'gmail_refused' });
      expect(JSON.stringify([advice, mailboxes[0].failing])).not.toMatch(/nothing (is )?to do/i);
    });
  });

  it('poll-now?retry=dead requeues nothing before the mailbox is known', async () => {
    expect((await system.call('pollNow', { query: { retry: 'dead' } })).json).toMatchObject({ retried: 0 });
  });
});

it('errors are reported without secrets and without mail content', async () => {
  await system.turnOn();
  const ids = [1, 2, 3, 4].map(() => system.gmail.deliver(MAIL).id);
  const [first = '', second = '', third = ''] = ids;
  system.gmail.faults.add({
    kind: 'status',
    status: 403,
    reason: 'forbidden',
    message: SUBJECT,
    messageId: first,
  });
  system.gmail.faults.add({ kind: 'notJson', messageId: second });
  system.gmail.faults.add({ kind: 'truncate', messageId: third });
  const answers = [await system.call('poll'), await system.call('status')];
  const denied = { kind: 'status', status: 403, reason: 'domainPolicy', message: SUBJECT } as const;
  system.gmail.faults.add({ ...denied, method: 'history.list' });
  answers.push(await system.call('pollNow'), await system.call('status'));
  system.gmail.faults.clear();
  system.gmail.revokeRefreshToken();
  answers.push(await system.call('pollNow'), await system.call('status'));
  const said = JSON.stringify([answers, system.log]);
  expect(said).toContain('gmail_denied');
  expect(said).toContain('reauth_required');
  expect(said).toContain('message_failed');
  const secrets = ['GMAIL_CLIENT_SECRET', 'GMAIL_REFRESH_TOKEN', 'DATABASE_URL'].map(
    (name) => system.env[name],
  );
  for (const hidden of [...secrets, new URL(system.db.url).password, 'Hush', 'buyer@', 'ya29.']) {
    expect(said).not.toContain(hidden);
  }
});
