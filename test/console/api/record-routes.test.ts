/** The console's overview, charts, dead messages, runs and incidents, and who may ask for what. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { order } from '../helpers/mails.ts';
import {
  type Answered,
  type CallOptions,
  createTestSystem,
  type TestSystem,
} from '../helpers/test-system.ts';

const BASE = '/api/console';
const VERBS = '/api/system/email-monitor';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

async function get(path: string, query: Record<string, string> = {}): Promise<Answered> {
  return await system.call('console', { path: `${BASE}/${path}`, method: 'GET', query });
}

async function post(path: string, more: CallOptions = {}): Promise<Answered> {
  return await system.call('console', { path: `${BASE}/${path}`, ...more });
}

describe('the overview', () => {
  it('holds the answer of status unchanged, and counts what is dead', async () => {
    system.gmail.deliver(order(1));
    await system.ingest();
    await system.rows(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, error_code)
       select id, 'bad-' || n, 'history', case when n = 1 then 'pending' else 'dead' end, 'gmail_refused'
       from mailboxes, generate_series(1, 3) n`,
    );
    const status = (await system.call('status')).json;
    const { json, headers } = await get('overview');
    expect(json.status).toEqual(status);
    expect(json).toMatchObject({ dead_count: 2, incidents_open_count: 0 });
    expect(headers['cache-control']).toBe('no-store');
    await system.rows(`delete from email_ledger where gmail_message_id like 'bad-%'`);
  });

  it('shows the newest stored email, and the newest that a reconciliation without missing messages covers', async () => {
    const freshness = async () => (await get('overview')).json.freshness;
    const reconcile = async (missingCount: number | null, hours: number) =>
      await system.rows(
        `insert into reconciliations
           (mailbox_id, window_begins_at, is_full, query, started_at, evaluated_at, missing_count)
         select id, '2026-11-01T00:00:00Z', false, '', '2026-11-02T12:00:00Z'::timestamptz + $2::integer * interval '1 hour',
                '2026-11-02T12:10:00Z'::timestamptz + $2::integer * interval '1 hour', $1::integer
         from mailboxes`,
        [missingCount, hours],
      );
    await system.rows('delete from reconciliations');
    await reconcile(1, -1);
    await reconcile(0, 0);
    // Gmail rejected it: it says nothing.
    await reconcile(null, 1);
    await system.rows(`delete from incoming_emails`);
    await system.rows(
      `insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
       select m.id, 'fresh-' || n, '2026-11-02T09:00:00Z'::timestamptz + n * interval '1 hour', 1, 0, 1
       from mailboxes m, unnest(array[5, 1, 2]) n`,
    );
    expect(await freshness()).toEqual({
      newest_reconciled_at: '2026-11-02T11:00:00.000Z',
      newest_stored_at: '2026-11-02T14:00:00.000Z',
    });
    await reconcile(1, 2);
    expect((await freshness()).newest_reconciled_at).toBeNull();
  });

  it('tells what of the quota is in use, and what this day has used', async () => {
    await system.rows('delete from ingest_runs');
    await system.rows(
      // A minute ahead: nothing has refilled meanwhile.
      `update mailbox_quota set available_units = quota_capacity(6000) - 40, refilled_at = now() + interval '1 minute'`,
    );
    await system.rows(
      `insert into ingest_runs (trigger, started_at, quota_units)
       values ('schedule', date_trunc('day', now(), 'UTC'), 7),
              ('schedule', now(), 100),
              ('schedule', date_trunc('day', now(), 'UTC') - interval '1 second', 1000)`,
    );
    expect((await get('overview')).json.quota).toEqual({
      minute_limit: 6000,
      minute_used: 40,
      today_used: 107,
    });
  });

  it('answers without credentials and without a mailbox', async () => {
    const bare = await createTestSystem({ env: { GMAIL_CLIENT_ID: '' } });
    const { status, json } = await bare.call('console', { path: `${BASE}/overview`, method: 'GET' });
    expect(status).toBe(200);
    expect(json).toMatchObject({
      status: { state: 'not_configured', mailboxes: [] },
      freshness: { newest_reconciled_at: null, newest_stored_at: null },
      quota: { minute_used: null, today_used: 0 },
      dead_count: 0,
    });
    await bare.close();
  });
});

describe('the charts', () => {
  it('have a row for each hour, also for those without a run', async () => {
    await system.rows('delete from ingest_runs');
    await system.rows(
      `insert into ingest_runs (trigger, started_at, finished_at, stored_count, arrival_to_stored_max_ms)
       select 'schedule', h.at - interval '1 minute', h.at, 2, ms
       from (select date_trunc('hour', now(), 'UTC') - interval '3 hours' as at) h, unnest(array[100, 900, 300, null]) ms`,
    );
    const { json } = await get('charts', { hours: '5' });
    expect(json.hours.map((hour: { email_count: number }) => hour.email_count)).toEqual([0, 8, 0, 0, 0]);
    expect(json.hours[1]).toMatchObject({ latency_median_ms: 300, latency_max_ms: 900 });
    expect(json.hours[0]).toMatchObject({ latency_median_ms: null, latency_max_ms: null });
    expect(json.from).toBe(json.hours[0].at);
    expect(Date.parse(json.to) - Date.parse(json.from)).toBe(5 * 3_600_000);
    expect((await get('charts')).json.hours.length).toBe(48);
  });

  it('show the latency that a run has written down', async () => {
    await system.rows('delete from ingest_runs');
    await system.ingest();
    system.gmail.deliver(order('live'));
    await system.ingest();
    const { json } = await get('charts', { hours: '1' });
    expect(json.hours[0].email_count).toBeGreaterThan(0);
    expect(json.hours[0].latency_max_ms).toEqual(expect.any(Number));
  });

  it.each(['abc', '0', '337', '1.5'])('refuse %s hours', async (hours) => {
    expect(await get('charts', { hours })).toMatchObject({ status: 400, json: { code: 'bad_request' } });
  });
});

describe('dead messages', () => {
  beforeEach(async () => {
    await system.rows('delete from email_ledger');
    await system.rows(
      `insert into email_ledger
         (mailbox_id, gmail_message_id, source, state, attempt_count, error_code, error_detail, last_attempt_at)
       select id, 'dead-' || n, 'history', 'dead', 8,
              case when n = 3 then 'killed_process' else 'gmail_refused' end, 'Gmail answered 400.', now()
       from mailboxes, generate_series(1, 3) n`,
    );
  });

  it('come with their reason and its remediation, the newest first, page by page', async () => {
    const first = await get('dead', { limit: '2' });
    expect(first.json.messages).toMatchObject([
      {
        gmail_message_id: 'dead-3',
        error_code: 'killed_process',
        remediation: expect.stringContaining('memory'),
      },
      {
        gmail_message_id: 'dead-2',
        attempt_count: 8,
        error_detail: 'Gmail answered 400.',
        remediation: expect.stringContaining('reason'),
      },
    ]);
    const second = await get('dead', { limit: '2', before: String(first.json.next_before) });
    expect(second.json).toMatchObject({ messages: [{ gmail_message_id: 'dead-1' }], next_before: null });
  });

  it('get their attempts back one by one, and once', async () => {
    const { ledger_id: id } = (await get('dead')).json.messages[1];
    expect((await post(`dead/${id}/retry`)).json).toEqual({ retried: 1 });
    expect((await post(`dead/${id}/retry`)).json).toEqual({ retried: 0 });
    expect(
      await system.rows(`select gmail_message_id, attempt_count from email_ledger where state = 'pending'`),
    ).toEqual([{ gmail_message_id: 'dead-2', attempt_count: 0 }]);
    expect((await get('dead')).json.messages.length).toBe(2);
  });

  it('get their attempts back all at once', async () => {
    expect((await post('dead/retry')).json).toEqual({ retried: 3 });
    expect((await get('dead')).json).toEqual({ messages: [], next_before: null });
  });

  it('can be given up one by one, and requeued later', async () => {
    const { ledger_id: id } = (await get('dead')).json.messages[0];
    expect((await post(`dead/${id}/give-up`)).json).toEqual({ given_up: 1 });
    expect((await post(`dead/${id}/give-up`)).json).toEqual({ given_up: 0 });
    expect((await get('dead')).json.messages.map((one: { given_up_at: unknown }) => one.given_up_at)).toEqual(
      [expect.any(String), null, null],
    );
    expect((await post(`dead/${id}/retry`)).json).toEqual({ retried: 1 });
  });

  it('with an unknown ledger id are not found', async () => {
    for (const verb of ['retry', 'give-up'])
      expect([verb, (await post(`dead/9007199254740991/${verb}`)).status]).toEqual([verb, 404]);
    expect((await post('dead/x/retry')).json.code).toBe('bad_request');
  });
});

test('runs are listed with their counts, and a killed one without outcome', async () => {
  await system.rows('delete from ingest_runs');
  await system.ingest();
  await system.rows(`insert into ingest_runs (trigger) values ('push')`);
  const { json } = await get('runs', { limit: '1' });
  expect(json.runs).toMatchObject([{ trigger: 'push', outcome: null, duration_ms: null }]);
  expect((await get('runs', { before: String(json.next_before) })).json).toMatchObject({
    runs: [{ trigger: 'manual', outcome: 'completed', stored_count: 0, quota_units: expect.any(Number) }],
    next_before: null,
  });
});

test('incidents say what their kind means and what remediations it', async () => {
  await system.rows(
    `insert into incidents (mailbox_id, kind, detail, closed_at)
     select id, kind, '{"missing_count": 1}', null
     from mailboxes, unnest(array['history_expired', 'missing_found', 'of_newer_code']) kind`,
  );
  const { json } = await get('incidents');
  expect(json.incidents).toMatchObject([
    { kind: 'of_newer_code', explanation: null, remediation: null },
    {
      kind: 'missing_found',
      detail: { missing_count: 1 },
      remediation: expect.stringContaining('reconcile=all'),
    },
    { kind: 'history_expired', explanation: expect.stringContaining('listed by date'), closed_at: null },
  ]);
  expect((await get('overview')).json.incidents_open_count).toBe(3);
});

describe('who may change or search', () => {
  const OURS = { host: 'console.example.com' };
  const CASES: readonly (readonly [string, Record<string, string>, boolean])[] = [
    [
      'its own page',
      { ...OURS, 'sec-fetch-site': 'same-origin', origin: 'https://console.example.com' },
      true,
    ],
    [
      'its page behind a proxy',
      { host: 'run.app', 'sec-fetch-site': 'same-origin', origin: 'http://localhost:8080' },
      true,
    ],
    ['a person who typed the address', { ...OURS, 'sec-fetch-site': 'none' }, true],
    ['curl', {}, true],
    ['an older browser on its page', { ...OURS, origin: 'https://console.example.com' }, true],
    [
      'an older browser behind a proxy',
      {
        host: 'run.app',
        'x-forwarded-host': 'a.example.com, b.example.com',
        origin: 'https://b.example.com',
      },
      true,
    ],
    [
      'a host with its usual port',
      { host: 'Console.example.com:443', origin: 'https://console.example.com' },
      true,
    ],
    ['another site', { ...OURS, 'sec-fetch-site': 'cross-site' }, false],
    ['a sibling site', { ...OURS, 'sec-fetch-site': 'same-site' }, false],
    ['another site that forges no origin', { ...OURS, origin: 'https://evil.example.com' }, false],
    ['a sandboxed document', { ...OURS, origin: 'null' }, false],
    ['another port', { host: 'localhost:8080', origin: 'http://localhost:3000' }, false],
    [
      'another site with a like host',
      { ...OURS, 'sec-fetch-site': 'cross-site', origin: 'https://console.example.com' },
      false,
    ],
  ];
  const PATHS = [`${BASE}/dead/retry`, `${BASE}/emails/search`, `${VERBS}/stop`];

  it.each(CASES)('%s', async (_name, headers, isAllowed) => {
    for (const path of PATHS) {
      const answered = await system.call('console', { path, headers, body: { q: '' } });
      expect([path, answered.status]).toEqual([path, isAllowed ? 200 : 403]);
      if (!isAllowed)
        expect(answered.json).toMatchObject({ code: 'cross_site', remediation: expect.any(String) });
    }
  });

  it('is not changed by who asks where nothing changes', async () => {
    const headers = { ...OURS, 'sec-fetch-site': 'cross-site' };
    expect((await system.call('console', { path: `${BASE}/runs`, method: 'GET', headers })).status).toBe(200);
  });

  it('does not matter to a stop that was refused', async () => {
    await system.switchOn();
    await system.call('console', { path: `${VERBS}/stop`, headers: { 'sec-fetch-site': 'cross-site' } });
    expect(await system.rows('select is_running from email_monitor_status')).toEqual([{ is_running: true }]);
  });
});

test.each([
  ['GET', 'dead/retry', 'POST'],
  ['GET', 'dead/1/retry', 'POST'],
  ['GET', 'dead/1/give-up', 'POST'],
  ['GET', 'emails/search', 'POST'],
  ['POST', 'overview', 'GET, HEAD'],
  ['DELETE', 'emails/1', 'GET, HEAD'],
])('%s %s is refused, and names %s', async (method, path, allow) => {
  const refused = await system.call('console', { path: `${BASE}/${path}`, method });
  // "search" is no id either, but the method is told first.
  expect([refused.status, refused.headers['allow']]).toEqual([405, allow]);
});

test.each(['/', `${BASE}/overview`, `${BASE}/nothing`, `${BASE}/emails/x`, `${VERBS}/status`])(
  'the answer at %s guesses no type, tells no address and lets no window in',
  async (path) => {
    expect((await system.call('console', { path, method: 'GET' })).headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    });
  },
);
