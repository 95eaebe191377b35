import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../shared/deadline.ts';
import { AppError } from '../../shared/errors.ts';
import { LARGE_BODY_BYTES } from '../../shared/gmail/response-body.ts';
import { benchClient, type ClientBench, faultOf, neverLarge } from './client-bench.ts';
import { messageJson, type Script, type ScriptedGmail, scriptGmail } from './scripted-gmail.ts';

const PROFILE = JSON.stringify({ emailAddress: 'orders@example.com', historyId: '1' });
const SMALL = messageJson(Buffer.from('Subject: small\r\n\r\n'));
const LARGE = messageJson(Buffer.alloc(2 * LARGE_BODY_BYTES, 'order '));

let gmail: ScriptedGmail | undefined;
afterEach(() => {
  vi.useRealTimers();
  gmail?.close();
});

async function bench(
  scripts: readonly Script[],
  options: { token?: Script; deadline?: Deadline } = {},
): Promise<ClientBench> {
  gmail = await scriptGmail(scripts, options.token);
  return benchClient({ rootUrl: gmail.rootUrl, tokenUrl: gmail.tokenUrl, ...options });
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

describe('an answer that breaks off', () => {
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
  ])('%s fails the message at once and never gives a shorter one', async (_, broken) => {
    const { client, context, waits, units } = await bench([broken, whole(SMALL)]);
    const error = await faultOf(client.getRawMessage(context, 'm1', neverLarge));
    expect(error).toMatchObject({ code: 'gmail_unavailable', retry: 'later' });
    expect(error.message).toMatch(/connection failed or answer cut|the answer is not JSON/);
    expect([gmail?.callCount, waits, units]).toEqual([1, [], []]);
  });

  it.each([
    ['reset before its headers', reset],
    ['cut inside its declared length', cut],
    ['cut inside its chunks', cutChunked],
    ['cut inside its compression', cutGzip],
    ['not compressed as it claims', badGzip],
  ])('%s is requested again after a wait when it is not a message', async (_, broken) => {
    const { client, context, waits } = await bench([broken, whole(PROFILE)]);
    expect((await client.getProfile(context)).historyId).toBe('1');
    expect(gmail?.callCount).toBe(2);
    expect(waits).toHaveLength(1);
  });

  it('is not mistaken for a whole one when it stops at the end of a JSON document inside its declared length', async () => {
    const padded: Script = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': SMALL.length + 10 });
      response.write(SMALL, () => response.destroy());
    };
    const { client, context } = await bench([padded]);
    expect((await faultOf(client.getRawMessage(context, 'm1', neverLarge))).message).toBe(
      'users.messages.get: connection failed or answer cut.',
    );
  });

  it('every time ends as a fault that may pass', async () => {
    const { client, context } = await bench([reset]);
    expect(await faultOf(client.getProfile(context))).toMatchObject({
      code: 'gmail_unavailable',
      message: 'users.getProfile: connection failed or answer cut.',
    });
    expect(gmail?.callCount).toBe(4);
  });

  it('because nobody listens ends as the same fault', async () => {
    gmail = await scriptGmail([]);
    const { rootUrl, tokenUrl } = gmail;
    // Another server's port for the API: it was free a moment ago.
    const gone = await scriptGmail([]);
    gone.close();
    const { client, context } = benchClient({ rootUrl: gone.rootUrl, tokenUrl });
    expect(rootUrl).not.toBe(gone.rootUrl);
    expect((await faultOf(client.getProfile(context))).code).toBe('gmail_unavailable');
  });
});

