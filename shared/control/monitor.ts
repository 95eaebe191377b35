/** What `status`, `start` and `stop` work with. Loads nothing of Gmail. */
import type { Config } from '../config.ts';
import type { Database } from '../db/database.ts';
import type { Log } from '../log.ts';
import type { AppContext } from './app-context.ts';
import { createSchedulerJob, type SchedulerJob } from './scheduler-job.ts';

export interface Monitor {
  readonly config: Config;
  readonly db: Database;
  readonly log: Log;
  /** Null when no job is configured: then only the `is_running` flag exists. */
  readonly scheduler: SchedulerJob | null;
}

/** @param schedulerTimeoutMs for one call of Cloud Scheduler; the default when it is undefined */
export function createMonitor({ config, db, log }: AppContext, schedulerTimeoutMs?: number): Monitor {
  const scheduler =
    config.schedulerJob === null
      ? null
      : createSchedulerJob({
          job: config.schedulerJob,
          emulatorHost: config.schedulerEmulatorHost,
          callTimeoutMs: schedulerTimeoutMs,
        });
  return { config, db, log, scheduler };
}
