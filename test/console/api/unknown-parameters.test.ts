import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

async function call(method: string, path: string, parameters: Readonly<Record<string, string>>) {
  return await system.call('console', {
    path: `/api/console/${path}`,
    method,
    ...(method === 'GET' ? { query: parameters } : { body: parameters }),
  });
}

describe('a parameter that a route does not have', () => {
  it.each([
    ['GET', 'overview', 'mailbox'],
    ['GET', 'charts', 'hours'],
    ['GET', 'emails', 'q, from, to, mailbox, processed, attachments, defects, before, limit'],
    ['POST', 'emails/search', 'q, from, to, mailbox, processed, attachments, defects, before, limit'],
    ['POST', 'emails/1/reprocess', 'reset_processed'],
    ['GET', 'messages', 'state, rule, before, limit'],
    ['POST', 'messages/search', 'q, mailbox, before, limit'],
    ['GET', 'dead-emails', 'before, limit'],
    ['GET', 'mailboxes', 'contains, offset'],
    ['POST', 'mailboxes/add', 'email_address, access, label, initial_query'],
    ['GET', 'runs', 'before, limit'],
    ['GET', 'incidents', 'before, limit'],
  ])('is a bad request: %s %s', async (method, path, valid) => {
    const { json, status } = await call(method, path, { mailbx: 'ann@example.com' });
    expect([status, json.code, json.detail]).toEqual([
      400,
      'bad_request',
      `"mailbx" is not a parameter of ${path}. Valid parameters: ${valid}.`,
    ]);
  });

  it('adds no mailbox without the label that was misspelt', async () => {
    const mailbox = { email_address: 'ann@example.com', access: 'delegation' };
    expect((await call('POST', 'mailboxes/add', { ...mailbox, lable: 'Orders' })).status).toBe(400);
    expect(await system.rows('select email_address from mailbox_settings')).toEqual([]);
    expect((await call('POST', 'mailboxes/add', { ...mailbox, label: 'Orders' })).status).toBe(200);
  });
});
