import { CloudSchedulerClient } from '@google-cloud/scheduler';
import { OAuth2Client } from 'google-auth-library';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  type RunningEmulator,
  startEmulatedScheduler,
} from '../../../emulators/scheduler/scheduler-server.ts';
import { EVERY_MINUTE, JOB, PARENT, schedulerFixture } from './scheduler-fixture.ts';

let fixture: ReturnType<typeof schedulerFixture>;
let emulator: RunningEmulator;
let client: CloudSchedulerClient;

beforeEach(async () => {
  fixture = schedulerFixture();
  emulator = await startEmulatedScheduler(fixture.scheduler, { tickMs: 0 });
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: 'fake', expiry_date: Date.now() + 3_600_000 });
  client = new CloudSchedulerClient({
    apiEndpoint: '127.0.0.1',
    port: emulator.port,
    protocol: 'http',
    fallback: true,
    authClient,
  });
});

afterEach(async () => {
  await client.close();
  await emulator.close();
});

it("lets Google's Node client create, update, pause, run, resume and delete a job", async () => {
  const httpTarget = {
    uri: 'http://127.0.0.1:9/poll',
    httpMethod: 'PUT',
    body: Buffer.from('hello'),
    oidcToken: { serviceAccountEmail: 'invoker@example.com', audience: 'http://127.0.0.1:9' },
  } as const;
  const [created] = await client.createJob({
    parent: PARENT,
    job: { ...EVERY_MINUTE, httpTarget, attemptDeadline: { seconds: 60 }, retryConfig: { retryCount: 1 } },
  });
  expect(created).toMatchObject({ name: JOB, state: 'ENABLED', httpTarget: { httpMethod: 'PUT' } });
  expect(fixture.scheduler.get(JOB)).toMatchObject({
    attemptDeadline: '60s',
    httpTarget: { ...httpTarget, body: Buffer.from('hello').toString('base64') },
  });

  const [updated] = await client.updateJob({
    job: { name: JOB, schedule: '0 * * * *', description: 'ignored', timeZone: 'Europe/Berlin' },
    updateMask: { paths: ['schedule', 'time_zone'] },
  });
  expect(updated).toMatchObject({ schedule: '0 * * * *', timeZone: 'Europe/Berlin', description: '' });

  await client.pauseJob({ name: JOB });
  await expect(client.pauseJob({ name: JOB })).rejects.toMatchObject({ code: 9 });
  await client.runJob({ name: JOB });
  await fixture.scheduler.settled();
  expect(fixture.attempts).toHaveLength(1);
  const [resumed] = await client.resumeJob({ name: JOB });
  expect(resumed.state).toBe('ENABLED');
  expect(Number(resumed.lastAttemptTime?.seconds) * 1000).toBe(Date.parse('2026-11-23T09:00:30Z'));

  await client.deleteJob({ name: JOB });
  await expect(client.getJob({ name: JOB })).rejects.toMatchObject({ code: 5 });
});

it("lets Google's Node client page through the jobs of a location", async () => {
  for (const id of ['a', 'b', 'c']) {
    fixture.scheduler.create(PARENT, { ...EVERY_MINUTE, name: `${PARENT}/jobs/${id}` });
  }
  const [first, next] = await client.listJobs({ parent: PARENT, pageSize: 2 }, { autoPaginate: false });
  expect(first.map(({ name }) => name?.at(-1))).toEqual(['a', 'b']);
  expect(next?.pageToken).toBeTruthy();
  const [all] = await client.listJobs({ parent: PARENT });
  expect(all).toHaveLength(3);
});
