/** What status, start and stop work with. Nothing of Gmail is loaded for them. */

import type { AppContext } from './app-context.ts';
import type { Monitor } from './running-flag.ts';
import { createSchedulerJob } from './scheduler-job.ts';

export function createMonitor({ config, db, log }: AppContext): Monitor {
  const scheduler =
    config.schedulerJob === null
      ? null
      : createSchedulerJob({ job: config.schedulerJob, emulatorHost: config.schedulerEmulatorHost });
  return { config, db, log, scheduler };
}
