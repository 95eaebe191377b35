/**
 * Runs one job: its next run, the execution in flight and the result of the last attempt.
 *
 * Invariant: scheduled executions of a job never overlap. Runs that fall due during an execution are merged into one,
 * which starts when the execution ends.
 */
import { ApiError } from './api-error.ts';
import { nextRunAfter } from './cron.ts';
import type { Deliver } from './delivery.ts';
import { durationToMs, toTimestamp } from './duration.ts';
import { afterFailure, beginExecution, beginRetry, type Execution } from './execution.ts';
import type { Job, JobSettings, JobState, RpcStatus } from './job.ts';

/** Maximum concurrent forced runs of a job. Google documents no limit. */
const MAX_FORCED_IN_FLIGHT = 5;

/** What a runner needs from the scheduler that owns it. */
export interface RunnerHost {
  clock: () => Date;
  deliver: Deliver;
  /** Called after every change that must be saved. */
  onChange: () => void;
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
    this.scheduleNextRun();
  }

  /** Replaces the settings. Schedules the next run from now and drops a pending retry. */
  update(settings: JobSettings, userUpdateTime: Date): void {
    const { name, state, lastAttemptTime, status } = this.job;
    this.job = {
      ...settings,
      name,
      // As documented, a successful update ends UPDATE_FAILED. A paused job stays paused.
      state: state === 'UPDATE_FAILED' ? 'ENABLED' : state,
      userUpdateTime: toTimestamp(userUpdateTime),
      ...(lastAttemptTime === undefined ? {} : { lastAttemptTime }),
      ...(status === undefined ? {} : { status }),
    };
    this.dropRetry();
    this.scheduleNextRun();
  }

  /** Sets the state. Attempts in flight continue. */
  setState(state: JobState): void {
    this.job = { ...this.job, state };
    this.dropRetry();
    this.scheduleNextRun();
  }

  /** Starts the attempt that is due. Resolves when it ends, or at once if nothing is due. */
  async tick(now: Date): Promise<void> {
    if (this.job.state !== 'ENABLED' || (this.execution && !this.execution.nextAttemptAt)) return;
    if (this.nextRunAt && this.nextRunAt <= now) {
      // The next scheduled run replaces pending retries of the previous one.
      this.execution = beginExecution(this.nextRunAt, now);
      this.scheduleNextRun(now);
      await this.attemptScheduled(now);
    } else if (this.execution?.nextAttemptAt && this.execution.nextAttemptAt <= now) {
      this.execution = beginRetry(this.execution);
      await this.attemptScheduled(now);
    }
  }

  /**
   * Makes one attempt now, in any state and in parallel to others, without retries.
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

  /** Aborts attempts in flight, when the job is deleted or the emulator shuts down. */
  cancel(): void {
    this.abort.abort(new Error('The job was cancelled'));
  }

  private async attemptScheduled(now: Date): Promise<void> {
    const execution = this.execution as Execution;
    const status = await this.attempt(execution.scheduleTime, now);
    const failed = status.code !== undefined;
    // Uses the current job, which may have been paused or updated during the attempt.
    this.execution =
      failed && this.job.state === 'ENABLED'
        ? afterFailure(execution, this.job.retryConfig, this.host.clock())
        : null;
    this.updateScheduleTime();
    this.host.onChange();
  }

  private async attempt(scheduleTime: Date, now: Date): Promise<RpcStatus> {
    this.job = { ...this.job, lastAttemptTime: toTimestamp(now) };
    this.host.onChange();
    const status = await this.host.deliver({
      target: this.job.httpTarget,
      jobName: this.job.name,
      scheduleTime,
      deadlineMs: durationToMs(this.job.attemptDeadline),
      signal: this.abort.signal,
    });
    // An aborted attempt says nothing about the target.
    if (!this.abort.signal.aborted) this.job = { ...this.job, status };
    this.host.onChange();
    return status;
  }

  private dropRetry(): void {
    if (this.execution?.nextAttemptAt) this.execution = null;
  }

  private scheduleNextRun(after: Date = this.host.clock()): void {
    this.nextRunAt = nextRunAfter(this.job.schedule, this.job.timeZone, after);
    this.updateScheduleTime();
  }

  private updateScheduleTime(): void {
    const { scheduleTime: _, ...job } = this.job;
    const retryAt = this.execution?.nextAttemptAt;
    const next = retryAt && (!this.nextRunAt || retryAt < this.nextRunAt) ? retryAt : this.nextRunAt;
    this.job = next ? { ...job, scheduleTime: toTimestamp(next) } : job;
  }
}
