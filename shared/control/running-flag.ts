/**
 * Start and stop: the switch in the database and the Cloud Scheduler job with it. The switch goes first both
 * times, because poll and push obey it at once; what fails after it shows in `status` as a disagreement, and the
 * same call again makes the two agree. May run any number of times.
 */
import type { Config } from '../config.ts';
import type { Database } from '../db/database.ts';
import { setRunning } from '../db/monitor-status.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { SchedulerJob } from './scheduler-job.ts';

export interface Monitor {
  readonly config: Config;
  readonly db: Database;
  readonly log: Log;
  /** Null: there is no job, only the switch. */
  readonly scheduler: SchedulerJob | null;
}

/** @throws {AppError} not_configured, scheduler_*, database_unavailable */
export async function startMonitor(monitor: Monitor): Promise<void> {
  assertConfigured(monitor.config);
  await setRunning(monitor.db, true);
  monitor.log.info('control_changed', 'Started');
  await monitor.scheduler?.resume();
}

/** @throws {AppError} scheduler_*, database_unavailable */
export async function stopMonitor(monitor: Monitor): Promise<void> {
  await setRunning(monitor.db, false);
  monitor.log.info('control_changed', 'Stopped');
  await monitor.scheduler?.pause();
}

/** @throws {AppError} not_configured, naming what is missing */
export function assertConfigured(config: Config): void {
  if (config.gmail !== null) return;
  throw new AppError('not_configured', `Not set: ${config.missingCredentials.join(', ')}.`);
}
