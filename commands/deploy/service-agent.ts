/**
 * Creates the service agent of a Google service: the account with which the service acts in a project. Google creates it at
 * the first use of the service, but IAM rejects grants to it before that.
 * https://docs.cloud.google.com/service-usage/docs/reference/rest/v1beta1/services/generateServiceIdentity
 */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { DeployError } from './deploy-error.ts';
import type { GoogleApi } from './google-api.ts';

const FIRST_POLL_MS = 250;
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
  const giveUpAt = performance.now() + waitSeconds * 1_000;
  const path = `v1beta1/projects/${project}/services/${service}:generateServiceIdentity`;
  let operation = OPERATION.parse(await api.post('serviceusage', path));
  for (let waitMs = FIRST_POLL_MS; !operation.done; waitMs = Math.min(MAX_POLL_MS, waitMs * 2)) {
    if (performance.now() + waitMs > giveUpAt)
      throw new DeployError(
        `the service agent of ${service} is not created after ${waitSeconds} s`,
        'Run the command again.',
      );
    await delay(waitMs, undefined, { signal });
    operation = OPERATION.parse(await api.getExisting('serviceusage', `v1beta1/${operation.name}`));
  }
  if (operation.error !== undefined)
    throw new DeployError(
      `the service agent of ${service} is not created: ${operation.error.message}`,
      'Follow the message, then run the command again.',
    );
  return operation.response?.email ?? null;
}
