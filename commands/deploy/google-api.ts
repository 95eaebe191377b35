/**
 * Google's REST APIs in the name of who is logged in. The endpoints can be overridden by the variables that gcloud
 * itself reads, and by those of the emulators, which get no token.
 * What must stay true: the token goes into one header, over https or to this machine.
 */
import { z } from 'zod';
import type { Environment } from '../../shared/config.ts';
import { dateOf, type SeenClock, timed } from '../doctor/clock-check.ts';
import { DeployError } from './deploy-error.ts';
import { assertTokenMayGo, patiently } from './patience.ts';

const ANSWER_MS = 60_000;
const LONGEST_WAIT_MS = 5_000;
/** Beside the statuses of HTTP. */
const NO_ANSWER = 0;
const OF_DEPLOYMENT =
  'Whoever deploys needs roles/run.developer, roles/cloudbuild.builds.editor and roles/iam.serviceAccountUser on the ' +
  'account of the builds; an owner has them. A grant or an API that is minutes old is not seen everywhere yet.';
const ERROR = z.object({ error: z.object({ message: z.string() }) });

/** By the variables that Google's own clients read: `host:port`, plain HTTP. */
const EMULATORS: Readonly<Record<string, string>> = {
  pubsub: 'PUBSUB_EMULATOR_HOST',
  cloudscheduler: 'CLOUD_SCHEDULER_EMULATOR_HOST',
};

export interface ApiOptions {
  /** Null where only emulators are asked. */
  readonly token: string | null;
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** For how long a fault that may pass is asked again: an API or a grant that is minutes old, a lost connection. */
  readonly patienceSeconds: number;
  /** For a 403; what a deployment needs, unless given. */
  readonly cureOfRefusal?: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly json: unknown;
}

export class GoogleApi {
  readonly #options: ApiOptions;
  #clock: SeenClock | null = null;

  /** Google's, as its last answer told it; null before the first. */
  get clock(): SeenClock | null {
    return this.#clock;
  }

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /** @param api `run`, `cloudbuild`, `artifactregistry`. @returns null for what does not exist. @throws {DeployError} */
  async get(api: string, path: string): Promise<unknown> {
    const answer = await this.#patiently(api, path, { method: 'GET' });
    return answer.status === 404 ? null : answer.json;
  }

  /** @throws {DeployError} */
  async post(api: string, path: string, body: unknown): Promise<unknown> {
    const answer = await this.#patiently(api, path, { method: 'POST', body: JSON.stringify(body) });
    if (answer.status === 404) throw fault(api, path, answer, this.#options.cureOfRefusal);
    return answer.json;
  }

  async #patiently(api: string, path: string, init: RequestInit): Promise<ApiAnswer> {
    const { cureOfRefusal, patienceSeconds, signal } = this.#options;
    const answer = await patiently(async () => await this.#ask(api, path, init), {
      seconds: patienceSeconds,
      longestWaitMs: LONGEST_WAIT_MS,
      signal,
      mayPass: ({ status }) => status === NO_ANSWER || status === 403 || status === 429 || status >= 500,
    });
    if (answer.status === 200 || answer.status === 404) return answer;
    throw fault(api, path, answer, cureOfRefusal);
  }

  async #ask(api: string, path: string, init: RequestInit): Promise<ApiAnswer> {
    const { env, signal, token } = this.#options;
    const emulator = emulatorOf(api, env);
    const override = env[`CLOUDSDK_API_ENDPOINT_OVERRIDES_${api.toUpperCase()}`]?.trim();
    const root = emulator === null ? override || `https://${api}.googleapis.com/` : `http://${emulator}/`;
    const url = new URL(path, root);
    const bears = emulator === null && token !== null;
    if (bears) {
      const remediation = `Correct CLOUDSDK_API_ENDPOINT_OVERRIDES_${api.toUpperCase()}.`;
      assertTokenMayGo(url, url.origin, remediation);
    }
    try {
      let response: Response | undefined;
      this.#clock = await timed('Google', 1_000, async () => {
        response = await fetch(url, {
          ...init,
          headers: { ...(bears && { authorization: `Bearer ${token}` }), 'content-type': 'application/json' },
          redirect: 'manual',
          signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
        });
        return dateOf(response);
      });
      if (response === undefined) throw new Error('no answer');
      return { status: response.status, json: await response.json().catch(() => null) };
    } catch {
      signal.throwIfAborted();
      // One of the hundreds of looks at the builds may get lost on the way. What is built twice does no harm.
      return { status: NO_ANSWER, json: null };
    }
  }
}

/** `host:port` of the emulator that stands for an API; null for Google. */
export function emulatorOf(api: string, env: Environment): string | null {
  return env[EMULATORS[api] ?? '']?.trim() || null;
}

function fault(
  api: string,
  path: string,
  { status, json }: ApiAnswer,
  cureOfRefusal = OF_DEPLOYMENT,
): DeployError {
  if (status === NO_ANSWER)
    return new DeployError(`${api}.googleapis.com does not answer`, 'See that this machine reaches it.');
  const said = ERROR.safeParse(json);
  const why = said.success ? said.data.error.message : 'without a reason';
  const remediation = status === 401 || status === 403 ? cureOfRefusal : 'As it says.';
  return new DeployError(`${api}.googleapis.com answers ${status} to /${path}: ${why}`, remediation);
}
