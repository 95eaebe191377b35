/** What status, start and stop work with. Nothing of Gmail is loaded for them. */

import type { Monitor } from '../shared/control/running-flag.ts';
import { createSchedulerJob } from '../shared/control/scheduler-job.ts';
import type { FunctionContext } from './context.ts';

export function createMonitor({ config, db, log }: FunctionContext): Monitor {
  const scheduler =
    config.schedulerJob === null
      ? null
      : createSchedulerJob({ job: config.schedulerJob, emulatorHost: config.schedulerEmulatorHost });
  return { config, db, log, scheduler };
}
