/** The routes for runs and incidents. */
import { afterAll, beforeAll, expect, test } from 'vitest';
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
