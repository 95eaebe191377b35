/**
 * One attempt of a job: the HTTP request that Cloud Scheduler sends to the target.
 *
 * Invariant: only loopback targets are called, so a job copied from production never reaches production. An OIDC
 * token is sent only with a token minter, because Google's signing key is not available here.
 * Source of the headers: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#HttpTarget
 */
import { request } from 'node:http';
import { isLoopbackName } from '../loopback-requests.ts';
import { toTimestamp } from './duration.ts';
import type { HttpTarget, RpcStatus } from './job.ts';

export interface Attempt {
  target: HttpTarget;
  /** Full resource name of the job. */
  jobName: string;
  /** When the execution was due; the same for all its retries, so targets can recognize them. */
  scheduleTime: Date;
  deadlineMs: number;
  signal: AbortSignal;
}

/** Sends one attempt. Never rejects; the status reports the error. */
export type Deliver = (attempt: Attempt) => Promise<RpcStatus>;

/** Returns a signed ID token of a service account for an audience. */
export type MintToken = (claims: { readonly email: string; readonly audience: string }) => string;

/** google.rpc.Code for an HTTP status, as Google reports it in a job's `status`. */
const CODE_BY_HTTP_STATUS: Record<number, number> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  409: 10,
  429: 8,
  499: 1,
  501: 12,
  503: 14,
  504: 4,
};
const UNKNOWN = 2;
const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const INTERNAL = 13;
const UNAVAILABLE = 14;

/** Headers that Google ignores or replaces if a job sets them. */
const RESERVED_HEADER = /^(host|content-length|user-agent|x-cloudscheduler.*|x-google-.*|x-appengine-.*)$/i;

function headersOf(
  { target, jobName, scheduleTime }: Attempt,
  body: Buffer,
  mint: MintToken | null,
): Record<string, string> {
  const own = Object.entries(target.headers ?? {}).filter(([name]) => !RESERVED_HEADER.test(name));
  const hasType = own.some(([name]) => name.toLowerCase() === 'content-type');
  return {
    ...Object.fromEntries(own),
    ...(body.length > 0 && !hasType ? { 'Content-Type': 'application/octet-stream' } : {}),
    'Content-Length': String(body.length),
    'User-Agent': 'Google-Cloud-Scheduler',
    'X-CloudScheduler': 'true',
    'X-CloudScheduler-JobName': jobName.slice(jobName.lastIndexOf('/') + 1),
    'X-CloudScheduler-ScheduleTime': toTimestamp(scheduleTime),
    ...authorization(target, mint),
  };
}

/** The default audience is the URL of the target. */
function authorization({ uri, oidcToken }: HttpTarget, mint: MintToken | null): Record<string, string> {
  if (oidcToken === undefined || mint === null) return {};
  const { serviceAccountEmail: email, audience = uri } = oidcToken;
  return { Authorization: `Bearer ${mint({ email, audience })}` };
}

function statusOf(httpStatus: number): RpcStatus {
  if (httpStatus >= 200 && httpStatus < 300) return {};
  const code = CODE_BY_HTTP_STATUS[httpStatus] ?? (httpStatus >= 500 ? INTERNAL : UNKNOWN);
  return { code, message: `HTTP ${httpStatus}` };
}

/** Sends attempts without a token. */
export const deliverOverHttp: Deliver = (attempt) => send(attempt, null);

/** Sends attempts with the OIDC token of the job, for targets that verify it. */
export function deliverWithToken(mint: MintToken): Deliver {
  return (attempt) => send(attempt, mint);
}

/** Uses node:http, because the five-minute header timeout of `fetch` would end a 30-minute deadline early. */
function send(attempt: Attempt, mint: MintToken | null): Promise<RpcStatus> {
  const url = new URL(attempt.target.uri);
  if (url.protocol !== 'http:' || !isLoopbackName(url.hostname)) {
    return Promise.resolve({
      code: PERMISSION_DENIED,
      message: 'The emulator calls http loopback targets only.',
    });
  }
  const body = Buffer.from(attempt.target.body ?? '', 'base64');
  const deadline = AbortSignal.timeout(attempt.deadlineMs);
  return new Promise((resolve) => {
    const fail = (error: Error) =>
      resolve(
        deadline.aborted
          ? { code: DEADLINE_EXCEEDED, message: `No response within ${attempt.deadlineMs} ms` }
          : { code: UNAVAILABLE, message: error.message },
      );
    const sent = request(url, {
      method: attempt.target.httpMethod,
      headers: headersOf(attempt, body, mint),
      signal: AbortSignal.any([deadline, attempt.signal]),
      // A kept-alive socket would outlive the target's shutdown and fail the next attempt.
      agent: false,
    });
    sent.on('error', fail);
    sent.on('response', (response) => {
      response.on('error', fail);
      response.on('end', () => resolve(statusOf(response.statusCode ?? 0)));
      response.resume();
    });
    sent.end(body);
  });
}
