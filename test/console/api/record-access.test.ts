/** The record of who read which email, and whose emails were listed. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createTestSystem, type Instance, type TestSystem } from '../../helpers/test-system.ts';

const MAIL = [
  'From: buyer@example.com',
  'Subject: Secretword order',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  '--b',
  'Content-Type: text/html',
  '',
  '<p>Secretword</p>',
  '--b',
  'Content-Type: application/pdf; name=secretword.pdf',
  'Content-Disposition: attachment',
  '',
  '%PDF-1.7',
  '--b--',
  '',
].join('\r\n');

let system: TestSystem;
let cloud: Instance;
let emailId: number;
let attachmentId: number;
beforeAll(async () => {
  system = await createTestSystem();
  cloud = system.instance({ K_SERVICE: 'console' });
  system.gmail.deliver(Buffer.from(MAIL));
  await system.call('start');
  await system.call('pollNow');
  const [row] = await system.rows<{ email_id: number; id: number }>(
    'select email_id, id from email_attachments',
  );
  emailId = row?.email_id ?? 0;
  attachmentId = row?.id ?? 0;
});
beforeEach(async () => {
  await system.rows('truncate email_accesses');
  cloud.log.length = 0;
});
afterAll(async () => await system.close());

const claims = Buffer.from('{"email":"ann@example.com"}').toString('base64url');
const headers = { 'sec-fetch-site': 'same-origin', authorization: `Bearer e30.${claims}.removed` };
const get = async (instance: Instance, path: string) => {
  const { body, status } = await instance.call('console', {
    path: `/api/console/${path}`,
    method: 'GET',
    headers,
  });
  if (body !== null && typeof body === 'object' && 'resume' in body) body.resume();
  return status;
};
const recorded = async () =>
  await system.rows('select account, email_id, action, attachment_id from email_accesses order by id');

it('records each way to read an email with the account of the caller', async () => {
  for (const path of ['', '/html', '/raw', '/files.zip'])
    expect(await get(cloud, `emails/${emailId}${path}`)).toBe(200);
  for (const path of ['', '/preview'])
    expect(await get(cloud, `attachments/${attachmentId}${path}`)).toBe(200);
  const account = 'ann@example.com';
  expect(await recorded()).toEqual([
    { account, email_id: emailId, action: 'open', attachment_id: null },
    { account, email_id: emailId, action: 'html', attachment_id: null },
    { account, email_id: emailId, action: 'raw', attachment_id: null },
    { account, email_id: emailId, action: 'files', attachment_id: null },
    { account, email_id: emailId, action: 'attachment', attachment_id: attachmentId },
    { account, email_id: emailId, action: 'preview', attachment_id: attachmentId },
  ]);
  expect(cloud.log.filter(({ event }) => event === 'email_accessed')).toEqual([
    expect.objectContaining({ account, action: 'open', email_id: emailId }),
    expect.objectContaining({ account, action: 'html', email_id: emailId }),
    expect.objectContaining({ account, action: 'raw', email_id: emailId }),
    expect.objectContaining({ account, action: 'files', email_id: emailId }),
    expect.objectContaining({
      account,
      action: 'attachment',
      email_id: emailId,
      attachment_id: attachmentId,
    }),
    expect.objectContaining({ account, action: 'preview', email_id: emailId, attachment_id: attachmentId }),
  ]);
  expect(JSON.stringify(cloud.log)).not.toMatch(/secretword|buyer@/i);
});

const listed = () => cloud.log.filter(({ event }) => event === 'emails_listed');

it('logs the account and the emails of each list and search before it is sent, without the words', async () => {
  await get(cloud, 'emails');
  const search = (q: string) =>
    cloud.call('console', { path: '/api/console/emails/search', headers, body: { q } });
  expect((await search('Secretword')).json.emails).toHaveLength(1);
  expect((await search('Rareword')).json.emails).toEqual([]);
  const line = { severity: 'INFO', account: 'ann@example.com' };
  expect(listed()).toMatchObject([
    { ...line, is_search: false, email_count: 1, email_ids: String(emailId) },
    { ...line, is_search: true, email_count: 1, email_ids: String(emailId) },
    { ...line, is_search: true, email_count: 0, email_ids: '' },
  ]);
  expect(JSON.stringify(cloud.log)).not.toMatch(/secretword|rareword|buyer@/i);
  expect(await recorded()).toEqual([]);
});

it('warns when a caller without an identity token lists emails', async () => {
  const own = { 'sec-fetch-site': 'same-origin' };
  await cloud.call('console', { path: '/api/console/emails', method: 'GET', headers: own });
  expect(listed()).toMatchObject([{ severity: 'WARNING', account: 'unknown' }]);
});

it('logs no list for a rejected request', async () => {
  await cloud.call('console', { path: '/api/console/emails', method: 'GET', headers: {} });
  expect(listed()).toEqual([]);
});

it('records the account "local" on a local stack', async () => {
  await get(system, `emails/${emailId}`);
  expect(await recorded()).toMatchObject([{ account: 'local', action: 'open' }]);
});

it('records the account "unknown" and warns when the caller has no identity token', async () => {
  await cloud.call('console', {
    path: `/api/console/emails/${emailId}`,
    method: 'GET',
    headers: { 'sec-fetch-site': 'same-origin' },
  });
  expect(await recorded()).toMatchObject([{ account: 'unknown', action: 'open' }]);
  expect(cloud.log.filter(({ event }) => event === 'email_accessed')).toMatchObject([
    { severity: 'WARNING', account: 'unknown', message: expect.stringContaining('identity token') },
  ]);
});

it('writes no row for an email that does not exist, for a list, and for a refused request', async () => {
  await get(cloud, 'emails/999999');
  await get(cloud, 'emails');
  await cloud.call('console', { path: `/api/console/emails/${emailId}`, method: 'GET', headers: {} });
  expect(await recorded()).toEqual([]);
});

it('serves no email when the access cannot be recorded', async () => {
  await system.rows('alter table email_accesses rename to hidden_accesses');
  try {
    const own = ['', '/html', '/raw', '/files.zip'].map((path) => `emails/${emailId}${path}`);
    for (const path of [...own, `attachments/${attachmentId}`, `attachments/${attachmentId}/preview`])
      expect(await get(cloud, path)).toBeGreaterThanOrEqual(500);
  } finally {
    await system.rows('alter table hidden_accesses rename to email_accesses');
  }
});
