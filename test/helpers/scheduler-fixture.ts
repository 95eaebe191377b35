/** An emulated Cloud Scheduler with the job that calls `poll`. The job runs only when a test triggers it. */
import { EmulatedScheduler } from '../../emulators/scheduler/emulated-scheduler.ts';
import { startEmulatedScheduler } from '../../emulators/scheduler/scheduler-server.ts';
import type { Environment } from '../../shared/config.ts';

const PARENT = 'projects/demo/locations/europe-west1';
export const JOB = `${PARENT}/jobs/poll`;

export interface SchedulerFixture {
  readonly scheduler: EmulatedScheduler;
  readonly env: Environment;
  close(): Promise<void>;
}

export async function schedulerFixture(): Promise<SchedulerFixture> {
  const scheduler = new EmulatedScheduler({
    clock: () => new Date('2026-11-23T09:00:30Z'),
    deliver: async () => ({}),
  });
  scheduler.create(PARENT, { name: JOB, schedule: '* * * * *', httpTarget: { uri: 'http://127.0.0.1:9/' } });
  const server = await startEmulatedScheduler(scheduler, { tickMs: 0 });
  return {
    scheduler,
    env: { SCHEDULER_JOB: JOB, CLOUD_SCHEDULER_EMULATOR_HOST: server.host },
    close: server.close,
  };
}
