/**
 * Google's REST APIs with the operator's token. The variables that gcloud reads, and those of the emulators, override the
 * endpoints; emulators get no token.
 * Invariant: the token goes into one header, over https or to this machine.
 */
import { z } from 'zod';
import type { Environment } from '../../shared/config.ts';
import { type ClockReading, dateOf, readClock } from '../doctor/clock-check.ts';
import { DeployError } from './deploy-error.ts';
import { assertSafeForToken } from './gcloud.ts';
import { retryForSeconds } from './retry-for-seconds.ts';

const TIMEOUT_MS = 60_000;
const MAX_WAIT_MS = 5_000;
/** In place of an HTTP status. */
const NO_ANSWER = 0;
const DEPLOY_PERMISSIONS =
  'The deployer needs roles/run.developer, roles/cloudbuild.builds.editor, and roles/iam.serviceAccountUser on the ' +
  'account of the builds; an owner has them. A new grant or a newly enabled API takes minutes to take effect everywhere.';
const ERROR = z.object({ error: z.object({ message: z.string() }) });

/** The variables that Google's own clients read: `host:port`, plain HTTP. */
const EMULATORS: Readonly<Record<string, string>> = {
  pubsub: 'PUBSUB_EMULATOR_HOST',
  cloudscheduler: 'CLOUD_SCHEDULER_EMULATOR_HOST',
};

export interface ApiOptions {
  /** Null when only emulators are called. */
  readonly token: string | null;
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** How long a transient failure is retried: a new API or grant, a lost connection. */
  readonly retryForSeconds: number;
  /** The remediation of a 403; the permissions of a deployer unless given. */
  readonly permissionRemediation?: string;
  /** The project that quota is charged to. Application Default Credentials of a person name none of their own. */
  readonly quotaProject?: string;
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

  /** @param api `run`, `cloudbuild`, `artifactregistry`, `serviceusage`. @returns null for what does not exist. @throws {DeployError} */
  async get(api: string, path: string): Promise<unknown> {
    const answer = await this.#request(api, path, { method: 'GET' });
    return answer.status === 404 ? null : answer.json;
  }

  /** @param body none: an empty body. @throws {DeployError} */
  async post(api: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.#request(api, path, {
      method: 'POST',
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (answer.status === 404) throw apiError(api, path, answer, this.#options.permissionRemediation);
    return answer.json;
  }

  async #request(api: string, path: string, init: RequestInit): Promise<ApiAnswer> {
    const { permissionRemediation, retryForSeconds: seconds, signal } = this.#options;
    const answer = await retryForSeconds(async () => await this.#requestOnce(api, path, init), {
      seconds,
      maxWaitMs: MAX_WAIT_MS,
      signal,
      isTransient: ({ status }) => status === NO_ANSWER || status === 403 || status === 429 || status >= 500,
    });
    if (answer.status === 200 || answer.status === 404) return answer;
    throw apiError(api, path, answer, permissionRemediation);
  }

  async #requestOnce(api: string, path: string, init: RequestInit): Promise<ApiAnswer> {
    const { env, quotaProject, signal, token } = this.#options;
    const emulator = emulatorOf(api, env);
    const override = env[`CLOUDSDK_API_ENDPOINT_OVERRIDES_${api.toUpperCase()}`]?.trim();
    const root = emulator === null ? override || `https://${api}.googleapis.com/` : `http://${emulator}/`;
    const url = new URL(path, root);
    const sendsToken = emulator === null && token !== null;
    if (sendsToken) {
      const remediation = `Correct CLOUDSDK_API_ENDPOINT_OVERRIDES_${api.toUpperCase()}.`;
      assertSafeForToken(url, url.origin, remediation);
    }
    try {
      let response: Response | undefined;
      this.#clock = await readClock('Google', 1_000, async () => {
        response = await fetch(url, {
          ...init,
          headers: {
            ...(sendsToken && { authorization: `Bearer ${token}` }),
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
  permissionRemediation = DEPLOY_PERMISSIONS,
): DeployError {
  if (status === NO_ANSWER)
    return new DeployError(`${api}.googleapis.com does not answer`, 'Check that this machine can reach it.');
  const parsed = ERROR.safeParse(json);
  const reason = parsed.success ? parsed.data.error.message : 'no reason given';
  const remediation = status === 401 || status === 403 ? permissionRemediation : 'Follow the message.';
  return new DeployError(`${api}.googleapis.com answers ${status} to /${path}: ${reason}`, remediation);
}
