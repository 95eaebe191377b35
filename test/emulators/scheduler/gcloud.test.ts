/**
 * gcloud as a client of the emulator: the commands for the real service must work here too. gcloud calls are slow, so
 * there are only a few. Skipped if gcloud is not installed.
 */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  type RunningEmulator,
  startEmulatedScheduler,
} from '../../../emulators/scheduler/scheduler-server.ts';
import { EVERY_MINUTE, JOB, PARENT, schedulerFixture } from './scheduler-fixture.ts';

function hasGcloud(): boolean {
  try {
    execFileSync('gcloud', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

let fixture: ReturnType<typeof schedulerFixture>;
let emulator: RunningEmulator;
beforeEach(async () => {
  fixture = schedulerFixture();
  emulator = await startEmulatedScheduler(fixture.scheduler, { tickMs: 0 });
});
afterEach(() => emulator.close());

function gcloud(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)('gcloud', ['scheduler', 'jobs', ...args, '--location', 'us-central1'], {
    env: {
      ...process.env,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER: `http://${emulator.host}/`,
      CLOUDSDK_AUTH_ACCESS_TOKEN: 'fake',
      CLOUDSDK_CORE_PROJECT: 'demo',
      CLOUDSDK_CORE_DISABLE_PROMPTS: '1',
    },
  });
}

const installed = hasGcloud();
it.skipIf(!installed)(
  `lets gcloud pause and update a job${installed ? '' : ' (skipped: gcloud is not installed)'}`,
  async () => {
    fixture.scheduler.create(PARENT, EVERY_MINUTE);
    await gcloud('update', 'http', 'poll', '--schedule', '*/5 * * * *', '--max-retry-attempts', '2');
    expect(fixture.scheduler.get(JOB)).toMatchObject({
      schedule: '*/5 * * * *',
      retryConfig: { retryCount: 2 },
    });
    await gcloud('pause', 'poll');
    expect(fixture.scheduler.get(JOB).state).toBe('PAUSED');
    await expect(gcloud('pause', 'poll')).rejects.toMatchObject({
      stderr: expect.stringContaining('FAILED_PRECONDITION'),
    });
  },
  60_000,
);
