/**
 * The Cloud Scheduler job that calls `poll`. `status` reads it, `stop` pauses it, `start` resumes it.
 *
 * Invariant: pause and resume may be called again. They return the state that Google reports afterwards, because a
 * successful call does not guarantee that the job is in the requested state.
 * Source: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs
 */
import type { protos } from '@google-cloud/scheduler';
import { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { rpcCode } from '../google/rpc-code.ts';
import { type Random, type RetryPolicy, realSleep, type Sleep, withRetries } from '../retry.ts';
import { withTimeout } from '../timeout.ts';
import { type ClientSource, lazyClient } from './scheduler-client.ts';
import { FAILED_PRECONDITION, toSchedulerError } from './scheduler-errors.ts';

type RawJob = protos.google.cloud.scheduler.v1.IJob;
type RawTimestamp = protos.google.protobuf.ITimestamp;

/** Google normally answers within a second; after this time the call counts as lost. */
const CALL_TIMEOUT_MS = 10_000;
/** Three lost calls and the waits between them; an operator waits for the response. */
const TOTAL_MS = 35_000;
const RETRY: RetryPolicy = { attempts: 3, baseMs: 500, capMs: 2_000 };
/** `status` also reports other things, so an unresponsive Cloud Scheduler may delay it by the time of one call only. */
const READ_RETRY: RetryPolicy = { ...RETRY, attempts: 2 };

/** The names on the wire, indexed by their numbers in the proto, which some clients return instead. */
const STATES = ['STATE_UNSPECIFIED', 'ENABLED', 'PAUSED', 'DISABLED', 'UPDATE_FAILED'] as const;

export interface SchedulerJobState {
  /** `projects/P/locations/L/jobs/J` */
  name: string;
  /**
   * `disabled`: Google disabled the job after an error. `update_failed`: its last update failed. Neither runs nor can be
   * resumed; `terraform apply` repairs both. `missing`: the job does not exist.
   */
  state: 'enabled' | 'paused' | 'disabled' | 'update_failed' | 'missing';
  /** In unix-cron format; null when the job is missing. */
  schedule: string | null;
  /** Start of the last attempt, successful or not; null before the first one. */
  lastAttemptAt: Date | null;
  /** Next run or retry; null unless enabled, because Google leaves an outdated time on a paused job. */
  nextRunAt: Date | null;
}

export interface SchedulerJob {
  /**
   * A missing job is a state, not an error.
   *
   * @throws {AppError} scheduler_unavailable, scheduler_denied, google_credentials_missing
   */
  read(): Promise<SchedulerJobState>;
  /**
   * @returns the state afterwards: `paused`, or an unchanged `disabled` or `update_failed`, in which the job does not run
   * @throws {AppError} scheduler_unavailable, scheduler_denied, scheduler_job_missing, google_credentials_missing
   */
  pause(): Promise<SchedulerJobState>;
  /**
   * @returns the state afterwards: `enabled`, or an unchanged `disabled` or `update_failed`, which a resume cannot repair
   * @throws {AppError} scheduler_unavailable, scheduler_denied, scheduler_job_missing, google_credentials_missing
   */
  resume(): Promise<SchedulerJobState>;
}

export interface SchedulerJobOptions {
  /** `projects/P/locations/L/jobs/J` */
  job: string;
  /** `host:port` of an emulator (plain HTTP); null for Google. */
  emulatorHost: string | null;
  /** For tests. */
  client?: ClientSource;
  callTimeoutMs?: number | undefined;
  random?: Random;
  sleep?: Sleep;
}

type Verb = 'getJob' | 'pauseJob' | 'resumeJob';

export function createSchedulerJob(options: SchedulerJobOptions): SchedulerJob {
  const { job: name, callTimeoutMs = CALL_TIMEOUT_MS, random = Math.random, sleep = realSleep } = options;
  const client = options.client ?? lazyClient(options.emulatorHost);

  async function callOnce(verb: Verb, timeout = callTimeoutMs): Promise<SchedulerJobState> {
    const response = client().then((ready) =>
      // `retry: null` turns off the library's own retries, which last up to ten minutes.
      ready[verb]({ name }, { timeout, retry: null as never }),
    );
    // The library's timeout does not cover loading the library and fetching a token.
    const [raw] = await withTimeout(
      timeout,
      response,
      () => new AppError('scheduler_unavailable', `No answer from Cloud Scheduler in ${timeout} ms.`),
    );
    return toState(name, raw);
  }

  function callWithRetries(
    call: () => Promise<SchedulerJobState>,
    action: string,
    policy = RETRY,
  ): Promise<SchedulerJobState> {
    const attempt = () =>
      call().catch((error: unknown) => {
        throw toSchedulerError(error, `${action} ${name}`);
      });
    return withRetries(attempt, { policy, deadline: Deadline.after(TOTAL_MS), random, sleep });
  }

  /** A pause needs ENABLED, a resume PAUSED. If Google rejects the call for that, the job may have the target state. */
  async function changeState(
    verb: 'pauseJob' | 'resumeJob',
    from: 'enabled' | 'paused',
  ): Promise<SchedulerJobState> {
    try {
      return await callOnce(verb);
    } catch (error) {
      if (rpcCode(error) !== FAILED_PRECONDITION) throw error;
      const current = await callOnce('getJob');
      // Another caller changed the job between the two calls: retry.
      if (current.state === from)
        throw new AppError('scheduler_unavailable', `Another caller is changing ${name}.`);
      return current;
    }
  }

  return {
    async read() {
      try {
        return await callWithRetries(() => callOnce('getJob', callTimeoutMs / 2), 'Reading', READ_RETRY);
      } catch (error) {
        if (error instanceof AppError && error.code === 'scheduler_job_missing') return missing(name);
        throw error;
      }
    },
    pause: () => callWithRetries(() => changeState('pauseJob', 'enabled'), 'Pausing'),
    resume: () => callWithRetries(() => changeState('resumeJob', 'paused'), 'Resuming'),
  };
}

function missing(name: string): SchedulerJobState {
  return { name, state: 'missing', schedule: null, lastAttemptAt: null, nextRunAt: null };
}

function toState(name: string, raw: RawJob): SchedulerJobState {
  const wire = typeof raw.state === 'number' ? STATES[raw.state] : raw.state;
  if (!wire || wire === 'STATE_UNSPECIFIED') {
    throw new AppError('scheduler_unavailable', `Cloud Scheduler returned ${name} without a state.`);
  }
  const state = wire.toLowerCase() as Lowercase<Exclude<typeof wire, 'STATE_UNSPECIFIED'>>;
  return {
    name,
    state,
    schedule: raw.schedule || null,
    lastAttemptAt: toDate(raw.lastAttemptTime),
    nextRunAt: state === 'enabled' ? toDate(raw.scheduleTime) : null,
  };
}

function toDate(time: RawTimestamp | null | undefined): Date | null {
  if (time?.seconds == null) return null;
  return new Date(Number(time.seconds) * 1000 + Math.floor((time.nanos ?? 0) / 1e6));
}
