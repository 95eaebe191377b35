/**
 * Schedules in unix-cron form: five fields, one minute at the finest, in a named time zone.
 *
 * Google also takes App Engine's English ("every 5 minutes"), which it no longer recommends; the
 * emulator refuses it, so that nobody relies on it by accident.
 * Source: https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules
 */
import { Cron } from 'croner';

/** Five fields of numbers, names, lists, ranges and steps; croner's own L, W, # and ? are not Google's. */
const UNIX_CRON = /^\s*([\d*,/-]+\s+){2}[\d*,/-]+\s+[\da-z*,/-]+\s+[\da-z*,/-]+\s*$/i;

function parse(schedule: string, timeZone: string): Cron {
  if (!UNIX_CRON.test(schedule)) throw new TypeError('not a unix-cron schedule');
  return new Cron(schedule.trim(), { timezone: timeZone, mode: '5-part' });
}

/** Whether Google would take this schedule; a schedule that never comes true is refused too. */
export function isValidSchedule(schedule: string, timeZone: string): boolean {
  try {
    // croner looks at the zone only when it computes a date.
    return parse(schedule, timeZone).nextRun(new Date(0)) !== null;
  } catch {
    return false;
  }
}

/** First run strictly after the given time; null when there is none. */
export function nextRunAfter(schedule: string, timeZone: string, after: Date): Date | null {
  return parse(schedule, timeZone).nextRun(after);
}
