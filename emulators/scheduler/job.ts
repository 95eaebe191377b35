/**
 * The Job resource of Cloud Scheduler's REST API v1.
 *
 * Clients write the settings. All other fields are output only and ignored in requests.
 * Source: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs
 */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { z } from 'zod';
import { ApiError } from './api-error.ts';
import { isValidSchedule } from './cron.ts';
import { durationToMs } from './duration.ts';

/** The enum numbers of the proto: the Node client sends enums as integers and may request integers. */
export const JOB_STATES = { ENABLED: 1, PAUSED: 2, DISABLED: 3, UPDATE_FAILED: 4 } as const;
export const HTTP_METHODS = { POST: 1, GET: 2, HEAD: 3, PUT: 4, DELETE: 5, PATCH: 6, OPTIONS: 7 } as const;

export type JobState = keyof typeof JOB_STATES;
export type HttpMethod = keyof typeof HTTP_METHODS;

const METHODS_WITH_BODY: readonly HttpMethod[] = ['POST', 'PUT', 'PATCH'];
/** Limits of attemptDeadline for HTTP targets. */
const MIN_DEADLINE_MS = 15_000;
const MAX_DEADLINE_MS = 30 * 60_000;

const duration = z.string().regex(/^\d+(\.\d{1,9})?s$/, 'must be a duration in seconds such as "5s"');

/** Validated on write, because node:http would otherwise throw only when the job is due. */
function areSendable(headers: Record<string, string>): boolean {
  try {
    for (const [name, value] of Object.entries(headers)) {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    }
    return true;
  } catch {
    return false;
  }
}

const httpMethod = z.preprocess(
  // 0 (HTTP_METHOD_UNSPECIFIED) and a missing value both mean POST.
  (value) => Object.entries(HTTP_METHODS).find(([, number]) => number === value)?.[0] ?? (value || undefined),
  z.enum(Object.keys(HTTP_METHODS) as [HttpMethod, ...HttpMethod[]]).default('POST'),
);

const httpTarget = z
  .strictObject({
    uri: z
      .string()
      .regex(/^https?:\/\/./, 'must begin with http:// or https://')
      .max(2083)
      .refine(URL.canParse),
    httpMethod,
    headers: z
      .record(z.string(), z.string())
      .refine(areSendable, 'must be HTTP header names and values')
      .optional(),
    body: z.base64().optional(),
    oidcToken: z
      .strictObject({ serviceAccountEmail: z.string().min(1), audience: z.string().optional() })
      .optional(),
    oauthToken: z
      .strictObject({ serviceAccountEmail: z.string().min(1), scope: z.string().optional() })
      .optional(),
  })
  .refine((target) => !target.body || METHODS_WITH_BODY.includes(target.httpMethod), {
    message: 'a body is allowed only with POST, PUT or PATCH',
  })
  .refine((target) => !(target.oidcToken && target.oauthToken), {
    message: 'oidcToken and oauthToken exclude each other',
  });

/** The defaults are those in Google's responses. */
const retryConfig = z.strictObject({
  retryCount: z.int().min(0).max(5).default(0),
  maxRetryDuration: duration.default('0s'),
  minBackoffDuration: duration.default('5s'),
  maxBackoffDuration: duration.default('3600s'),
  maxDoublings: z.int().min(0).max(16).default(5),
});

const jobSettings = z.strictObject({
  description: z.string().max(500).optional(),
  schedule: z.string().default(''),
  timeZone: z.string().default('UTC'),
  httpTarget,
  retryConfig: retryConfig.prefault({}),
  attemptDeadline: duration
    .refine((value) => durationToMs(value) >= MIN_DEADLINE_MS && durationToMs(value) <= MAX_DEADLINE_MS, {
      message: 'must be between 15s and 1800s',
    })
    .default('180s'),
});

/** The fields that a client may set. */
export type JobSettings = z.output<typeof jobSettings>;
export type HttpTarget = JobSettings['httpTarget'];
export type RetryConfig = JobSettings['retryConfig'];

/** Names of the settings, for update masks. */
export const SETTING_NAMES = Object.keys(jobSettings.shape);
/** Output-only fields, which are ignored in requests. */
export const OUTPUT_ONLY_NAMES = [
  'name',
  'userUpdateTime',
  'state',
  'status',
  'scheduleTime',
  'lastAttemptTime',
];

/** google.rpc.Status; empty after a success, as in Google's responses. */
export interface RpcStatus {
  code?: number;
  message?: string;
}

/** The whole resource. Times are RFC 3339 in UTC. */
export interface Job extends JobSettings {
  name: string;
  state: JobState;
  userUpdateTime: string;
  /** The next scheduled run or retry, whichever is earlier. Kept while the job is paused, as Google does. */
  scheduleTime?: string;
  lastAttemptTime?: string;
  status?: RpcStatus;
}

/**
 * Validates the settings of a request (in camelCase) and adds Google's defaults.
 * @throws {ApiError} INVALID_ARGUMENT for an invalid schedule, target or limit, or an unknown field
 */
export function parseSettings(input: Record<string, unknown>): JobSettings {
  const { pubsubTarget, appEngineHttpTarget } = input;
  if (pubsubTarget || appEngineHttpTarget) {
    throw new ApiError('INVALID_ARGUMENT', 'This emulator delivers to httpTarget only.');
  }
  const settings = Object.fromEntries(
    Object.entries(input).filter(([name]) => !OUTPUT_ONLY_NAMES.includes(name)),
  );
  const parsed = jobSettings.safeParse(settings);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(
      ({ path, message }) => `${['job', ...path].join('.')}: ${message}`,
    );
    throw new ApiError('INVALID_ARGUMENT', `Request contains an invalid argument. ${issues.join('; ')}`);
  }
  if (!isValidSchedule(parsed.data.schedule, parsed.data.timeZone)) {
    throw new ApiError('INVALID_ARGUMENT', 'Schedule or time zone is invalid.');
  }
  return parsed.data;
}

/** The resource with enums as numbers, for requests with `$alt=json;enum-encoding=int`. */
export function withNumericEnums(job: Job): object {
  return {
    ...job,
    state: JOB_STATES[job.state],
    httpTarget: { ...job.httpTarget, httpMethod: HTTP_METHODS[job.httpTarget.httpMethod] },
  };
}
