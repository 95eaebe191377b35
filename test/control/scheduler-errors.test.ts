import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { lazyClient } from '../../shared/control/scheduler-client.ts';
import { createSchedulerJob, type SchedulerJob } from '../../shared/control/scheduler-job.ts';
import { type Answer, errorAnswer, job, type ScriptedGoogle, scriptedGoogle } from './scripted-google.ts';

const NAME = 'projects/demo/locations/us-central1/jobs/poll';

// Loading the library counts as part of a call, and on a busy machine it takes longer than the shortest timeout here.
beforeAll(() => lazyClient('127.0.0.1:1')());

let google: ScriptedGoogle | undefined;
afterEach(() => google?.close());

/** A job on a server with scripted answers; waits between attempts are recorded instead of slept. */
async function jobOn(...answers: Answer[]): Promise<SchedulerJob & { waits: number[] }> {
  google = await scriptedGoogle(...answers);
  const waits: number[] = [];
  const sleep = async (ms: number) => {
    waits.push(ms);
  };
  // Only a server that never answers is waited for.
  const callTimeoutMs = answers.includes('hang') ? 500 : 10_000;
  const options = { job: NAME, emulatorHost: google.host, callTimeoutMs, random: () => 0.5, sleep };
  return { ...createSchedulerJob(options), waits };
}

describe('a temporary error', () => {
  it.each<[string, Answer]>([
    ['UNAVAILABLE', errorAnswer(503, 'UNAVAILABLE')],
    ['RESOURCE_EXHAUSTED', errorAnswer(429, 'RESOURCE_EXHAUSTED')],
    ['INTERNAL', errorAnswer(500, 'INTERNAL')],
    ['an HTML page', { status: 502, body: '<html>bad gateway</html>' }],
    ['a broken connection', 'cut'],
    ['no answer', 'hang'],
  ])('retries a call after %s', async (_, answer) => {
    const schedulerJob = await jobOn(answer, job('ENABLED'));
    expect(await schedulerJob.read()).toMatchObject({ state: 'enabled' });
    expect(google?.calls).toHaveLength(2);
    expect(schedulerJob.waits).toHaveLength(1);
  });

  it('throws a temporary error after three calls', async () => {
    const schedulerJob = await jobOn(errorAnswer(503, 'UNAVAILABLE'));
    await expect(schedulerJob.pause()).rejects.toMatchObject({
      code: 'scheduler_unavailable',
      retry: 'later',
      status: 503,
      message: `Pausing ${NAME}: scripted UNAVAILABLE`,
    });
    expect(google?.calls).toHaveLength(3);
  });

  it('succeeds when a pause took effect but its answer was lost', async () => {
    const schedulerJob = await jobOn('cut', errorAnswer(400, 'FAILED_PRECONDITION'), job('PAUSED'));
    expect(await schedulerJob.pause()).toMatchObject({ state: 'paused' });
    expect(google?.calls).toEqual(['POST poll:pause', 'POST poll:pause', 'GET poll']);
  });

  it('retries a pause when another caller resumes the job at the same time', async () => {
    const schedulerJob = await jobOn(errorAnswer(400, 'FAILED_PRECONDITION'), job('ENABLED'), job('PAUSED'));
    expect(await schedulerJob.pause()).toMatchObject({ state: 'paused' });
  });
});

describe('a permanent error', () => {
  it.each([
    [403, 'PERMISSION_DENIED'],
    [401, 'UNAUTHENTICATED'],
  ])('throws scheduler_denied at once after HTTP %i', async (status, name) => {
    const schedulerJob = await jobOn(errorAnswer(status, name));
    await expect(schedulerJob.read()).rejects.toMatchObject({
      code: 'scheduler_denied',
      retry: 'never',
      remediation: expect.stringContaining('cloudscheduler.jobs.get'),
    });
    expect(google?.calls).toHaveLength(1);
  });

  it('asks for a login when the machine has no Google credentials, without ending the process', async () => {
    // No key file and no metadata server, as on a laptop without a login.
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nonexistent/key.json');
    vi.stubEnv('METADATA_SERVER_DETECTION', 'none');
    await expect(createSchedulerJob({ job: NAME, emulatorHost: null }).read()).rejects.toMatchObject({
      code: 'google_credentials_missing',
      retry: 'never',
      remediation: expect.stringContaining('gcloud auth application-default login'),
      message: expect.stringContaining('application default credentials'),
    });
  });
});

it('reads a job state that is sent as a number', async () => {
  expect(await (await jobOn(job(2))).read()).toMatchObject({ state: 'paused' });
});
