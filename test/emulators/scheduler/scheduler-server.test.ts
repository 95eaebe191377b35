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
    ...(body === undefined ? {} : { body }),
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
