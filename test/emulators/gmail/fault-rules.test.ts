import { describe, expect, it } from 'vitest';
import { mail, mailboxUnderTest, requestToken } from './mailbox-under-test.ts';

describe('fault rules', () => {
  it('injects a fault into the given number of calls for the given message', async () => {
    const { gmail, call } = await mailboxUnderTest();
    const bad = gmail.deliver(mail('bad')).id;
    const good = gmail.deliver(mail('good')).id;
    gmail.faults.add({ kind: 'status', status: 400, messageId: bad, times: 2 });
    const get = async (id: string) => (await call(`messages/${id}`)).status;
    expect([await get(bad), await get(good), await get(bad), await get(bad)]).toEqual([400, 200, 400, 200]);
    expect(gmail.faults.countByKind).toEqual({ 'status 400': 2 });
    expect(gmail.faults.list()).toEqual([]);
  });

  it('returns an injected status in Google’s error format, with Retry-After if set', async () => {
    const { gmail, call } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'status', status: 503, retryAfterSeconds: 7 });
    const response = await call('profile');
    expect(response.headers.get('retry-after')).toBe('7');
    expect(await response.json()).toMatchObject({
      error: { code: 503, status: 'UNAVAILABLE', errors: [{ reason: 'backendError' }] },
    });
  });

  it('skips calls, matches methods by prefix, and removes a fault rule', async () => {
    const { gmail, call } = await mailboxUnderTest();
    const id = gmail.faults.add({ kind: 'status', status: 500, method: 'messages.*', skip: 1 });
    const status = async (path: string) => (await call(path)).status;
    expect([await status('messages'), await status('messages'), await status('profile')]).toEqual([
      200, 500, 200,
    ]);
    gmail.faults.remove(id);
    expect(await status('messages')).toBe(200);
  });

  it('injects the same random faults for the same seed', async () => {
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

  it('charges no units for an injected 429 and the full units for a 503', async () => {
    const { gmail, call } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'status', status: 429, times: 1 });
    await call('messages');
    expect(gmail.quota.spentUnits).toBe(0);
    gmail.faults.add({ kind: 'status', status: 503, times: 1 });
    await call('messages');
    expect(gmail.quota.spentUnits).toBe(5);
  });

  it('leaves the mailbox unchanged when messages.modify fails', async () => {
    const { gmail, call } = await mailboxUnderTest();
    const { id } = gmail.deliver(mail('order'));
    gmail.faults.add({ kind: 'status', status: 503, times: 1 });
    await call(`messages/${id}/modify`, {
      method: 'POST',
      body: JSON.stringify({ addLabelIds: ['STARRED'] }),
    });
    expect(gmail.mailbox.messages.get(id)?.labelIds.has('STARRED')).toBe(false);
  });

  it('resets the connection before the response headers as an injected fault', async () => {
    const { gmail, call } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'reset', times: 1 });
    await expect(call('profile')).rejects.toThrow('fetch failed');
    expect((await call('profile')).status).toBe(200);
  });

  it('truncates a response below its Content-Length as an injected fault', async () => {
    const { gmail, call } = await mailboxUnderTest();
    const { id } = gmail.deliver(mail('long', { body: 'x'.repeat(400_000) }));
    gmail.faults.add({ kind: 'truncate', times: 1 });
    const response = await call(`messages/${id}?format=raw`);
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(400_000);
    await expect(response.text()).rejects.toThrow();
  });

  it('returns 200 with an HTML page instead of JSON as an injected fault', async () => {
    const { gmail, call } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'notJson', times: 1 });
    const response = await call('profile');
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'text/html; charset=UTF-8',
    ]);
    expect(await response.text()).toContain('<!DOCTYPE html>');
  });

  it('keeps a hanging call in flight until the caller aborts it', async () => {
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

  it('delays a normal response as an injected fault', async () => {
    const { gmail, call, time } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'delay', delayMs: 5000, times: 1 });
    const late = call('profile');
    while (time.pendingCount === 0) await call('labels');
    time.advance(5000);
    expect((await late).status).toBe(200);
  });

  it('injects errors into the token endpoint in its own format', async () => {
    const { gmail, server } = await mailboxUnderTest();
    gmail.faults.add({ kind: 'status', status: 500, method: 'token' });
    // Google's client would retry the token request for two seconds.
    const response = await requestToken(server, { grant_type: 'refresh_token' });
    expect([response.status, await response.json()]).toMatchObject([500, { error: 'internal_failure' }]);
  });
});

describe('unknown paths', () => {
  it('returns 404 for an unknown path and 405 for the wrong HTTP method', async () => {
    const { call } = await mailboxUnderTest();
    expect((await call('nothing')).status).toBe(404);
    expect((await call('profile', { method: 'DELETE' })).status).toBe(405);
  });
});
