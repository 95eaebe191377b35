import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { mail, mailboxUnderTest } from './mailbox-under-test.ts';

async function controlledMailbox() {
  const under = await mailboxUnderTest();
  const { controlUrl } = under.server;
  const post = async (verb: string, body: unknown = {}) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(controlUrl + verb, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const get = async (what: string) =>
    (await fetch(controlUrl + what)).json() as Promise<Record<string, unknown>>;
  return { ...under, post, get };
}

describe('control API', () => {
  it('renames the account, and gives a recreated label a new id', async () => {
    const { post, call, gmail } = await controlledMailbox();
    const label = await post('create-label', { name: 'Orders' });
    const { id } = gmail.deliver(mail('order'), { filterLabelIds: [String(label.body['id'])] });
    const historyId = gmail.historyId;
    await post('delete-label', { id: label.body['id'] });
    expect(gmail.mailbox.messages.get(id)?.labelIds).toEqual(new Set(['INBOX', 'UNREAD']));
    expect(gmail.historyId).toBe(historyId);
    const { labels } = (await (await call('labels')).json()) as { labels: { name: string }[] };
    expect(labels.map((one) => one.name)).not.toContain('Orders');
    expect((await post('create-label', { name: 'Orders' })).body).not.toEqual(label.body);
    expect((await post('delete-label', { id: 'INBOX' })).status).toBe(400);

    await post('rename-account', { emailAddress: 'sales@example.com' });
    expect(await (await call('profile')).json()).toMatchObject({ emailAddress: 'sales@example.com' });
    expect((await post('rename-account', { emailAddress: 'no-address' })).status).toBe(400);
  });

  it('delivers, changes, lists and deletes messages on request', async () => {
    const { post, get } = await controlledMailbox();
    const raw = mail('order');
    const delivered = await post('deliver', {
      raw: raw.toString('base64'),
      internalDateMs: 1_750_000_000_000,
    });
    const id = String(delivered.body['id']);
    await post('modify', { id, add: ['STARRED'], remove: ['UNREAD'] });
    const message = {
      id,
      threadId: id,
      labelIds: ['INBOX', 'STARRED'],
      internalDateMs: 1_750_000_000_000,
      sizeBytes: raw.length,
      sha256: createHash('sha256').update(raw).digest('hex'),
    };
    expect(await get('messages')).toEqual({ messages: [message] });
    await post('delete', { id });
    expect(await get('messages')).toEqual({ messages: [] });
  });

  it('adds and clears fault rules, and counts injected faults', async () => {
    const { post, get, call } = await controlledMailbox();
    const added = await post('faults/add', { kind: 'status', status: 503, method: 'getProfile' });
    expect(added.body).toEqual({ id: 1 });
    expect((await call('profile')).status).toBe(503);
    await post('faults/clear');
    expect((await call('profile')).status).toBe(200);
    expect(await get('stats')).toMatchObject({
      units: { spent: 2, spentByMethod: { getProfile: 2 } },
      calls: { byStatus: { 200: 1, 503: 1 } },
      faults: { injected: { 'status 503': 1 }, rules: [] },
    });
    await post('reset-counters');
    expect(await get('stats')).toMatchObject({ units: { spent: 0 }, calls: { byMethod: {} } });
  });

  it('sets the switches in a request and keeps the others', async () => {
    const { gmail, post } = await controlledMailbox();
    const turned = await post('switches', {
      indexLag: { historyMs: 3000 },
      quota: { maxConcurrent: 2 },
      latencyMs: 5,
    });
    expect(turned.body).toMatchObject({ latencyMs: 5, indexLag: { historyMs: 3000, listMs: 0 } });
    expect([gmail.indexLag.historyMs, gmail.quota.maxConcurrent, gmail.latencyMs]).toEqual([3000, 2, 5]);
    expect((await post('switches', { latencyMs: 9, nonsense: true })).status).toBe(400);
    expect(gmail.latencyMs).toBe(5);
  });

  it('expires the history and the watch, and revokes tokens, on request', async () => {
    const { gmail, post, call } = await controlledMailbox();
    const startHistoryId = gmail.historyId;
    gmail.deliver(mail('order'));
    await post('expire-history');
    expect((await call(`history?startHistoryId=${startHistoryId}`)).status).toBe(404);
    const watch = { topicName: 'projects/p/topics/t' };
    await call('watch', { method: 'POST', body: JSON.stringify(watch) });
    await post('expire-watch');
    expect(gmail.mailbox.watch?.expiresAtMs).toBe(gmail.clock());
    await post('revoke');
    expect((await call('profile')).status).toBe(401);
  });

  it('rejects invalid control requests with an error, and requests from web pages', async () => {
    const { post, server } = await controlledMailbox();
    expect(await post('delete', { id: '123' })).toEqual({
      status: 400,
      body: { error: 'The mailbox has no message 123' },
    });
    expect((await post('faults/add', { kind: 'flood' })).status).toBe(400);
    expect((await post('nothing')).status).toBe(404);
    const simple = await fetch(`${server.controlUrl}revoke`, { method: 'POST', body: '{}' });
    expect(simple.status).toBe(415);
    for (const headers of [{ origin: 'http://127.0.0.1:3000' }, { 'sec-fetch-site': 'cross-site' }]) {
      const response = await fetch(`${server.controlUrl}messages`, { headers });
      expect([headers, response.status]).toEqual([headers, 403]);
    }
  });
});
