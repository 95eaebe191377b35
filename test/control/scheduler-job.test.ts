import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmulatedScheduler } from '../../emulators/scheduler/emulated-scheduler.ts';
import { type RunningEmulator, startEmulatedScheduler } from '../../emulators/scheduler/scheduler-server.ts';
import { createSchedulerJob, type SchedulerJob } from '../../shared/control/scheduler-job.ts';

const PARENT = 'projects/demo/locations/us-central1';
const JOB = `${PARENT}/jobs/poll`;

let scheduler: EmulatedScheduler;
let emulator: RunningEmulator;
let schedulerJob: SchedulerJob;

beforeEach(async () => {
  scheduler = new EmulatedScheduler({
    clock: () => new Date('2026-11-23T09:00:30Z'),
    deliver: async () => ({}),
  });
  emulator = await startEmulatedScheduler(scheduler, { tickMs: 0 });
  schedulerJob = createSchedulerJob({ job: JOB, emulatorHost: emulator.host });
});
afterEach(() => emulator.close());

function createJob(): void {
  const httpTarget = { uri: 'http://127.0.0.1:9/poll' };
  scheduler.create(PARENT, { name: JOB, schedule: '* * * * *', httpTarget });
}

describe('read', () => {
  it('returns the schedule, the last attempt and the next run of the job', async () => {
    createJob();
    expect(await schedulerJob.read()).toEqual({
      name: JOB,
      state: 'enabled',
      schedule: '* * * * *',
      lastAttemptAt: null,
      nextRunAt: new Date('2026-11-23T09:01:00Z'),
    });
    scheduler.run(JOB);
    expect((await schedulerJob.read()).lastAttemptAt).toEqual(new Date('2026-11-23T09:00:30Z'));
  });

  it('reports a missing job as a state', async () => {
    expect(await schedulerJob.read()).toEqual({
      name: JOB,
      state: 'missing',
      schedule: null,
      lastAttemptAt: null,
      nextRunAt: null,
    });
  });

  it.each([
    ['PAUSED', 'paused'],
    ['DISABLED', 'disabled'],
    ['UPDATE_FAILED', 'update_failed'],
  ] as const)('maps the state %s to %s, without a next run', async (wire, state) => {
    createJob();
    scheduler.force(JOB, wire);
    expect(await schedulerJob.read()).toMatchObject({ state, nextRunAt: null });
  });
});

describe('pause and resume', () => {
  it('pause and resume change the state of the job, and succeed again when it has that state already', async () => {
    createJob();
    expect(await schedulerJob.pause()).toMatchObject({ state: 'paused' });
    expect(await schedulerJob.pause()).toMatchObject({ state: 'paused' });
    expect(scheduler.get(JOB).state).toBe('PAUSED');
    expect(await schedulerJob.resume()).toMatchObject({ state: 'enabled' });
    expect(await schedulerJob.resume()).toMatchObject({ state: 'enabled' });
    expect(scheduler.get(JOB).state).toBe('ENABLED');
  });

  it.each(['pause', 'resume'] as const)(
    '%s throws an error with a remediation when the job is missing',
    async (verb) => {
      await expect(schedulerJob[verb]()).rejects.toMatchObject({
        code: 'scheduler_job_missing',
        remediation: expect.stringContaining('SCHEDULER_JOB'),
      });
    },
  );

  it('pause and resume return the real state of a job that Google disabled', async () => {
    createJob();
    scheduler.force(JOB, 'DISABLED');
    expect(await schedulerJob.resume()).toMatchObject({ state: 'disabled' });
    expect(await schedulerJob.pause()).toMatchObject({ state: 'disabled' });
  });
});
