/**
 * Creates the service agent of a Google service: the account with which the service acts in a project. Google creates it at
 * the first use of the service, but IAM rejects grants to it before that.
 * https://docs.cloud.google.com/service-usage/docs/reference/rest/v1beta1/services/generateServiceIdentity
 */
import { z } from 'zod';
import { DeployError } from './deploy-error.ts';
import type { GoogleApi } from './google-api.ts';
import { retryForSeconds } from './retry-for-seconds.ts';

const MAX_POLL_MS = 5_000;

const OPERATION = z.object({
  name: z.string(),
  done: z.boolean().optional(),
  error: z.object({ message: z.string() }).optional(),
  response: z.object({ email: z.string().optional() }).optional(),
});

export interface ServiceAgentOptions {
  /** Id or number. */
  readonly project: string;
  /** `iap.googleapis.com` */
  readonly service: string;
  readonly waitSeconds: number;
  readonly signal: AbortSignal;
}

/** May run twice. @returns the account; null when Google does not name it. @throws {DeployError} */
export async function createServiceAgent(
  api: GoogleApi,
  { project, service, signal, waitSeconds }: ServiceAgentOptions,
): Promise<string | null> {
  const path = `v1beta1/projects/${project}/services/${service}:generateServiceIdentity`;
  const started = OPERATION.parse(await api.post('serviceusage', path));
  const read = async () => OPERATION.parse(await api.getExisting('serviceusage', `v1beta1/${started.name}`));
  const operation = started.done
    ? started
    : await retryForSeconds(read, {
        seconds: waitSeconds,
        maxWaitMs: MAX_POLL_MS,
        signal,
        isTransient: ({ done }) => !done,
      });
  if (!operation.done)
    throw new DeployError(
      `the service agent of ${service} is not created after ${waitSeconds} s`,
      'Run the command again.',
    );
  if (operation.error !== undefined)
    throw new DeployError(
      `the service agent of ${service} is not created: ${operation.error.message}`,
      'Follow the message, then run the command again.',
    );
  return operation.response?.email ?? null;
}
