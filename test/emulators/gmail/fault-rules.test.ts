import { describe, expect, it } from 'vitest';
import { mail, mailboxUnderTest, requestToken } from './mailbox-under-test.ts';

describe('injected faults', () => {
  it('strike the message and the number of calls that the rule names', async () => {
    const { gmail, call } = await mailboxUnderTest();
    const bad = gmail.deliver(mail('bad')).id;
    const good = gmail.deliver(mail('good')).id;
    gmail.faults.add({ kind: 'status', status: 400, messageId: bad, times: 2 });
    const get = async (id: string) => (await call(`messages/${id}`)).status;
    expect([await get(bad), await get(good), await get(bad), await get(bad)]).toEqual([400, 200, 400, 200]);
    expect(gmail.faults.countByKind).toEqual({ 'status 400': 2 });
    expect(gmail.faults.list()).toEqual([]);
  });

  it('answer a status in Google’s form, with Retry-After when asked', async () => {
    const { gmail, call } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'status', status: 503, retryAfterSeconds: 7 });
    const response = await call('profile');
    expect(response.headers.get('retry-after')).toBe('7');
    expect(await response.json()).toMatchObject({
      error: { code: 503, status: 'UNAVAILABLE', errors: [{ reason: 'backendError' }] },
    });
  });

  it('skip calls, cover a family of methods and can be taken out', async () => {
    const { gmail, call } = await mailboxUnderTest();
    const id = gmail.faults.add({ kind: 'status', status: 500, method: 'messages.*', skip: 1 });
    const status = async (path: string) => (await call(path)).status;
    expect([await status('messages'), await status('messages'), await status('profile')]).toEqual([
      200, 500, 200,
    ]);
    gmail.faults.remove(id);
    expect(await status('messages')).toBe(200);
  });

  it('strike by chance, the same way for the same seed', async () => {
    const run = async () => {
      const { gmail, call } = await mailboxUnderTest();
      gmail.faults.add({ kind: 'status', status: 500, probability: 0.5 });
      const statuses: number[] = [];
      for (let index = 0; index < 12; index += 1) statuses.push((await call('profile')).status);
      return statuses;
    };
    const statuses = await run();
    expect(new Set(statuses)).toEqual(new Set([200, 500]));
    expect(await run()).toEqual(statuses);
  });

  it('cost what the refused kind costs: nothing for 429, the price for 503', async () => {
    const { gmail, call } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'status', status: 429, times: 1 });
    await call('messages');
    expect(gmail.quota.spentUnits).toBe(0);
    gmail.faults.add({ kind: 'status', status: 503, times: 1 });
    await call('messages');
    expect(gmail.quota.spentUnits).toBe(5);
  });

  it('leave the mailbox as it is when a modify is refused', async () => {
    const { gmail, call } = await mailboxUnderTest();
    const { id } = gmail.deliver(mail('order'));
    gmail.faults.add({ kind: 'status', status: 503, times: 1 });
    await call(`messages/${id}/modify`, {
      method: 'POST',
      body: JSON.stringify({ addLabelIds: ['STARRED'] }),
    });
    expect(gmail.mailbox.messages.get(id)?.labelIds.has('STARRED')).toBe(false);
  });

  it('reset the connection before any header', async () => {
    const { gmail, call } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'reset', times: 1 });
    await expect(call('profile')).rejects.toThrow('fetch failed');
    expect((await call('profile')).status).toBe(200);
  });

  it('cut an answer that promised more', async () => {
    const { gmail, call } = await mailboxUnderTest();
    const { id } = gmail.deliver(mail('long', { body: 'x'.repeat(400_000) }));
    gmail.faults.add({ kind: 'truncate', times: 1 });
    const response = await call(`messages/${id}?format=raw`);
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(400_000);
    await expect(response.text()).rejects.toThrow();
  });

  it('answer 200 with a page that is not JSON', async () => {
    const { gmail, call } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'notJson', times: 1 });
    const response = await call('profile');
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'text/html; charset=UTF-8',
    ]);
    expect(await response.text()).toContain('<!DOCTYPE html>');
  });

  it('hang until the caller gives up, and hold its place in flight so long', async () => {
    const { gmail, call } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'hang', times: 1 });
    const giveUp = new AbortController();
    const hanging = call('profile', { signal: giveUp.signal });
    while (gmail.quota.inFlight === 0) await call('labels');
    giveUp.abort();
    await expect(hanging).rejects.toThrow();
    while (gmail.quota.inFlight > 0) await call('labels');
    expect(gmail.callLog.calls.find(({ fault }) => fault === 'hang')).toMatchObject({ status: 0 });
  });

  it('delay the right answer', async () => {
    const { gmail, call, time } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'delay', delayMs: 5000, times: 1 });
    const late = call('profile');
    while (time.pendingCount === 0) await call('labels');
    time.advance(5000);
    expect((await late).status).toBe(200);
  });

  it('reach the token endpoint in its own form', async () => {
    const { gmail, server } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'status', status: 500, method: 'token' });
    // Not by the real client: it repeats a token request for two seconds.
    const response = await requestToken(server, { grant_type: 'refresh_token' });
    expect([response.status, await response.json()]).toMatchObject([500, { error: 'internal_failure' }]);
  });
});

describe('paths that Gmail does not have', () => {
  it('answer 404, or 405 for the wrong verb', async () => {
    const { call } = await mailboxUnderTest();
    expect((await call('nothing')).status).toBe(404);
    expect((await call('profile', { method: 'DELETE' })).status).toBe(405);
  });
});
