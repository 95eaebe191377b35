import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { lazyClient } from '../../shared/control/scheduler-client.ts';
import { createSchedulerJob, type SchedulerJob } from '../../shared/control/scheduler-job.ts';
import { type Answer, fault, job, type ScriptedGoogle, scriptedGoogle } from './scripted-google.ts';

const NAME = 'projects/demo/locations/us-central1/jobs/poll';

// Loading the library counts as part of a call, and on a busy machine takes longer than the shortest here.
beforeAll(() => lazyClient('127.0.0.1:1')());

let google: ScriptedGoogle | undefined;
afterEach(() => google?.close());

/** A job on a Google that answers so; waits between attempts are noted instead of slept. */
async function jobOn(...answers: Answer[]): Promise<SchedulerJob & { waits: number[] }> {
  google = await scriptedGoogle(...answers);
  const waits: number[] = [];
  const sleep = async (ms: number) => {
    waits.push(ms);
  };
  // Only silence is waited out; everything else answers as fast as the machine is.
  const callTimeoutMs = answers.includes('hang') ? 500 : 10_000;
  const options = { job: NAME, emulatorHost: google.host, callTimeoutMs, random: () => 0.5, sleep };
  return { ...createSchedulerJob(options), waits };
}

describe('a fault that passes', () => {
  it.each<[string, Answer]>([
    ['UNAVAILABLE', fault(503, 'UNAVAILABLE')],
    ['RESOURCE_EXHAUSTED', fault(429, 'RESOURCE_EXHAUSTED')],
    ['INTERNAL', fault(500, 'INTERNAL')],
    ['a page of HTML', { status: 502, body: '<html>bad gateway</html>' }],
    ['a broken connection', 'cut'],
    ['silence', 'hang'],
  ])('is tried again after %s', async (_, answer) => {
    const schedulerJob = await jobOn(answer, job('ENABLED'));
    expect(await schedulerJob.read()).toMatchObject({ state: 'enabled' });
    expect(google?.calls).toHaveLength(2);
    expect(schedulerJob.waits).toHaveLength(1);
  });

  it('is tried three times and then told', async () => {
    const schedulerJob = await jobOn(fault(503, 'UNAVAILABLE'));
    await expect(schedulerJob.pause()).rejects.toMatchObject({
      code: 'scheduler_unavailable',
      retry: 'later',
      status: 503,
      message: `Pausing ${NAME}: told to say UNAVAILABLE`,
    });
    expect(google?.calls).toHaveLength(3);
  });

  it('of a pause that worked, its answer lost, ends as success', async () => {
    const schedulerJob = await jobOn('cut', fault(400, 'FAILED_PRECONDITION'), job('PAUSED'));
    expect(await schedulerJob.pause()).toMatchObject({ state: 'paused' });
    expect(google?.calls).toEqual(['POST poll:pause', 'POST poll:pause', 'GET poll']);
  });

  it('of somebody who resumes at the same time leads to another turn', async () => {
    const schedulerJob = await jobOn(fault(400, 'FAILED_PRECONDITION'), job('ENABLED'), job('PAUSED'));
    expect(await schedulerJob.pause()).toMatchObject({ state: 'paused' });
  });
});

describe('a fault that a person must remediation', () => {
  it.each([
    [403, 'PERMISSION_DENIED'],
    [401, 'UNAUTHENTICATED'],
  ])('is told at once after HTTP %i', async (status, name) => {
    const schedulerJob = await jobOn(fault(status, name));
    await expect(schedulerJob.read()).rejects.toMatchObject({
      code: 'scheduler_denied',
      retry: 'never',
      remediation: expect.stringContaining('cloudscheduler.jobs.get'),
    });
    expect(google?.calls).toHaveLength(1);
  });

  it('is told when the machine has no Google credentials, without ending the process', async () => {
    // An absent key file and no metadata server: the shape of a laptop that never logged in.
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nonexistent/key.json');
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
    await expect(createSchedulerJob({ job: NAME, emulatorHost: null }).read()).rejects.toMatchObject({
      code: 'scheduler_denied',
      message: expect.stringContaining('application default credentials'),
    });
  });
});

it('reads the state that comes as a number', async () => {
  expect(await (await jobOn(job(2))).read()).toMatchObject({ state: 'paused' });
});