describe('silence', () => {
  /** Timers of our own code stand still; sockets do not. */
  function freezeTimers(): void {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  }
  const silentFor =
    (ms: number): Script =>
    () => {
      vi.advanceTimersByTime(ms);
    };

  it('before the first byte is given up after ten seconds, not before', async () => {
    const { client, context } = await bench([
      (response) => {
        vi.advanceTimersByTime(9_999);
        void whole(SMALL)(response, response.req);
      },
      silentFor(10_000),
    ]);
    freezeTimers();
    await client.getRawMessage(context, 'm1', neverLarge);
    expect(await faultOf(client.getRawMessage(context, 'm1', neverLarge))).toMatchObject({
      code: 'gmail_unavailable',
      message: 'users.messages.get: timed out.',
    });
    expect(gmail?.callCount).toBe(2);
  });

  it('of a list is requested again', async () => {
    const { client, context } = await bench([silentFor(10_000), whole(PROFILE)]);
    freezeTimers();
    await client.getProfile(context);
    expect(gmail?.callCount).toBe(2);
  });

  it('every time ends as a fault that says so', async () => {
    const { client, context } = await bench([silentFor(10_000)]);
    freezeTimers();
    expect(await faultOf(client.getProfile(context))).toMatchObject({
      code: 'gmail_unavailable',
      message: 'users.getProfile: timed out.',
    });
  });

  it('inside a body is given up too', async () => {
    const stall: Script = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': LARGE.length });
      response.write(LARGE.slice(0, 1_000));
      // The client's idle watch is armed by the time that it asks whether a large body may be read.
    };
    const { client, context } = await bench([stall]);
    freezeTimers();
    const message = client.getRawMessage(context, 'm1', async () => {
      setImmediate(() => vi.advanceTimersByTime(15_000));
    });
    expect((await faultOf(message)).message).toBe('users.messages.get: timed out.');
    expect(gmail?.callCount).toBe(1);
  });

  it('that outlasts the deadline is the end of the time, and nothing is asked again', async () => {
    let nowMs = 0;
    const deadline = Deadline.after(4_000, () => nowMs);
    const hang: Script = () => {
      nowMs = 4_000;
      vi.advanceTimersByTime(4_000);
    };
    const { client, context, waits } = await bench([hang], { deadline });
    freezeTimers();
    expect((await faultOf(client.getProfile(context))).code).toBe('out_of_time');
    expect(gmail?.callCount).toBe(1);
    expect(waits).toEqual([]);
  });

  it('of the token endpoint ends with the deadline too', async () => {
    let nowMs = 0;
    const deadline = Deadline.after(4_000, () => nowMs);
    const hang: Script = () => {
      nowMs = 4_000;
      vi.advanceTimersByTime(4_000);
    };
    const { client, context } = await bench([whole(SMALL)], { deadline, token: hang });
    freezeTimers();
    expect((await faultOf(client.getProfile(context))).code).toBe('out_of_time');
    expect(gmail?.callCount).toBe(0);
  });

  it('is not even waited for when the deadline has passed, whether a token is at hand or not', async () => {
    const { client, context } = await bench([whole(SMALL)]);
    const late = { ...context, deadline: Deadline.after(0) };
    expect((await faultOf(client.getProfile(late))).code).toBe('out_of_time');
    expect([gmail?.callCount, gmail?.tokenCount]).toEqual([0, 0]);
    await client.getRawMessage(context, 'm1', neverLarge);
    expect((await faultOf(client.getProfile(late))).code).toBe('out_of_time');
    expect([gmail?.callCount, gmail?.tokenCount]).toEqual([1, 1]);
  });

  it('of ours, while a large body waits to be let in, is not held against Gmail', async () => {
    const { client, context } = await bench([whole(LARGE)]);
    freezeTimers();
    await client.getRawMessage(context, 'm1', async () => {
      vi.advanceTimersByTime(60_000);
    });
    expect(gmail?.callCount).toBe(1);
  });
});

it('a call to Gmail has no limit on its whole time, only the refresh of a token has', async () => {
  const limits = vi.spyOn(AbortSignal, 'timeout');
  const { client, context } = await bench([whole(SMALL)]);
  await client.getRawMessage(context, 'm1', neverLarge);
  await client.getRawMessage(context, 'm1', neverLarge);
  expect(limits.mock.calls).toEqual([[15_000]]);
});

