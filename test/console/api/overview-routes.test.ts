/** The overview and the charts. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { order } from '../../helpers/test-emails.ts';
import { type Answered, createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

const BASE = '/api/console';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

async function get(path: string, query: Record<string, string> = {}): Promise<Answered> {
  return await system.call('console', { path: `${BASE}/${path}`, method: 'GET', query });
}

describe('GET overview', () => {
  it('contains the response of status unchanged, and counts the dead messages', async () => {
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

  it('answers before the page calls its data old, also while Cloud Scheduler does not answer', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    onTestFinished(() => {
      silent.closeAllConnections();
      silent.close();
    });
    await once(silent, 'listening');
    const instance = system.instance({
      SCHEDULER_JOB: 'projects/p/locations/l/jobs/j',
      CLOUD_SCHEDULER_EMULATOR_HOST: `127.0.0.1:${(silent.address() as AddressInfo).port}`,
    });
    const sentAtMs = performance.now();
    const { json } = await instance.call('console', { path: `${BASE}/overview`, method: 'GET' });
    expect(json.status.scheduler).toMatchObject({
      state: 'unknown',
      error: { code: 'scheduler_unavailable' },
    });
    expect(performance.now() - sentAtMs).toBeLessThan(4_500);
  });

  it('shows when the newest stored email was received', async () => {
    await system.rows(`delete from incoming_emails`);
    await system.rows(
      `insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
       select m.id, 'fresh-' || n, '2026-11-02T09:00:00Z'::timestamptz + n * interval '1 hour', 1, 0, 1
       from mailboxes m, unnest(array[5, 1, 2]) n`,
    );
    expect((await get('overview')).json.freshness).toEqual({ newest_stored_at: '2026-11-02T14:00:00.000Z' });
  });

  it('shows nothing of a former mailbox while the mailbox of new credentials is not known yet', async () => {
    const instance = system.instance({ GMAIL_REFRESH_TOKEN: 'another-account' });
    const { json } = await instance.call('console', { path: `${BASE}/overview`, method: 'GET' });
    expect(json).toMatchObject({
      status: { mailboxes: [{ is_current: false }] },
      freshness: { newest_stored_at: null },
      quota: { minute_used: null },
    });
  });

  it('shows the only mailbox while credentials are missing', async () => {
    const instance = system.instance({ GMAIL_CLIENT_ID: '' });
    const { json } = await instance.call('console', { path: `${BASE}/overview`, method: 'GET' });
    expect(json).toMatchObject({
      status: { state: 'not_configured' },
      freshness: { newest_stored_at: '2026-11-02T14:00:00.000Z' },
    });
  });

  it('shows how much quota is in use, and how much was used today', async () => {
    await system.rows('delete from ingest_runs');
    await system.rows(
      // Refilled in the future, so that nothing refills during the test.
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

  it('returns an overview without credentials and without a mailbox', async () => {
    const bare = await createTestSystem({ env: { GMAIL_CLIENT_ID: '' } });
    const { status, json } = await bare.call('console', { path: `${BASE}/overview`, method: 'GET' });
    expect(status).toBe(200);
    expect(json).toMatchObject({
      status: { state: 'not_configured', mailboxes: [] },
      freshness: { newest_stored_at: null },
      quota: { minute_used: null, today_used: 0 },
      dead_count: 0,
    });
    await bare.close();
  });
});

describe('GET charts', () => {
  it('returns a row for each hour, hours without a run included', async () => {
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

  it('shows the latency that a run recorded', async () => {
    await system.rows('delete from ingest_runs');
    await system.ingest();
    system.gmail.deliver(order('live'));
    await system.ingest();
    const { json } = await get('charts', { hours: '1' });
    expect(json.hours[0].email_count).toBeGreaterThan(0);
    expect(json.hours[0].latency_max_ms).toEqual(expect.any(Number));
  });

  it.each(['abc', '0', '337', '1.5'])('rejects %s hours', async (hours) => {
    expect(await get('charts', { hours })).toMatchObject({ status: 400, json: { code: 'bad_request' } });
  });
});
