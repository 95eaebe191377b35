/**
 * Start and stop: sets the `is_running` flag in the database, then pauses or resumes the Cloud Scheduler job to match.
 * Poll and push obey the flag alone.
 *
 * Invariant: when every call has ended without an error, the job agrees with the flag. A call sets the flag, changes the
 * job and reads the flag again. If another call has changed the flag in between, it changes the job again. The call that
 * changes the job last therefore sees the final flag. `status` shows a failed change; the next start or stop repairs it.
 */
import type { Config } from '../config.ts';
import { credentialFingerprint } from '../credentials.ts';
import type { Database } from '../db/database.ts';
import { readMonitorStatus, recordCredentials, setRunning } from '../db/monitor-status.ts';
import { AppError } from '../errors.ts';
import { hasAddedMailboxes } from '../mailboxes/due-mailboxes.ts';
import type { Monitor } from './monitor.ts';

/** Far more than concurrent operators change the flag during one call. */
const MAX_CHANGES = 10;

/**
 * Turns the monitor on. May be called again.
 *
 * @returns the final flag: false when a concurrent call stopped the monitor
 * @throws {AppError} not_configured, scheduler_*, database_unavailable
 */
export async function startMonitor(monitor: Monitor): Promise<boolean> {
  await recordOwnCredentials(monitor);
  if (monitor.config.gmail === null && !(await hasAddedMailboxes(monitor.db)))
    assertConfigured(monitor.config);
  await setRunning(monitor.db, true);
  monitor.log.info('control_changed', 'Started');
  return await applyRunningFlag(monitor);
}

/**
 * Turns the monitor off. May be called again.
 *
 * @returns the final flag: true when a concurrent call started the monitor
 * @throws {AppError} scheduler_*, database_unavailable
 */
export async function stopMonitor(monitor: Monitor): Promise<boolean> {
  await recordOwnCredentials(monitor);
  await setRunning(monitor.db, false);
  monitor.log.info('control_changed', 'Stopped');
  return await applyRunningFlag(monitor);
}

/** Before the first run, no other function has recorded them. */
async function recordOwnCredentials({ config, db }: Monitor): Promise<void> {
  if (config.areCredentialsHeldElsewhere) return;
  await recordCredentials(db, config.gmail === null ? null : credentialFingerprint(config.gmail));
}

/** @throws {AppError} not_configured, with the variables that are missing or the files that cannot be read */
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
 * Applies the flag and reads it again; repeats both while concurrent calls change the flag.
 *
 * @param isRunning the flag as the caller last read it
 * @returns the final flag, which is applied
 * @throws {AppError} scheduler_unavailable when the flag keeps changing; any error of `apply` or the database
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
  throw new AppError('scheduler_unavailable', 'Other calls keep changing the is_running flag.');
}
