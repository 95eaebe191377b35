/**
 * A scheduler with a manual clock and a target that records the attempts.
 */
import type { Attempt } from '../../../emulators/scheduler/delivery.ts';
import {
  EmulatedScheduler,
  type EmulatedSchedulerOptions,
} from '../../../emulators/scheduler/emulated-scheduler.ts';
import type { RpcStatus } from '../../../emulators/scheduler/job.ts';

export const PARENT = 'projects/demo/locations/us-central1';
export const JOB = `${PARENT}/jobs/poll`;

/** A job that is due every minute. */
export const EVERY_MINUTE = {
  name: JOB,
  schedule: '* * * * *',
  httpTarget: { uri: 'http://127.0.0.1:9/poll' },
};

/** The scheduler starts at 09:00:30 UTC on a Monday. */
export function schedulerFixture(options: EmulatedSchedulerOptions = {}) {
  let now = new Date('2026-11-23T09:00:30Z');
  const attempts: Attempt[] = [];
  const results: Array<RpcStatus | Promise<RpcStatus>> = [];
  const scheduler = new EmulatedScheduler({
    clock: () => now,
    deliver: async (attempt) => {
      attempts.push(attempt);
      return results.shift() ?? {};
    },
    ...options,
  });
  return {
    scheduler,
    attempts,
    /** Results of the next attempts; further attempts succeed. */
    results,
    /** Sets the clock to a time of that Monday (`09:01` or `09:01:05`) and fires due jobs. */
    tickAt(time: string): Promise<void> {
      now = new Date(`2026-11-23T${time.length === 5 ? `${time}:00` : time}Z`);
      return scheduler.tick();
    },
    scheduleTimes: () => attempts.map(({ scheduleTime }) => scheduleTime.toISOString().slice(11, 19)),
  };
}
