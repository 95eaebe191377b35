import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  type RunningEmulator,
  startEmulatedScheduler,
} from '../../../emulators/scheduler/scheduler-server.ts';
import { EVERY_MINUTE, JOB, PARENT, schedulerFixture } from './scheduler-fixture.ts';

let fixture: ReturnType<typeof schedulerFixture>;
let emulator: RunningEmulator;
beforeEach(async () => {
  fixture = schedulerFixture();
  emulator = await startEmulatedScheduler(fixture.scheduler, { tickMs: 0 });
});
afterEach(() => emulator.close());

async function call(method: string, path: string, body?: string): Promise<[number, unknown]> {
  const response = await fetch(`http://${emulator.host}/v1/${path}`, {
    method,
    ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
  });
  return [response.status, await response.json()];
}

it("returns errors in Google's format", async () => {
  const message = 'Job not found.';
  expect(await call('GET', JOB)).toEqual([404, { error: { code: 404, message, status: 'NOT_FOUND' } }]);
  expect(await call('POST', `${PARENT}/jobs`, '[1')).toMatchObject([
    400,
    { error: { status: 'INVALID_ARGUMENT' } },
  ]);
  expect(await call('GET', 'projects/demo/topics')).toMatchObject([404, { error: { status: 'NOT_FOUND' } }]);
  fixture.scheduler.create(PARENT, EVERY_MINUTE);
  expect(await call('POST', `${JOB}:resume`, '{}')).toMatchObject([
    400,
    { error: { code: 400, status: 'FAILED_PRECONDITION' } },
  ]);
});

it('returns enums as names, and as numbers on request', async () => {
  fixture.scheduler.create(PARENT, EVERY_MINUTE);
  expect(await call('GET', JOB)).toMatchObject([
    200,
    { state: 'ENABLED', httpTarget: { httpMethod: 'POST' } },
  ]);
  expect(await call('GET', `${JOB}?$alt=json;enum-encoding=int`)).toMatchObject([
    200,
    { state: 1, httpTarget: { httpMethod: 1 } },
  ]);
});

it('lists the locations of a project', async () => {
  expect(await call('GET', 'projects/demo/locations')).toMatchObject([
    200,
    { locations: [{ name: PARENT, locationId: 'us-central1' }, {}, {}] },
  ]);
  expect(await call('GET', PARENT)).toMatchObject([200, { locationId: 'us-central1' }]);
});

it('aborts the attempts in flight when the server closes', async () => {
  const hanging = schedulerFixture({
    deliver: ({ signal }) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve({ code: 14 }))),
  });
  const other = await startEmulatedScheduler(hanging.scheduler, { tickMs: 0 });
  hanging.scheduler.create(PARENT, EVERY_MINUTE);
  hanging.scheduler.run(JOB);
  await other.close();
  expect(hanging.scheduler.get(JOB).status).toBeUndefined();
});

/** Sends headers that `fetch` does not let a program set. */
async function statusFor(headers: Record<string, string>, body = '{}'): Promise<number | undefined> {
  const sent = request(`http://${emulator.host}/v1/${JOB}:pause`, { method: 'POST', headers, agent: false });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

it.each<[string, Record<string, string>, number]>([
  ['with an Origin header', { 'content-type': 'application/json', origin: 'http://127.0.0.1:3000' }, 403],
  [
    'with Sec-Fetch-Site: same-site',
    { 'content-type': 'application/json', 'sec-fetch-site': 'same-site' },
    403,
  ],
  ['for another host', { 'content-type': 'application/json', host: 'evil.test' }, 403],
  ['with a text body', { 'content-type': 'text/plain' }, 400],
  ['with a body without a type', {}, 400],
])('rejects a request %s, which a web page may have sent', async (_name, headers, status) => {
  fixture.scheduler.create(PARENT, EVERY_MINUTE);
  expect(await statusFor(headers)).toBe(status);
  expect(fixture.scheduler.get(JOB).state).toBe('ENABLED');
});

it('accepts JSON at a loopback name, and a request without a body', async () => {
  fixture.scheduler.create(PARENT, EVERY_MINUTE);
  expect(await statusFor({ 'content-type': 'application/json; charset=utf-8', host: 'localhost:8082' })).toBe(
    200,
  );
  fixture.scheduler.resume(JOB);
  expect(await statusFor({}, '')).toBe(200);
});
