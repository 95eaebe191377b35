/**
 * Start and stop: the `is_running` flag in the database, and the Cloud Scheduler job that follows it.
 *
 * Invariant: after any call that ends without an error, the job is as the flag is; poll and push obey the flag alone.
 * The flag is set first, then the job is changed to what the flag says, and the flag is read again: while another call
 * has changed it meanwhile, the job is changed again. Whichever call changes the job last reads the flag after it, so
 * concurrent calls end in agreement. What fails shows in `status`, and the next call of either verb corrects it.
 */
import type { Config } from '../config.ts';
import type { Database } from '../db/database.ts';
import { readMonitorStatus, setRunning } from '../db/monitor-status.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { SchedulerJob } from './scheduler-job.ts';

export interface Monitor {
  readonly config: Config;
  readonly db: Database;
  readonly log: Log;
  /** Null: there is no job, only the flag. */
  readonly scheduler: SchedulerJob | null;
}

/** Operators do not change the flag so often within one call. */
const MAX_CHANGES = 10;

/**
 * May run any number of times.
 *
 * @returns the flag at the end: false when it was stopped meanwhile
 * @throws {AppError} not_configured, scheduler_*, database_unavailable
 */
export async function startMonitor(monitor: Monitor): Promise<boolean> {
  assertConfigured(monitor.config);
  await setRunning(monitor.db, true);
  monitor.log.info('control_changed', 'Started');
  return await applyRunningFlag(monitor);
}

/**
 * May run any number of times.
 *
 * @returns the flag at the end: true when it was started meanwhile
 * @throws {AppError} scheduler_*, database_unavailable
 */
export async function stopMonitor(monitor: Monitor): Promise<boolean> {
  await setRunning(monitor.db, false);
  monitor.log.info('control_changed', 'Stopped');
  return await applyRunningFlag(monitor);
}

/** @throws {AppError} not_configured, naming what is missing or cannot be read */
export function assertConfigured(config: Config): void {
  if (config.gmail !== null) return;
  const { credentialProblems: problems, missingCredentials: missing } = config;
  throw new AppError(
    'not_configured',
    problems.length > 0 ? `${problems.join('; ')}.` : `Not set: ${missing.join(', ')}.`,
  );
}

async function applyRunningFlag({ db, scheduler }: Monitor): Promise<boolean> {
  const { isRunning } = await readMonitorStatus(db);
  if (scheduler === null) return isRunning;
  return await followRunningFlag(db, isRunning, async (isOn) => {
    await (isOn ? scheduler.resume() : scheduler.pause());
  });
}

/**
 * Applies the flag, reads it again, and repeats both while concurrent calls have changed it in between: the call that applies
 * it last reads it after that, so what is applied ends as the flag does.
 *
 * @param isRunning the flag as the caller knows it
 * @returns the flag at the end
 * @throws {AppError} scheduler_unavailable when the flag keeps changing; of `apply`; of the database
 */
export async function followRunningFlag(
  db: Database,
  isRunning: boolean,
  apply: (isRunning: boolean) => Promise<void>,
): Promise<boolean> {
  let applied = isRunning;
  for (let change = 0; change < MAX_CHANGES; change += 1) {
    await apply(applied);
    const current = (await readMonitorStatus(db)).isRunning;
    if (current === applied) return current;
    applied = current;
  }
  throw new AppError('scheduler_unavailable', 'The is_running flag is being changed by other calls.');
}
