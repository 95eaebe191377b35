/** Parsing one email again, setting `processed` back, the page's own URL, and where an email comes from. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reprocessOne } from '../../../console/api/reprocess-one.ts';
import { migrate } from '../../../shared/db/schema/migrations.ts';
import { accounts, createRoles, dropRoles, urlOf } from '../../helpers/database-accounts.ts';
import { workerOf } from '../../helpers/email-queue.ts';
import { order } from '../../helpers/test-emails.ts';
import { createTestSystem, type Instance, type TestSystem } from '../../helpers/test-system.ts';

let system: TestSystem;
/** An instance with the database account of the console, as deployed. */
let cloud: Instance;
let id: number;
beforeAll(async () => {
  system = await createTestSystem();
  await createRoles(system.db);
  await migrate({ kind: 'url', url: system.db.url }, accounts);
  cloud = system.instance({ DATABASE_URL: urlOf(system.db, 'console') });
});
afterAll(async () => {
  await dropRoles(system.db);
  await system.close();
});
beforeEach(async () => {
  await system.rows('delete from consumers');
  const { id: gmailId } = system.gmail.deliver(order('view'));
  expect((await system.ingest()).outcome).toBe('completed');
  const [row] = await system.rows<{ id: number }>(
    'select id from incoming_emails where gmail_message_id = $1::text',
    [gmailId],
  );
  id = row?.id ?? 0;
});

const post = async (path: string, body?: unknown) =>
  await cloud.call('console', { path: `/api/console/emails/${path}`, body });
const stored = async () =>
  (
    await system.rows(
      `select e.subject, e.processed, array_agg(a.filename) as files
       from incoming_emails e
       left join email_attachments a on a.email_id = e.id
       where e.id = $1::integer
       group by e.id`,
      [id],
    )
  )[0];

describe('POST emails/ID/reprocess, with the database account of the console', () => {
  it('says that nothing changed, and records the access', async () => {
    await system.rows('truncate email_accesses');
    expect((await post(`${id}/reprocess`)).json).toEqual({
      result: 'same',
      columns: [],
      files: [],
      processed_reset: false,
    });
    expect(await system.rows('select email_id, action from email_accesses')).toEqual([
      { email_id: id, action: 'reprocess' },
    ]);
  });

  it('rebuilds columns, files and search words from the raw bytes, says which, and keeps processed', async () => {
    await system.rows(
      "update incoming_emails set subject = 'wrong', processed = true where id = $1::integer",
      [id],
    );
    await system.rows("update email_attachments set filename = 'old.pdf' where email_id = $1::integer", [id]);
    await system.rows("update email_search set search_words = '' where email_id = $1::integer", [id]);
    const { json } = await post(`${id}/reprocess`, {});
    expect(json).toMatchObject({ result: 'changed', columns: ['subject'], processed_reset: false });
    expect(json.files).toMatchObject([
      {
        kind: 'changed',
        columns: ['filename'],
        before: { filename: 'old.pdf' },
        now: { filename: 'order-view.pdf' },
      },
    ]);
    expect(await stored()).toEqual({ subject: 'Order view', processed: true, files: ['order-view.pdf'] });
    const found = await cloud.call('console', {
      path: '/api/console/emails/search',
      body: { q: 'order-view' },
    });
    expect(found.json.emails.map((email: { id: number }) => email.id)).toContain(id);
  });

  it('sets processed back when asked and anything changed', async () => {
    await system.rows('update incoming_emails set processed = true where id = $1::integer', [id]);
    const body = { reset_processed: true };
    expect((await post(`${id}/reprocess`, body)).json).toMatchObject({
      result: 'same',
      processed_reset: false,
    });
    expect(await stored()).toMatchObject({ processed: true });
    await system.rows("update incoming_emails set subject = 'wrong' where id = $1::integer", [id]);
    expect((await post(`${id}/reprocess`, body)).json).toMatchObject({
      result: 'changed',
      processed_reset: true,
    });
    expect(await stored()).toMatchObject({ processed: false, subject: 'Order view' });
  });

  it('changes nothing of an email that a worker has claimed', async () => {
    await system.rows("update incoming_emails set subject = 'wrong' where id = $1::integer", [id]);
    const worker = workerOf(system.db, 'archive');
    while (!(await worker.claim(100)).includes(id));
    expect(await post(`${id}/reprocess`)).toMatchObject({ status: 409, json: { code: 'email_claimed' } });
    expect(await stored()).toMatchObject({ subject: 'wrong' });
  });

  it('changes nothing when the raw bytes are damaged', async () => {
    const [raw] = await system.rows<{ data: Buffer }>(
      'select data from email_raw where email_id = $1::integer',
      [id],
    );
    const other = gunzipSync(raw?.data ?? Buffer.alloc(0));
    other[0] = 0;
    await system.rows('update email_raw set data = $2::bytea where email_id = $1::integer', [
      id,
      gzipSync(other),
    ]);
    expect(await post(`${id}/reprocess`)).toMatchObject({ status: 500, json: { code: 'raw_unreadable' } });
  });

  it('says of an email that is erased while it is read that it does not exist, not that its bytes are lost', async () => {
    const { query } = system.db;
    /** Erases the email after the first statement, which selects it. */
    const erasing = async (...call: Parameters<typeof query>) => {
      const selected = await query(...call);
      await query('delete from incoming_emails where id = $1::integer', [id]);
      return selected;
    };
    const db = { ...system.db, query: erasing as typeof query };
    expect(await reprocessOne({ db, largeBytes: null }, id, false)).toBeNull();
  });

  it('changes nothing of an email that a newer parser has read', async () => {
    await system.rows('update incoming_emails set parser_version = 9999 where id = $1::integer', [id]);
    expect((await post(`${id}/reprocess`)).json).toMatchObject({ result: 'newer_parser' });
  });

  it('rejects an unknown id and an invalid option', async () => {
    expect((await post('2147483647/reprocess')).status).toBe(404);
    expect((await post('abc/reprocess')).status).toBe(400);
    expect((await post(`${id}/reprocess`, { reset_processed: 'yes' })).status).toBe(400);
    expect(
      (await cloud.call('console', { path: `/api/console/emails/${id}/reprocess`, method: 'GET' })).status,
    ).toBe(405);
  });
});

