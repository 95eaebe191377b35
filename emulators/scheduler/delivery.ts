/**
 * One attempt of a job: the HTTP request that Cloud Scheduler sends to its target.
 *
 * Only loopback targets are called: a job copied from production must never reach production from a
 * developer's machine. An OIDC token is sent only by who was given a minter: Google's key is not to be had here.
 * Source of the headers: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#HttpTarget
 */
import { request } from 'node:http';
import { toTimestamp } from './duration.ts';
import type { HttpTarget, RpcStatus } from './job.ts';

/** What an attempt needs to know. */
export interface Attempt {
  target: HttpTarget;
  /** Full resource name of the job. */
  jobName: string;
  /** The time the execution was due; the same in all its retries, so that targets can tell. */
  scheduleTime: Date;
  deadlineMs: number;
  signal: AbortSignal;
}

/** Sends one attempt; never throws, the fault is in the status. */
export type Deliver = (attempt: Attempt) => Promise<RpcStatus>;

/** Signs the ID token of an account for an audience, as Google does for the account of a job. */
export type MintToken = (of: { readonly email: string; readonly audience: string }) => string;

/** google.rpc.Code for an HTTP answer; Google shows these in a job's `status`. */
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

/** Headers that Google ignores or replaces when a job sets them. */
const RESERVED_HEADER = /^(host|content-length|user-agent|x-cloudscheduler.*|x-google-.*|x-appengine-.*)$/i;

function isLoopback({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}

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

/** The audience is the address of the target where the job names none. */
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

/** Attempts without a token. */
export const deliverOverHttp: Deliver = (attempt) => send(attempt, null);

/** Attempts with the token that the job asks for, for a target that checks it. */
export function deliverWithToken(mint: MintToken): Deliver {
  return (attempt) => send(attempt, mint);
}

/** node:http and not fetch, whose own five-minute header timeout would cut a 30-minute deadline short. */
function send(attempt: Attempt, mint: MintToken | null): Promise<RpcStatus> {
  const url = new URL(attempt.target.uri);
  if (!isLoopback(url)) {
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
          ? { code: DEADLINE_EXCEEDED, message: `No answer in ${attempt.deadlineMs} ms` }
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
