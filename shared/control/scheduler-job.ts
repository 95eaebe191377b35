/**
 * The one Cloud Scheduler job that calls `poll`: read, paused and resumed by status, stop and start.
 *
 * What must stay true: pause and resume may run any number of times and give the state that Google then
 * reports, so that the caller compares it with the wish instead of trusting a call that "worked".
 * Source: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs
 */
import type { protos } from '@google-cloud/scheduler';
import { Deadline } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { type Random, type RetryPolicy, realSleep, type Sleep, withRetries } from '../retry.ts';
import { type ClientSource, lazyClient } from './scheduler-client.ts';
import { FAILED_PRECONDITION, rpcCode, toSchedulerError } from './scheduler-errors.ts';

type RawJob = protos.google.cloud.scheduler.v1.IJob;
type RawTimestamp = protos.google.protobuf.ITimestamp;

/** Google answers in well under a second; a call that takes this long has been lost. */
const CALL_TIMEOUT_MS = 10_000;
/** Three lost calls with their waits must fit into a request that a person waits for. */
const TOTAL_MS = 35_000;
const RETRY: RetryPolicy = { attempts: 3, baseMs: 500, capMs: 2_000 };
/** `status` shows much besides the job, so a silent Cloud Scheduler may hold it up for one call's time only. */
const READ_RETRY: RetryPolicy = { ...RETRY, attempts: 2 };

/** Wire names, and the proto's numbers for a client that does not translate them. */
const STATES = ['STATE_UNSPECIFIED', 'ENABLED', 'PAUSED', 'DISABLED', 'UPDATE_FAILED'] as const;

export interface SchedulerJobState {
  /** `projects/P/locations/L/jobs/J` */
  name: string;
  /**
   * `disabled`: Google switched the job off after an error. `update_failed`: its last change did not take.
   * Neither fires, and neither can be resumed: `terraform apply` remediations them. `missing`: there is no such job.
   */
  state: 'enabled' | 'paused' | 'disabled' | 'update_failed' | 'missing';
  /** unix-cron; null when missing */
  schedule: string | null;
  /** Start of the last attempt, successful or not; null before the first one */
  lastAttemptAt: Date | null;
  /** Next run or retry; null unless enabled, because Google leaves an outdated time on a paused job */
  nextRunAt: Date | null;
}

export interface SchedulerJob {
  /** @throws {AppError} scheduler_unavailable, scheduler_denied; a missing job is a state, not an error */
  read(): Promise<SchedulerJobState>;
  /**
   * Gives the state afterwards: `paused`, or `disabled` and `update_failed` as they were, which do not fire.
   * @throws {AppError} scheduler_unavailable, scheduler_denied, scheduler_job_missing
   */
  pause(): Promise<SchedulerJobState>;
  /**
   * Gives the state afterwards: `enabled`, or `disabled` and `update_failed`, which no call of ours can heal.
   * @throws {AppError} scheduler_unavailable, scheduler_denied, scheduler_job_missing
   */
  resume(): Promise<SchedulerJobState>;
}

export interface SchedulerJobOptions {
  /** `projects/P/locations/L/jobs/J` */
  job: string;
  /** `host:port` of an emulator, plain HTTP; null for Google */
  emulatorHost: string | null;
  /** For tests. */
  client?: ClientSource;
  callTimeoutMs?: number;
  random?: Random;
  sleep?: Sleep;
}

type Verb = 'getJob' | 'pauseJob' | 'resumeJob';

export function createSchedulerJob(options: SchedulerJobOptions): SchedulerJob {
  const { job: name, callTimeoutMs = CALL_TIMEOUT_MS, random = Math.random, sleep = realSleep } = options;
  const client = options.client ?? lazyClient(options.emulatorHost);

  async function callOnce(verb: Verb, timeout = callTimeoutMs): Promise<SchedulerJobState> {
    const answer = client().then((ready) =>
      // `retry: null`: the library's own retries, up to ten minutes of them, would multiply with ours.
      ready[verb]({ name }, { timeout, retry: null as never }),
    );
    // The library's timeout does not cover loading it and fetching a token.
    const [raw] = await before(timeout, answer);
    return toState(name, raw);
  }

  function retried(
    call: () => Promise<SchedulerJobState>,
    doing: string,
    policy = RETRY,
  ): Promise<SchedulerJobState> {
    const attempt = () =>
      call().catch((error: unknown) => {
        throw toSchedulerError(error, `${doing} ${name}`);
      });
    return withRetries(attempt, { policy, deadline: Deadline.after(TOTAL_MS), random, sleep });
  }

  /** Pausing needs ENABLED and resuming needs PAUSED; refused for that, the job may already be as wished. */
  async function move(
    verb: 'pauseJob' | 'resumeJob',
    from: 'enabled' | 'paused',
  ): Promise<SchedulerJobState> {
    try {
      return await callOnce(verb);
    } catch (error) {
      if (rpcCode(error) !== FAILED_PRECONDITION) throw error;
      const now = await callOnce('getJob');
      // Somebody moved it between the two calls: take another turn.
      if (now.state === from) throw new AppError('scheduler_unavailable', `${name} is being changed.`);
      return now;
    }
  }

  return {
    async read() {
      try {
        return await retried(() => callOnce('getJob', callTimeoutMs / 2), 'Reading', READ_RETRY);
      } catch (error) {
        if (error instanceof AppError && error.code === 'scheduler_job_missing') return missing(name);
        throw error;
      }
    },
    pause: () => retried(() => move('pauseJob', 'enabled'), 'Pausing'),
    resume: () => retried(() => move('resumeJob', 'paused'), 'Resuming'),
  };
}

function missing(name: string): SchedulerJobState {
  return { name, state: 'missing', schedule: null, lastAttemptAt: null, nextRunAt: null };
}

function toState(name: string, raw: RawJob): SchedulerJobState {
  const wire = typeof raw.state === 'number' ? STATES[raw.state] : raw.state;
  if (!wire || wire === 'STATE_UNSPECIFIED') {
    throw new AppError('scheduler_unavailable', `${name} came without a state.`);
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

/** The answer, or a fault that may be tried again once the time is over. */
async function before<T>(ms: number, answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new AppError('scheduler_unavailable', `No answer from Cloud Scheduler in ${ms} ms.`)),
    ms,
  );
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