describe('the request', () => {
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

  it('asks for gzip for a list, and for the plain bytes of a raw message', async () => {
    const profile = recorded(PROFILE);
    const message = recorded(SMALL);
    const { client, context } = await bench([profile.script, message.script]);
    await client.getProfile(context);
    await client.getRawMessage(context, 'm1', neverLarge);
    expect(profile.seen[0]?.headers['accept-encoding']).toBe('gzip');
    // Google compresses only for clients that name gzip here too.
    expect(profile.seen[0]?.headers['user-agent']).toContain('gzip');
    expect(message.seen[0]?.headers['accept-encoding']).toBe('identity');
  });

  it('encodes a plus and a space of a query so that no server confuses them', async () => {
    const list = recorded('{}');
    const { client, context } = await bench([list.script]);
    await client.listMessages(context, {
      query: 'to:orders+eu@example.com a b',
      labelId: null,
      pageToken: null,
    });
    expect(list.seen[0]?.url).toContain('q=to%3Aorders%2Beu%40example.com%20a%20b');
  });

  it('reuses its connection', async () => {
    const profile = recorded(PROFILE);
    const { client, context } = await bench([profile.script]);
    await client.getProfile(context);
    await client.getProfile(context);
    expect(profile.seen[1]?.socket.remotePort).toBe(profile.seen[0]?.socket.remotePort);
  });

  it('follows no redirect, which could carry the token elsewhere, and counts it as an outage', async () => {
    const { client, context } = await bench([
      (response) => {
        response.writeHead(302, { location: '/sign-in' }).end();
      },
    ]);
    const error = await faultOf(client.getRawMessage(context, 'm1', neverLarge));
    expect(error).toMatchObject({ code: 'gmail_unavailable', message: 'users.messages.get: 302.' });
    expect(gmail?.callCount).toBe(1);
  });

  it('is repeated once at once with a fresh token after a 401, and reserves units for the repeat only', async () => {
    const { client, context, waits, units } = await bench([
      (response) => {
        response.writeHead(401).end('{}');
      },
      whole(SMALL),
    ]);
    await client.getRawMessage(context, 'm1', neverLarge);
    expect([gmail?.callCount, gmail?.tokenCount, waits, units]).toEqual([2, 2, [], [20]]);
  });
});

describe('a large body', () => {
  /** Resolves when everything was written that the other side would take. */
  const fullOf = (response: ServerResponse, body: Buffer): Promise<void> =>
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
  ])('%s waits to be let in, once, and then comes whole', async (_, headers, body) => {
    const { client, context } = await bench([
      async (response) => {
        response.writeHead(200, { 'content-type': 'application/json', ...headers });
        await fullOf(response, body);
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
    // Whatever could have come by now has come.
    await new Promise((resolve) => setImmediate(resolve));
    order.push('let in');
    gate.resolve();
    expect((await message).raw).toHaveLength(2 * LARGE_BODY_BYTES);
    expect(order).toEqual(['asked', 'let in', 'read']);
  });

  it('is held back on the line while it waits: no more than a fraction of it is sent', async () => {
    const huge = Buffer.alloc(64 * LARGE_BODY_BYTES);
    let sentBytes = 0;
    const { client, context } = await bench([
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
    const fault = await faultOf(
      client.getRawMessage(context, 'm1', async () => {
        let before = -1;
        // Until some turns of the event loop move nothing any more.
        while (before !== sentBytes) {
          before = sentBytes;
          for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        }
        throw new AppError('out_of_time', 'Never let in.');
      }),
    );
    expect(fault.message).toBe('Never let in.');
    expect(sentBytes).toBeLessThan(huge.length / 2);
  });

  it('whose connection breaks while it waits fails the message, and the process lives', async () => {
    const breakOff: Script = (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': LARGE.length });
      response.write(LARGE.slice(0, 100_000));
      broken.response = response;
    };
    const broken: { response?: ServerResponse } = {};
    const { client, context } = await bench([breakOff]);
    let asked = 0;
    const message = client.getRawMessage(context, 'm1', async () => {
      asked += 1;
      const closed = new Promise((resolve) => broken.response?.once('close', resolve));
      broken.response?.destroy();
      await closed;
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    });
    expect((await faultOf(message)).code).toBe('gmail_unavailable');
    expect(asked).toBe(1);
  });

  it('is asked about only when it is larger than a megabyte', async () => {
    const padding = LARGE_BODY_BYTES - messageJson(Buffer.alloc(0)).length;
    const small = messageJson(Buffer.alloc(Math.floor((padding * 3) / 4) - 3));
    expect(small.length).toBeLessThanOrEqual(LARGE_BODY_BYTES);
    const { client, context } = await bench([whole(small)]);
    await client.getRawMessage(context, 'm1', neverLarge);
  });
});
