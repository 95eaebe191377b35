import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { type Attempt, deliverOverHttp } from '../../../emulators/scheduler/delivery.ts';

const closers: Array<() => void> = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function targetAt(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/poll?x=1`;
}

function attemptOn(uri: string, more: Partial<Attempt> = {}): Attempt {
  return {
    target: { uri, httpMethod: 'POST' },
    jobName: 'projects/demo/locations/us-central1/jobs/poll',
    scheduleTime: new Date('2026-11-23T09:01:00Z'),
    deadlineMs: 180_000,
    signal: new AbortController().signal,
    ...more,
  };
}

describe('delivery', () => {
  it("delivers Google's headers, the headers of the job and the decoded body", async () => {
    let seen: { method?: string; url?: string; headers: IncomingHttpHeaders; body: string } | undefined;
    const uri = await targetAt(async (request, response) => {
      const { method = '', url = '', headers } = request;
      seen = { method, url, headers, body: await text(request) };
      response.end();
    });
    const headers = {
      'X-Own': 'yes',
      'User-Agent': 'mine',
      'X-CloudScheduler': 'false',
      Host: 'example.com',
    };
    const body = Buffer.from('{"a":1}').toString('base64');
    const status = await deliverOverHttp(
      attemptOn(uri, { target: { uri, httpMethod: 'PUT', headers, body } }),
    );
    expect(status).toEqual({});
    expect(seen).toMatchObject({ method: 'PUT', url: '/poll?x=1', body: '{"a":1}' });
    expect(seen?.headers).toMatchObject({
      'x-own': 'yes',
      'user-agent': 'Google-Cloud-Scheduler',
      'x-cloudscheduler': 'true',
      'x-cloudscheduler-jobname': 'poll',
      'x-cloudscheduler-scheduletime': '2026-11-23T09:01:00Z',
      'content-type': 'application/octet-stream',
      host: new URL(uri).host,
    });
  });

  it.each([
    [204, undefined],
    [302, 2],
    [403, 7],
    [404, 5],
    [429, 8],
    [500, 13],
    [503, 14],
  ])('maps HTTP %i to the status code %s', async (httpStatus, code) => {
    const uri = await targetAt((_, response) => response.writeHead(httpStatus).end());
    expect((await deliverOverHttp(attemptOn(uri))).code).toBe(code);
  });

  it('ends an attempt with DEADLINE_EXCEEDED if the target does not respond', async () => {
    const uri = await targetAt(() => {});
    expect((await deliverOverHttp(attemptOn(uri, { deadlineMs: 20 }))).code).toBe(4);
  });

  it('ends an attempt with UNAVAILABLE if the connection breaks', async () => {
    const uri = await targetAt((request) => request.socket.destroy());
    expect((await deliverOverHttp(attemptOn(uri))).code).toBe(14);
  });

  it.each(['https://example.com/', 'http://10.0.0.1/', 'http://127.0.0.1.example.com/', 'http://[fe80::1]/'])(
    'rejects the target %s',
    async (uri) => {
      expect(await deliverOverHttp(attemptOn(uri))).toMatchObject({ code: 7 });
    },
  );
});
