/** The routes for dead messages, runs and incidents. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { type Answered, createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

const BASE = '/api/console';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
  // Creates the mailbox that the rows below belong to.
  await system.ingest();
});
afterAll(() => system.close());

async function get(path: string, query: Record<string, string> = {}): Promise<Answered> {
  return await system.call('console', { path: `${BASE}/${path}`, method: 'GET', query });
}

async function post(path: string): Promise<Answered> {
  return await system.call('console', { path: `${BASE}/${path}` });
}

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

  it('lists dead messages with error and remediation, the newest first, page by page', async () => {
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

  it('requeues one dead message with all its attempts, and only once', async () => {
    const { ledger_id: id } = (await get('dead')).json.messages[1];
    expect((await post(`dead/${id}/retry`)).json).toEqual({ retried: 1 });
    expect((await post(`dead/${id}/retry`)).json).toEqual({ retried: 0 });
    expect(
      await system.rows(`select gmail_message_id, attempt_count from email_ledger where state = 'pending'`),
    ).toEqual([{ gmail_message_id: 'dead-2', attempt_count: 0 }]);
    expect((await get('dead')).json.messages.length).toBe(2);
  });

  it('requeues all dead messages at once', async () => {
    expect((await post('dead/retry')).json).toEqual({ retried: 3 });
    expect((await get('dead')).json).toEqual({ messages: [], next_before: null });
  });

  it('gives up one dead message, which can be requeued later', async () => {
    const { ledger_id: id } = (await get('dead')).json.messages[0];
    expect((await post(`dead/${id}/give-up`)).json).toEqual({ given_up: 1 });
    expect((await post(`dead/${id}/give-up`)).json).toEqual({ given_up: 0 });
    expect((await get('dead')).json.messages.map((one: { given_up_at: unknown }) => one.given_up_at)).toEqual(
      [expect.any(String), null, null],
    );
    expect((await post(`dead/${id}/retry`)).json).toEqual({ retried: 1 });
  });

  it('answers 404 to retry and give-up with an unknown ledger id', async () => {
    for (const verb of ['retry', 'give-up'])
      expect([verb, (await post(`dead/9007199254740991/${verb}`)).status]).toEqual([verb, 404]);
    expect((await post('dead/x/retry')).json.code).toBe('bad_request');
  });
});

test('lists runs with their counts, and a killed run without outcome', async () => {
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

test('lists incidents with the explanation and remediation of their kind', async () => {
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
      action: 'reconcile_all',
      remediation_text: expect.not.stringContaining('POST'),
    },
    { kind: 'history_expired', explanation: expect.stringContaining('listed by date'), closed_at: null },
  ]);
  expect((await get('overview')).json.incidents_open_count).toBe(3);
});
