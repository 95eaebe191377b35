import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../shared/deadline.ts';
import { AppError } from '../../shared/errors.ts';
import { LARGE_BODY_BYTES } from '../../shared/gmail/response-body.ts';
import { type ClientFixture, createClientFixture, errorOf, neverLarge } from './client-fixture.ts';
import { messageJson, type Script, type ScriptedGmail, startScriptedGmail } from './scripted-gmail.ts';

const PROFILE = JSON.stringify({ emailAddress: 'orders@example.com', historyId: '1' });
const SMALL = messageJson(Buffer.from('Subject: small\r\n\r\n'));
const LARGE = messageJson(Buffer.alloc(2 * LARGE_BODY_BYTES, 'order '));

let gmail: ScriptedGmail | undefined;
afterEach(() => {
  vi.useRealTimers();
  gmail?.close();
});

async function scriptedClient(
  scripts: readonly Script[],
  options: { token?: Script; deadline?: Deadline } = {},
): Promise<ClientFixture> {
  gmail = await startScriptedGmail(scripts, options.token);
  return createClientFixture({ rootUrl: gmail.rootUrl, tokenUrl: gmail.tokenUrl, ...options });
}

const whole =
  (body: string): Script =>
  (response) => {
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    });
    response.end(body);
  };

describe('truncated answer', () => {
  const reset: Script = (_response, request) => {
    request.socket.destroy();
  };
  const cut: Script = (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': SMALL.length });
    response.write(SMALL.slice(0, 40), () => response.destroy());
  };
  const cutChunked: Script = (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(SMALL.slice(0, 40), () => response.destroy());
  };
  const cutGzip: Script = (response) => {
    const half = gzipSync(SMALL);
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    response.end(half.subarray(0, half.length / 2));
  };
  const badGzip: Script = (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
    response.end('no gzip');
  };

  it.each([
    ['reset before its headers', reset],
    ['cut inside its declared length', cut],
    ['cut inside its chunks', cutChunked],
    ['cut inside its compression', cutGzip],
    ['not compressed as it claims', badGzip],
  ])(
    'an answer that is %s fails the message without a retry and never returns a shorter one',
    async (_, broken) => {
      const { client, context, waits, units } = await scriptedClient([broken, whole(SMALL)]);
      const error = await errorOf(client.getRawMessage(context, 'm1', neverLarge));
      expect(error).toMatchObject({ code: 'gmail_unavailable', retry: 'later' });
      expect(error.message).toMatch(/connection failed or answer cut|the answer is not JSON/);
      expect([gmail?.callCount, waits, units]).toEqual([1, [], []]);
    },
  );

  it.each([
    ['reset before its headers', reset],
    ['cut inside its declared length', cut],
    ['cut inside its chunks', cutChunked],
    ['cut inside its compression', cutGzip],
    ['not compressed as it claims', badGzip],
  ])('an answer that is %s is requested again after a wait when it is not a message', async (_, broken) => {
    const { client, context, waits } = await scriptedClient([broken, whole(PROFILE)]);
    expect((await client.getProfile(context)).historyId).toBe('1');
    expect(gmail?.callCount).toBe(2);
    expect(waits).toHaveLength(1);
  });

  it('rejects an answer that ends with a complete JSON document before its declared length', async () => {
    const padded: Script = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': SMALL.length + 10 });
      response.write(SMALL, () => response.destroy());
    };
    const { client, context } = await scriptedClient([padded]);
    expect((await errorOf(client.getRawMessage(context, 'm1', neverLarge))).message).toBe(
      'users.messages.get: connection failed or answer cut.',
    );
  });

  it('ends with gmail_unavailable when every attempt is truncated', async () => {
    const { client, context } = await scriptedClient([reset]);
    expect(await errorOf(client.getProfile(context))).toMatchObject({
      code: 'gmail_unavailable',
      message: 'users.getProfile: connection failed or answer cut.',
    });
    expect(gmail?.callCount).toBe(4);
  });

  it('ends with gmail_unavailable when the connection is refused', async () => {
    gmail = await startScriptedGmail([]);
    const { rootUrl, tokenUrl } = gmail;
    // The port of a server that has just closed.
    const gone = await startScriptedGmail([]);
    gone.close();
    const { client, context } = createClientFixture({ rootUrl: gone.rootUrl, tokenUrl });
    expect(rootUrl).not.toBe(gone.rootUrl);
    expect((await errorOf(client.getProfile(context))).code).toBe('gmail_unavailable');
  });
});

