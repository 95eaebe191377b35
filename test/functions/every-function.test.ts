import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TARGETS, type Target } from '../../functions/runtime/targets.ts';
import { freePort } from '../../local/ports.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

const STATUS_PATH = '/api/system/email-monitor/status';
const data = Buffer.from('{"emailAddress":"orders@example.com","historyId":"7"}').toString('base64');
const work = Buffer.from('{"mailbox":"orders@example.com"}').toString('base64');

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

/** A valid request for each target. */
function validRequest(target: Target) {
  if (target === 'console') return { path: STATUS_PATH, method: 'GET' };
  if (target === 'ingestMailbox') return { body: { message: { data: work } } };
  if (target === 'attachmentUrl') return { method: 'GET', query: { id: '1' } };
  return target === 'gmailPush' ? { body: { message: { data } } } : {};
}

const ANSWERS_GET: readonly Target[] = ['attachmentUrl', 'console', 'status'];

it('the targets have the names of the contract', () => {
  expect([...TARGETS].sort()).toEqual([
    'attachmentUrl',
    'console',
    'gmailPush',
    'ingestMailbox',
    'migrate',
    'poll',
    'pollNow',
    'start',
    'status',
    'stop',
  ]);
});

describe.each(TARGETS)('%s', (target) => {
  it(`${target} returns a 503 problem while the database does not answer, and logs it without the address`, async () => {
    const port = await freePort();
    const DATABASE_URL = `postgres://app:hush-password@127.0.0.1:${port}/mail`;
    const { call, log } = system.instance({ DATABASE_URL });
    const answered = await call(target, validRequest(target));
    expect(answered.status).toBe(503);
    expect(answered.headers['content-type']).toBe('application/problem+json');
    expect(answered.json).toMatchObject({
      status: 503,
      code: 'database_unavailable',
      detail: 'PostgreSQL: ECONNREFUSED.',
      remediation: expect.stringContaining('DATABASE_URL'),
    });
    const errors = log.filter((line) => line['event'] === 'request_failed');
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ severity: 'ERROR', error_code: 'database_unavailable' });
    expect(JSON.stringify([answered, log])).not.toMatch(/hush|app@/);
  });

  it(`${target} rejects an unsupported method with 405`, async () => {
    const rejected = await system.call(target, { path: STATUS_PATH, method: 'TRACE' });
    expect(rejected.status).toBe(405);
    expect(rejected.headers['allow']).toMatch(ANSWERS_GET.includes(target) ? /GET/ : /^POST$/);
  });
});

it.each(TARGETS.filter((target) => target !== 'migrate'))(
  '%s advises the operator to migrate when the schema is older than the code',
  async (target) => {
    const url = new URL(system.db.url);
    url.pathname = '/postgres';
    const { call } = system.instance({ DATABASE_URL: url.href });
    expect((await call(target, validRequest(target))).json).toMatchObject({
      status: 503,
      code: 'schema_outdated',
      remediation: expect.stringContaining('npm run migrate'),
    });
  },
);
