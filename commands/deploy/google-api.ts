/**
 * Google's REST APIs with an operator's token. The variables that gcloud reads, and those of the emulators, override the
 * endpoints; emulators get no token.
 * Invariant: the token goes into one header, over https or to this machine.
 */
import { z } from 'zod';
import type { Environment } from '../../shared/config.ts';
import { type ClockReading, dateOf, readClock } from '../doctor/clock-check.ts';
import { DeployError } from './deploy-error.ts';
import { assertSafeForToken } from './gcloud.ts';
import { REAL_TIME, retryForSeconds, type Time } from './retry-for-seconds.ts';

const TIMEOUT_MS = 60_000;
const MAX_WAIT_MS = 5_000;
/** In place of an HTTP status. */
const NO_ANSWER = 0;
const ERROR = z.object({ error: z.object({ message: z.string() }) });

/** The variables that Google's own clients read: `host:port`, plain HTTP. */
const EMULATORS: Readonly<Record<string, string>> = {
  pubsub: 'PUBSUB_EMULATOR_HOST',
  cloudscheduler: 'CLOUD_SCHEDULER_EMULATOR_HOST',
};

export interface ApiOptions {
  /** Read before each request. Null when only emulators are called. */
  readonly token: string | (() => Promise<string>) | null;
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** How long a transient failure is retried: a new API or grant, a lost connection. */
  readonly retryForSeconds: number;
  /** The remediation of a 401, 403 or 404. */
  readonly permissionRemediation: string;
  /** The project that quota is charged to. Application Default Credentials of a person name none of their own. */
  readonly quotaProject?: string;
  /** Called before each retry. */
  readonly onRetry?: (error: DeployError) => void;
  readonly time?: Time;
}

export interface ApiAnswer {
  readonly status: number;
  readonly json: unknown;
}

export class GoogleApi {
  readonly #options: ApiOptions;
  #clock: ClockReading | null = null;

  /** Google's clock at the last response; null before the first. */
  get clock(): ClockReading | null {
    return this.#clock;
  }

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /** @param api the first label of its host: `artifactregistry`. @returns null for what does not exist. @throws {DeployError} */
  async get(api: string, path: string): Promise<unknown> {
    const answer = await this.#request(api, path, { init: { method: 'GET' }, mayBeMissing: true });
    return answer.status === 404 ? null : answer.json;
  }

  /** For what exists: a 404 means that a permission is missing. @throws {DeployError} */
  async getExisting(api: string, path: string): Promise<unknown> {
    return (await this.#request(api, path, { init: { method: 'GET' } })).json;
  }

  /** @param body none: an empty body. @throws {DeployError} */
  async post(api: string, path: string, body?: unknown): Promise<unknown> {
    const init = { method: 'POST', ...(body !== undefined && { body: JSON.stringify(body) }) };
    return (await this.#request(api, path, { init })).json;
  }

  /** One attempt; a failure is ignored. */
  async tryPost(api: string, path: string, body: unknown): Promise<void> {
    await this.#requestOnce(api, path, { method: 'POST', body: JSON.stringify(body) });
  }

  /** A 404 is transient unless the resource may be missing, because a caller without permission gets one too. */
  async #request(
    api: string,
    path: string,
    { init, mayBeMissing = false }: { readonly init: RequestInit; readonly mayBeMissing?: boolean },
  ): Promise<ApiAnswer> {
    const {
      onRetry,
      permissionRemediation,
      retryForSeconds: seconds,
      signal,
      time = REAL_TIME,
    } = this.#options;
    const errorOf = (answer: ApiAnswer) => apiError(api, path, answer, permissionRemediation);
    const answer = await retryForSeconds(async () => await this.#requestOnce(api, path, init), {
      seconds,
      maxWaitMs: MAX_WAIT_MS,
      signal,
      time,
      isTransient: ({ status }) =>
        [NO_ANSWER, 403, 429].includes(status) || status >= 500 || (status === 404 && !mayBeMissing),
      onRetry: (transient) => onRetry?.(errorOf(transient)),
    });
    if (answer.status === 200 || (answer.status === 404 && mayBeMissing)) return answer;
    throw errorOf(answer);
  }

  async #requestOnce(api: string, path: string, init: RequestInit): Promise<ApiAnswer> {
    const { env, quotaProject, signal } = this.#options;
    const emulator = emulatorOf(api, env);
    const override = env[`CLOUDSDK_API_ENDPOINT_OVERRIDES_${api.toUpperCase()}`]?.trim();
    const root = emulator === null ? override || `https://${api}.googleapis.com/` : `http://${emulator}/`;
    const url = new URL(path, root);
    const token = emulator === null ? this.#options.token : null;
    if (token !== null) {
      const remediation = `Correct CLOUDSDK_API_ENDPOINT_OVERRIDES_${api.toUpperCase()}.`;
      assertSafeForToken(url, url.origin, remediation);
    }
    const bearer = typeof token === 'function' ? await token() : token;
    try {
      let response: Response | undefined;
      this.#clock = await readClock('Google', 1_000, async () => {
        response = await fetch(url, {
          ...init,
          headers: {
            ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
            ...(quotaProject !== undefined && { 'x-goog-user-project': quotaProject }),
            ...(init.body && { 'content-type': 'application/json' }),
          },
          redirect: 'manual',
          signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        });
        return dateOf(response);
      });
      if (response === undefined) throw new Error('no answer');
      return { status: response.status, json: await response.json().catch(() => null) };
    } catch {
      signal.throwIfAborted();
      // A network error. Retrying is safe: an image that is built twice does no harm.
      return { status: NO_ANSWER, json: null };
    }
  }
}

/** `host:port` of the emulator of an API; null: Google's own. */
export function emulatorOf(api: string, env: Environment): string | null {
  return env[EMULATORS[api] ?? '']?.trim() || null;
}

function apiError(
  api: string,
  path: string,
  { status, json }: ApiAnswer,
  permissionRemediation: string,
): DeployError {
  if (status === NO_ANSWER)
    return new DeployError(`${api}.googleapis.com does not answer`, 'Check that this machine can reach it.');
  const parsed = ERROR.safeParse(json);
  const reason = parsed.success ? parsed.data.error.message : 'no reason given';
  const remediation = [401, 403, 404].includes(status) ? permissionRemediation : 'Follow the message.';
  return new DeployError(`${api}.googleapis.com answers ${status} to /${path}: ${reason}`, remediation);
}