describe('timeout', () => {
  /** Freezes the timers of our code, but not the sockets. */
  function freezeTimers(): void {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  }
  const silentFor =
    (ms: number): Script =>
    () => {
      vi.advanceTimersByTime(ms);
    };

  it('gives up after ten seconds without a first byte, not before', async () => {
    const { client, context } = await scriptedClient([
      (response) => {
        vi.advanceTimersByTime(9_999);
        void whole(SMALL)(response, response.req);
      },
      silentFor(10_000),
    ]);
    freezeTimers();
    await client.getRawMessage(context, 'm1', neverLarge);
    expect(await errorOf(client.getRawMessage(context, 'm1', neverLarge))).toMatchObject({
      code: 'gmail_unavailable',
      message: 'users.messages.get: timed out.',
    });
    expect(gmail?.callCount).toBe(2);
  });

  it('requests a list that timed out again', async () => {
    const { client, context } = await scriptedClient([silentFor(10_000), whole(PROFILE)]);
    freezeTimers();
    await client.getProfile(context);
    expect(gmail?.callCount).toBe(2);
  });

  it('reports the timeout when every attempt times out', async () => {
    const { client, context } = await scriptedClient([silentFor(10_000)]);
    freezeTimers();
    expect(await errorOf(client.getProfile(context))).toMatchObject({
      code: 'gmail_unavailable',
      message: 'users.getProfile: timed out.',
    });
  });

  it('gives up when a body stalls', async () => {
    const stall: Script = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': LARGE.length });
      response.write(LARGE.slice(0, 1_000));
      // The client starts its idle timeout before it asks for permission to read a large body.
    };
    const { client, context } = await scriptedClient([stall]);
    freezeTimers();
    const message = client.getRawMessage(context, 'm1', async () => {
      setImmediate(() => vi.advanceTimersByTime(15_000));
    });
    expect((await errorOf(message)).message).toBe('users.messages.get: timed out.');
    expect(gmail?.callCount).toBe(1);
  });

  it.each([
    ['', 4_000],
    [', also when its timer fires before the clock shows it,', 3_999.6],
  ])('a timeout at the deadline%s ends with out_of_time and without another request', async (_, shownMs) => {
    let nowMs = 0;
    const deadline = Deadline.after(4_000, () => nowMs);
    const hang: Script = () => {
      nowMs = shownMs;
      vi.advanceTimersByTime(4_000);
    };
    const { client, context, waits } = await scriptedClient([hang], { deadline });
    freezeTimers();
    expect((await errorOf(client.getProfile(context))).code).toBe('out_of_time');
    expect(gmail?.callCount).toBe(1);
    expect(waits).toEqual([]);
  });

  it('a token endpoint that hangs until the deadline ends with out_of_time', async () => {
    let nowMs = 0;
    const deadline = Deadline.after(4_000, () => nowMs);
    const hang: Script = () => {
      nowMs = 4_000;
      vi.advanceTimersByTime(4_000);
    };
    const { client, context } = await scriptedClient([whole(SMALL)], { deadline, token: hang });
    freezeTimers();
    expect((await errorOf(client.getProfile(context))).code).toBe('out_of_time');
    expect(gmail?.callCount).toBe(0);
  });

  it('makes no request after the deadline, with or without a token', async () => {
    const { client, context } = await scriptedClient([whole(SMALL)]);
    const late = { ...context, deadline: Deadline.after(0) };
    expect((await errorOf(client.getProfile(late))).code).toBe('out_of_time');
    expect([gmail?.callCount, gmail?.tokenCount]).toEqual([0, 0]);
    await client.getRawMessage(context, 'm1', neverLarge);
    expect((await errorOf(client.getProfile(late))).code).toBe('out_of_time');
    expect([gmail?.callCount, gmail?.tokenCount]).toEqual([1, 1]);
  });

  it('the wait for permission to read a large body does not count as a timeout', async () => {
    const { client, context } = await scriptedClient([whole(LARGE)]);
    freezeTimers();
    await client.getRawMessage(context, 'm1', async () => {
      vi.advanceTimersByTime(60_000);
    });
    expect(gmail?.callCount).toBe(1);
  });
});

