/**
 * One job with its plan: when it runs next, what is in flight, what came of the last attempt.
 *
 * A scheduled execution never overlaps another one of the same job: a run that falls due meanwhile waits
 * for its end, and the runs that fall due behind it melt into one, so nothing can pile up.
 */
import { ApiError } from './api-error.ts';
import { nextRunAfter } from './cron.ts';
import type { Deliver } from './delivery.ts';
import { durationToMs, toTimestamp } from './duration.ts';
import { afterFailure, beginExecution, beginRetry, type Execution } from './execution.ts';
import type { Job, JobSettings, JobState, RpcStatus } from './job.ts';

/** Forced runs of a job that may be in flight at once; Google dispatches without a bound that it names. */
const MAX_FORCED_IN_FLIGHT = 5;

/** What a runner needs from the scheduler that owns it. */
export interface RunnerHost {
  clock: () => Date;
  deliver: Deliver;
  /** Called after every change that has to outlive the process. */
  changed: () => void;
}

export class JobRunner {
  job: Job;
  private readonly host: RunnerHost;
  private readonly abort = new AbortController();
  private nextRunAt: Date | null = null;
  private execution: Execution | null = null;
  private forcedInFlight = 0;

  constructor(job: Job, host: RunnerHost) {
    this.job = job;
    this.host = host;
    this.plan();
  }

  /** New settings; the schedule counts from now, a planned retry of the old ones is dropped. */
  update(settings: JobSettings, userUpdateTime: Date): void {
    const { name, state, lastAttemptTime, status } = this.job;
    this.job = {
      ...settings,
      name,
      // A good update is the documented way out of UPDATE_FAILED; a paused job stays paused.
      state: state === 'UPDATE_FAILED' ? 'ENABLED' : state,
      userUpdateTime: toTimestamp(userUpdateTime),
      ...(lastAttemptTime === undefined ? {} : { lastAttemptTime }),
      ...(status === undefined ? {} : { status }),
    };
    this.dropRetry();
    this.plan();
  }

  /** Puts the job in a state; what is in flight ends as it will. */
  setState(state: JobState): void {
    this.job = { ...this.job, state };
    this.dropRetry();
    this.plan();
  }

  /** Starts what is due; resolves with the end of the attempt, or at once when nothing is due. */
  async tick(now: Date): Promise<void> {
    if (this.job.state !== 'ENABLED' || (this.execution && !this.execution.nextAttemptAt)) return;
    if (this.nextRunAt && this.nextRunAt <= now) {
      // The next scheduled run ends the retries of the one before.
      this.execution = beginExecution(this.nextRunAt, now);
      this.plan(now);
      await this.attemptScheduled(now);
    } else if (this.execution?.nextAttemptAt && this.execution.nextAttemptAt <= now) {
      this.execution = beginRetry(this.execution);
      await this.attemptScheduled(now);
    }
  }

  /**
   * One attempt now, whatever the state and whatever is in flight; not retried.
   * @throws {ApiError} RESOURCE_EXHAUSTED when too many forced runs are in flight
   */
  runNow(now: Date): Promise<void> {
    if (this.forcedInFlight >= MAX_FORCED_IN_FLIGHT) {
      throw new ApiError('RESOURCE_EXHAUSTED', 'Too many forced runs of this job are in flight.');
    }
    this.forcedInFlight += 1;
    return this.attempt(now, now).then(() => {
      this.forcedInFlight -= 1;
    });
  }

  /** Cuts off what is in flight: the job is deleted or the emulator shuts down. */
  cancel(): void {
    this.abort.abort(new Error('the job is gone'));
  }

  private async attemptScheduled(now: Date): Promise<void> {
    const execution = this.execution as Execution;
    const status = await this.attempt(execution.scheduleTime, now);
    const failed = status.code !== undefined;
    // Judged by what the job says now: it may have been paused or changed meanwhile.
    this.execution =
      failed && this.job.state === 'ENABLED'
        ? afterFailure(execution, this.job.retryConfig, this.host.clock())
        : null;
    this.showPlan();
    this.host.changed();
  }

  private async attempt(scheduleTime: Date, now: Date): Promise<RpcStatus> {
    this.job = { ...this.job, lastAttemptTime: toTimestamp(now) };
    this.host.changed();
    const status = await this.host.deliver({
      target: this.job.httpTarget,
      jobName: this.job.name,
      scheduleTime,
      deadlineMs: durationToMs(this.job.attemptDeadline),
      signal: this.abort.signal,
    });
    // An attempt that the shutdown cut off says nothing about the target.
    if (!this.abort.signal.aborted) this.job = { ...this.job, status };
    this.host.changed();
    return status;
  }

  private dropRetry(): void {
    if (this.execution?.nextAttemptAt) this.execution = null;
  }

  private plan(after: Date = this.host.clock()): void {
    this.nextRunAt = nextRunAfter(this.job.schedule, this.job.timeZone, after);
    this.showPlan();
  }

  private showPlan(): void {
    const { scheduleTime: _, ...job } = this.job;
    const retryAt = this.execution?.nextAttemptAt;
    const next = retryAt && (!this.nextRunAt || retryAt < this.nextRunAt) ? retryAt : this.nextRunAt;
    this.job = next ? { ...job, scheduleTime: toTimestamp(next) } : job;
  }
}
