/** The emulated Cloud Scheduler of the local stack, with one job that calls poll every minute. */
import { EmulatedScheduler } from '../emulators/scheduler/emulated-scheduler.ts';
import { jsonFileStore } from '../emulators/scheduler/job-store.ts';
import { startEmulatedScheduler } from '../emulators/scheduler/scheduler-server.ts';
import type { Environment } from '../shared/config.ts';

export const LOCAL_PROJECT = 'email-monitor-local';
export const LOCAL_LOCATION = 'europe-west1';
export const LOCAL_JOB = 'email-monitor-poll';
const PARENT = `projects/${LOCAL_PROJECT}/locations/${LOCAL_LOCATION}`;
const JOB_NAME = `${PARENT}/jobs/${LOCAL_JOB}`;

export interface LocalScheduler {
  readonly env: Environment;
  /** True: the job did not exist before. */
  readonly isNew: boolean;
  /** Runs the job now, without waiting for the next full minute. */
  runNow(): void;
  stop(): Promise<void>;
}

/** The job keeps its state across restarts, as in the cloud: a paused job stays paused. */
export async function startScheduler(options: {
  readonly dataFile: string;
  readonly port: number;
  readonly pollUrl: string;
}): Promise<LocalScheduler> {
  const scheduler = new EmulatedScheduler({
    store: jsonFileStore(options.dataFile),
    // Jobs can be created over HTTP without authentication; they must not call `stop` or deliver a forged push.
    targetUri: options.pollUrl,
  });
  const server = await startEmulatedScheduler(scheduler, { port: options.port });
  const isNew = !scheduler.list(PARENT).jobs.some((job) => job.name === JOB_NAME);
  const httpTarget = { uri: options.pollUrl, httpMethod: 'POST' };
  if (isNew) {
    scheduler.create(PARENT, {
      name: JOB_NAME,
      description: 'Polls the mailbox every minute.',
      schedule: '* * * * *',
      timeZone: 'Etc/UTC',
      httpTarget,
      attemptDeadline: '180s',
    });
  } else {
    scheduler.patch(JOB_NAME, { httpTarget }, 'httpTarget');
  }
  return {
    env: { SCHEDULER_JOB: JOB_NAME, CLOUD_SCHEDULER_EMULATOR_HOST: server.host },
    isNew,
    runNow: () => {
      scheduler.run(JOB_NAME);
    },
    stop: server.close,
  };
}
