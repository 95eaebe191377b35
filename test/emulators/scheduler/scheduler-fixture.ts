/**
 * A scheduler on a hand-moved clock with a target that records what it gets.
 */
import type { Attempt } from '../../../emulators/scheduler/delivery.ts';
import {
  EmulatedScheduler,
  type EmulatedSchedulerOptions,
} from '../../../emulators/scheduler/emulated-scheduler.ts';
import type { RpcStatus } from '../../../emulators/scheduler/job.ts';

export const PARENT = 'projects/demo/locations/us-central1';
export const JOB = `${PARENT}/jobs/poll`;

/** Settings of a job that is due every minute. */
export const EVERY_MINUTE = {
  name: JOB,
  schedule: '* * * * *',
  httpTarget: { uri: 'http://127.0.0.1:9/poll' },
};

/** The scheduler starts at 09:00:30 UTC on a Monday. */
export function schedulerFixture(options: EmulatedSchedulerOptions = {}) {
  let now = new Date('2026-11-23T09:00:30Z');
  const attempts: Attempt[] = [];
  const answers: Array<RpcStatus | Promise<RpcStatus>> = [];
  const scheduler = new EmulatedScheduler({
    clock: () => now,
    deliver: async (attempt) => {
      attempts.push(attempt);
      return answers.shift() ?? {};
    },
    ...options,
  });
  return {
    scheduler,
    attempts,
    /** What the next attempts get; success once they are used up. */
    answers,
    /** Move the clock to a time of that Monday (`09:01` or `09:01:05`) and fire what is due. */
    tickAt(time: string): Promise<void> {
      now = new Date(`2026-11-23T${time.length === 5 ? `${time}:00` : time}Z`);
      return scheduler.tick();
    },
    scheduleTimes: () => attempts.map(({ scheduleTime }) => scheduleTime.toISOString().slice(11, 19)),
  };
}
