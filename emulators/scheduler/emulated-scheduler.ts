/**
 * An emulator of Cloud Scheduler: the jobs and rules of REST API v1, without HTTP. Google offers no official
 * emulator.
 *
 * The caller drives time: jobs fire only when `tick` is called, so tests need no sleep. scheduler-server.ts calls it
 * from a timer.
 * Source of the rules: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs
 */
import { randomInt } from 'node:crypto';
import { ApiError } from './api-error.ts';
import { type Deliver, deliverOverHttp } from './delivery.ts';
import { toTimestamp } from './duration.ts';
import { type Job, type JobSettings, type JobState, parseSettings } from './job.ts';
import { JobRunner, type RunnerHost } from './job-runner.ts';
import { type JobStore, memoryStore } from './job-store.ts';
import { checkJobName, checkLocationName } from './resource-names.ts';
import { applyUpdateMask, camelCased } from './update-mask.ts';

const MAX_PAGE_SIZE = 500;
const FOREIGN_TARGET = 'The emulator calls no other target than its own.';

export interface EmulatedSchedulerOptions {
  clock?: () => Date;
  deliver?: Deliver;
  /** The only URL that jobs may call. Default: any loopback URL. */
  targetUri?: string;
  store?: JobStore;
  /** Returns the id for a job that is created without a name. */
  newJobId?: () => string;
}

/** The jobs of any number of projects and locations. Every method throws the {ApiError} that Google would return. */
export class EmulatedScheduler {
  private readonly runners = new Map<string, JobRunner>();
  private readonly inFlight = new Set<Promise<void>>();
  private readonly clock: () => Date;
  private readonly store: JobStore;
  private readonly newJobId: () => string;
  private readonly targetUri: string | null;
  private readonly host: RunnerHost;

  constructor(options: EmulatedSchedulerOptions = {}) {
    this.clock = options.clock ?? (() => new Date());
    this.store = options.store ?? memoryStore;
    this.newJobId = options.newJobId ?? (() => String(randomInt(10 ** 12, 10 ** 13)));
    this.targetUri = options.targetUri ?? null;
    const deliver = options.deliver ?? deliverOverHttp;
    this.host = {
      clock: this.clock,
      // A stored job may still have another target.
      deliver: async (attempt) =>
        this.isAllowed(attempt.target.uri) ? await deliver(attempt) : { code: 7, message: FOREIGN_TARGET },
      onChange: () => this.save(),
    };
    // Runs that fell due while the emulator was not running are skipped.
    for (const job of this.store.load()) this.runners.set(job.name, new JobRunner(job, this.host));
  }

  get(name: string): Job {
    return this.runner(name).job;
  }

  /**
   * The jobs of a location by name, at most 500 per page. An empty token requests the first page and marks the last.
   */
  list(parent: string, pageSize = 0, pageToken = ''): { jobs: Job[]; nextPageToken: string } {
    checkLocationName(parent);
    if (!Number.isInteger(pageSize) || pageSize < 0) {
      throw new ApiError('INVALID_ARGUMENT', 'page_size must not be negative.');
    }
    const after = Buffer.from(pageToken, 'base64url').toString();
    const rest = [...this.runners.values()]
      .map(({ job }) => job)
      .filter(({ name }) => name.startsWith(`${parent}/jobs/`) && name > after)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const jobs = rest.slice(0, Math.min(pageSize || MAX_PAGE_SIZE, MAX_PAGE_SIZE));
    const last = jobs.length < rest.length ? jobs.at(-1) : undefined;
    return { jobs, nextPageToken: last ? Buffer.from(last.name).toString('base64url') : '' };
  }

  create(parent: string, body: Record<string, unknown>): Job {
    checkLocationName(parent);
    const settings = this.parse(camelCased(body));
    const name = body['name'] ? String(body['name']) : `${parent}/jobs/${this.newJobId()}`;
    checkJobName(name);
    if (!name.startsWith(`${parent}/jobs/`)) {
      throw new ApiError('INVALID_ARGUMENT', `Job ${name} is not in ${parent}.`);
    }
    if (this.runners.has(name)) throw new ApiError('ALREADY_EXISTS', `Job ${name} already exists.`);
    const userUpdateTime = toTimestamp(this.clock());
    const job: Job = { ...settings, name, state: 'ENABLED', userUpdateTime };
    this.runners.set(name, new JobRunner(job, this.host));
    this.save();
    return this.get(name);
  }

  /** Updates the fields in the mask; without a mask, every setting in the body. */
  patch(name: string, body: Record<string, unknown>, updateMask: string | null): Job {
    const runner = this.runner(name);
    const { state: _state, status: _status, ...current } = runner.job;
    const settings = this.parse(applyUpdateMask(current, camelCased(body), updateMask));
    runner.update(settings, this.clock());
    this.save();
    return runner.job;
  }

  delete(name: string): void {
    this.runner(name).cancel();
    this.runners.delete(name);
    this.save();
  }

  pause(name: string): Job {
    return this.transition(name, 'ENABLED', 'PAUSED');
  }

  resume(name: string): Job {
    return this.transition(name, 'PAUSED', 'ENABLED');
  }

  /** Fires the job now, in any state. Returns before the target responds. */
  run(name: string): Job {
    const runner = this.runner(name);
    void this.track(runner.runNow(this.clock()));
    return runner.job;
  }

  /** Sets a state that clients cannot set (DISABLED, UPDATE_FAILED). */
  force(name: string, state: JobState): Job {
    const runner = this.runner(name);
    runner.setState(state);
    this.save();
    return runner.job;
  }

  /** Fires all jobs due at `now`. Resolves when the attempts that this call started have ended. */
  async tick(now: Date = this.clock()): Promise<void> {
    await Promise.all([...this.runners.values()].map((runner) => this.track(runner.tick(now))));
  }

  /** Aborts the attempts in flight and waits for their end. The scheduler cannot be used afterwards. */
  async close(): Promise<void> {
    for (const runner of this.runners.values()) runner.cancel();
    await this.settled();
  }

  /** Resolves when no attempt is in flight. */
  async settled(): Promise<void> {
    while (this.inFlight.size > 0) await Promise.allSettled(this.inFlight);
  }

  private parse(input: Record<string, unknown>): JobSettings {
    const settings = parseSettings(input);
    if (!this.isAllowed(settings.httpTarget.uri)) throw new ApiError('INVALID_ARGUMENT', FOREIGN_TARGET);
    return settings;
  }

  private isAllowed(uri: string): boolean {
    return this.targetUri === null || uri === this.targetUri;
  }

  private runner(name: string): JobRunner {
    checkJobName(name);
    const runner = this.runners.get(name);
    if (!runner) throw new ApiError('NOT_FOUND', 'Job not found.');
    return runner;
  }

  private transition(name: string, from: JobState, to: JobState): Job {
    const runner = this.runner(name);
    if (runner.job.state !== from) {
      throw new ApiError('FAILED_PRECONDITION', `Job.state must be ${from}, but is ${runner.job.state}.`);
    }
    return this.force(name, to);
  }

  private track(attempt: Promise<void>): Promise<void> {
    const tracked = attempt.finally(() => this.inFlight.delete(tracked));
    this.inFlight.add(tracked);
    return tracked;
  }

  private save(): void {
    this.store.save([...this.runners.values()].map(({ job }) => job));
  }
}