it('only the token refresh has a limit on its total time, not a call to Gmail', async () => {
  const limits = vi.spyOn(AbortSignal, 'timeout');
  const { client, context } = await scriptedClient([whole(SMALL)]);
  await client.getRawMessage(context, 'm1', neverLarge);
  await client.getRawMessage(context, 'm1', neverLarge);
  expect(limits.mock.calls).toEqual([[15_000]]);
});

describe('request', () => {
  /** Records what arrives and answers with `body`. */
  function recorded(body: string): { script: Script; seen: IncomingMessage[] } {
    const seen: IncomingMessage[] = [];
    return {
      seen,
      script: (response, request) => {
        seen.push(request);
        void whole(body)(response, request);
      },
    };
  }

  it('requests gzip for a list and no compression for a raw message', async () => {
    const profile = recorded(PROFILE);
    const message = recorded(SMALL);
    const { client, context } = await scriptedClient([profile.script, message.script]);
    await client.getProfile(context);
    await client.getRawMessage(context, 'm1', neverLarge);
    expect(profile.seen[0]?.headers['accept-encoding']).toBe('gzip');
    // Google compresses only for clients that name gzip here too.
    expect(profile.seen[0]?.headers['user-agent']).toContain('gzip');
    expect(message.seen[0]?.headers['accept-encoding']).toBe('identity');
  });

  it('encodes the plus and the space of a query unambiguously', async () => {
    const list = recorded('{}');
    const { client, context } = await scriptedClient([list.script]);
    await client.listMessages(context, {
      query: 'to:orders+eu@example.com a b',
      labelId: null,
      pageToken: null,
    });
    expect(list.seen[0]?.url).toContain('q=to%3Aorders%2Beu%40example.com%20a%20b');
  });

  it('reuses the connection', async () => {
    const profile = recorded(PROFILE);
    const { client, context } = await scriptedClient([profile.script]);
    await client.getProfile(context);
    await client.getProfile(context);
    expect(profile.seen[1]?.socket.remotePort).toBe(profile.seen[0]?.socket.remotePort);
  });

  it('follows no redirect, which could send the token elsewhere, and treats it as an outage', async () => {
    const { client, context } = await scriptedClient([
      (response) => {
        response.writeHead(302, { location: '/sign-in' }).end();
      },
    ]);
    const error = await errorOf(client.getRawMessage(context, 'm1', neverLarge));
    expect(error).toMatchObject({ code: 'gmail_unavailable', message: 'users.messages.get: 302.' });
    expect(gmail?.callCount).toBe(1);
  });

  it('repeats a call once with a fresh token after a 401, and reserves units for the repeat only', async () => {
    const { client, context, waits, units } = await scriptedClient([
      (response) => {
        response.writeHead(401).end('{}');
      },
      whole(SMALL),
    ]);
    await client.getRawMessage(context, 'm1', neverLarge);
    expect([gmail?.callCount, gmail?.tokenCount, waits, units]).toEqual([2, 2, [], [20]]);
  });
});

