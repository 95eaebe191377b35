/**
 * Schedules in unix-cron format: five fields, a resolution of one minute, in a named time zone.
 *
 * Google also accepts App Engine's cron syntax ("every 5 minutes"), but no longer recommends it. The emulator rejects
 * it.
 * Source: https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules
 */
import { Cron } from 'croner';

/** Five fields of numbers, names, lists, ranges and steps. Excludes croner's extensions L, W, # and ?. */
const UNIX_CRON = /^\s*([\d*,/-]+\s+){2}[\d*,/-]+\s+[\da-z*,/-]+\s+[\da-z*,/-]+\s*$/i;

function parse(schedule: string, timeZone: string): Cron {
  if (!UNIX_CRON.test(schedule)) throw new TypeError('not a unix-cron schedule');
  return new Cron(schedule.trim(), { timezone: timeZone, mode: '5-part' });
}

/** Whether Google accepts this schedule. A schedule that never occurs is invalid too. */
export function isValidSchedule(schedule: string, timeZone: string): boolean {
  try {
    // croner validates the time zone only when it computes a date.
    return parse(schedule, timeZone).nextRun(new Date(0)) !== null;
  } catch {
    return false;
  }
}

/** First run strictly after the given time; null if there is none. */
export function nextRunAfter(schedule: string, timeZone: string, after: Date): Date | null {
  return parse(schedule, timeZone).nextRun(after);
}