describe('POST emails/ID/unprocess, with the database account of the console', () => {
  it('sets processed to false without any consumer, and may run twice', async () => {
    await system.rows('update incoming_emails set processed = true where id = $1::integer', [id]);
    expect((await post(`${id}/unprocess`)).json).toEqual({ requeued: 1 });
    expect((await post(`${id}/unprocess`)).json).toEqual({ requeued: 0 });
    expect(await stored()).toMatchObject({ processed: false });
    expect((await post('2147483647/unprocess')).status).toBe(404);
  });

  it('queues the email again for the consumer extraction', async () => {
    const worker = workerOf(system.db, 'extraction');
    while (!(await worker.claim(100)).includes(id));
    await worker.complete(id);
    expect((await post(`${id}/unprocess`)).json).toEqual({ requeued: 1 });
    expect(await system.rows('select state from email_queue where email_id = $1::integer', [id])).toEqual([
      { state: 'waiting' },
    ]);
  });
});

describe('GET emails/ID', () => {
  const read = async () =>
    (await cloud.call('console', { path: `/api/console/emails/${id}`, method: 'GET' })).json;

  it('says how the message was discovered, and how often it failed', async () => {
    const [mailbox] = await system.rows<{ email_address: string }>('select email_address from mailboxes');
    expect(await read()).toMatchObject({
      mailbox: mailbox?.email_address,
      discovery: {
        source: expect.stringMatching(/^(history|initial|newest)$/),
        attempt_count: 0,
        last_attempt_at: null,
      },
    });
    await system.rows(
      `update email_ledger l
       set source = 'reconciliation', attempt_count = 3, last_attempt_at = '2026-11-02T08:00:00Z'
       from incoming_emails e
       where e.gmail_message_id = l.gmail_message_id and e.id = $1::integer`,
      [id],
    );
    expect((await read()).discovery).toMatchObject({
      source: 'reconciliation',
      attempt_count: 3,
      last_attempt_at: '2026-11-02T08:00:00.000Z',
    });
  });

  it('says that the discovery is unknown when the ledger does not have the message', async () => {
    await system.rows(
      'delete from email_ledger l using incoming_emails e where e.gmail_message_id = l.gmail_message_id and e.id = $1::integer',
      [id],
    );
    expect((await read()).discovery).toBeNull();
  });
});

describe('the URL of an email', () => {
  const page = async (path: string) => await system.call('console', { path, method: 'GET' });

  it('is answered with the page and its headers, whether the email exists or not', async () => {
    const list = await page('/');
    for (const path of [`/emails/${id}`, '/emails/2147483647']) {
      const { body, headers, status } = await page(path);
      expect([status, body, headers]).toEqual([200, list.body, list.headers]);
    }
  });

  it.each([
    '/emails/abc',
    '/emails/',
    '/emails',
    '/emails/0',
    '/emails/-1',
    '/emails/1/x',
    '/emails/9999999999999999',
  ])('is 404 for %s', async (path) => {
    expect((await page(path)).status).toBe(404);
  });
});