describe('large body', () => {
  /** Writes the body with backpressure and resolves when it is sent. */
  const sendBody = (response: ServerResponse, body: Buffer): Promise<void> =>
    new Promise((resolve) => {
      let sent = 0;
      const more = () => {
        while (sent < body.length) {
          const piece = body.subarray(sent, sent + 65_536);
          sent += piece.length;
          if (!response.write(piece)) {
            response.once('drain', more);
            return;
          }
        }
        response.end(resolve);
      };
      more();
    });

  it.each<[string, Record<string, string | number>, Buffer]>([
    ['whose length is declared', { 'content-length': LARGE.length }, Buffer.from(LARGE)],
    ['in chunks', {}, Buffer.from(LARGE)],
    ['compressed to almost nothing', { 'content-encoding': 'gzip' }, gzipSync(LARGE)],
  ])('a large body %s waits for permission once and then arrives complete', async (_, headers, body) => {
    const { client, context } = await scriptedClient([
      async (response) => {
        response.writeHead(200, { 'content-type': 'application/json', ...headers });
        await sendBody(response, body);
      },
    ]);
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const message = client
      .getRawMessage(context, 'm1', async () => {
        order.push('asked');
        asked.resolve();
        await gate.promise;
      })
      .then((read) => {
        order.push('read');
        return read;
      });
    await asked.promise;
    // Let everything arrive that can arrive without permission.
    await new Promise((resolve) => setImmediate(resolve));
    order.push('permitted');
    gate.resolve();
    expect((await message).raw).toHaveLength(2 * LARGE_BODY_BYTES);
    expect(order).toEqual(['asked', 'permitted', 'read']);
  });

  it('applies backpressure to a large body that waits for permission', async () => {
    const huge = Buffer.alloc(64 * LARGE_BODY_BYTES);
    let sentBytes = 0;
    const { client, context } = await scriptedClient([
      (response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const more = () => {
          for (let flows = true; flows && sentBytes < huge.length; sentBytes += 65_536) {
            flows = response.write(huge.subarray(sentBytes, sentBytes + 65_536));
          }
          if (sentBytes < huge.length) response.once('drain', more);
          else response.end();
        };
        more();
      },
    ]);
    const error = await errorOf(
      client.getRawMessage(context, 'm1', async () => {
        let before = -1;
        // Until the event loop turns several times without progress.
        while (before !== sentBytes) {
          before = sentBytes;
          for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        }
        throw new AppError('out_of_time', 'Permission denied.');
      }),
    );
    expect(error.message).toBe('Permission denied.');
    expect(sentBytes).toBeLessThan(huge.length / 2);
  });

  it('fails the message without a crash when the connection breaks while a large body waits', async () => {
    const breakOff: Script = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': LARGE.length });
      response.write(LARGE.slice(0, 100_000));
      broken.response = response;
    };
    const broken: { response?: ServerResponse } = {};
    const { client, context } = await scriptedClient([breakOff]);
    let asked = 0;
    const message = client.getRawMessage(context, 'm1', async () => {
      asked += 1;
      const closed = new Promise((resolve) => broken.response?.once('close', resolve));
      broken.response?.destroy();
      await closed;
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    });
    expect((await errorOf(message)).code).toBe('gmail_unavailable');
    expect(asked).toBe(1);
  });

  it('is not read when its permission comes after the deadline', async () => {
    let nowMs = 0;
    const deadline = Deadline.after(4_000, () => nowMs);
    const { client, context } = await scriptedClient([whole(LARGE)], { deadline });
    const message = client.getRawMessage(context, 'm1', async () => {
      nowMs = 4_000;
      // No timer runs while chunks arrive without a pause.
      vi.useFakeTimers({ toFake: ['setTimeout'] });
    });
    expect((await errorOf(message)).code).toBe('out_of_time');
  });

  it('asks no permission for a body of up to one megabyte', async () => {
    const padding = LARGE_BODY_BYTES - messageJson(Buffer.alloc(0)).length;
    const small = messageJson(Buffer.alloc(Math.floor((padding * 3) / 4) - 3));
    expect(small.length).toBeLessThanOrEqual(LARGE_BODY_BYTES);
    const { client, context } = await scriptedClient([whole(small)]);
    await client.getRawMessage(context, 'm1', neverLarge);
  });
});
