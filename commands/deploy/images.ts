/**
 * The functions' images. Terraform describes the builds, and Cloud Run's API runs them, as for `gcloud run deploy
 * --function`. An image's tag identifies its source, so an existing image is not built again.
 * https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.builds/submit
 */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { DeployError } from './deploy-error.ts';
import type { GoogleApi } from './google-api.ts';

const FIRST_POLL_MS = 500;
const MAX_POLL_MS = 5_000;

export const BUILDS = z.object({
  parent: z.string(),
  requests: z.record(z.string(), z.looseObject({ imageUri: z.string() })),
});
export type Builds = z.infer<typeof BUILDS>;

const SUBMITTED = z.object({
  buildOperation: z.object({ metadata: z.object({ build: z.object({ name: z.string() }) }) }),
});
const BUILD = z.object({
  status: z.string(),
  logUrl: z.string().optional(),
  statusDetail: z.string().optional(),
  failureInfo: z.object({ detail: z.string().optional() }).optional(),
});
const RUNNING = new Set(['STATUS_UNKNOWN', 'PENDING', 'QUEUED', 'WORKING']);

/** @returns the functions whose images were built. @throws {DeployError} when a build fails */
export async function buildImages(
  api: GoogleApi,
  { parent, requests }: Builds,
  { signal, say }: { readonly signal: AbortSignal; readonly say: (text: string) => void },
): Promise<string[]> {
  const all = Object.entries(requests);
  const exists = await Promise.all(all.map(async ([, { imageUri }]) => await isBuilt(api, imageUri)));
  const missing = all.filter((_, index) => !exists[index]);
  if (missing.length === 0) return [];
  say(`Building ${missing.map(([key]) => key).join(', ')}. This takes some minutes.`);
  // Waits for all builds, so that none is still running when a failure is reported.
  const built = await Promise.allSettled(
    missing.map(async ([key, request]) => await buildOne(api, { key, parent, request, signal })),
  );
  for (const one of built) if (one.status === 'rejected') throw one.reason;
  return missing.map(([key]) => key);
}

/** `REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG` */
async function isBuilt(api: GoogleApi, imageUri: string): Promise<boolean> {
  const parts = /^([\w-]+)-docker\.pkg\.dev\/([^/]+)\/([^/]+)\/([^:]+):(.+)$/.exec(imageUri);
  if (parts === null)
    throw new DeployError(
      `${imageUri} is not an image of Artifact Registry`,
      'Correct the Terraform configuration.',
    );
  const [, region, project, repository, name = '', tag] = parts;
  const path =
    `v1/projects/${project}/locations/${region}/repositories/${repository}` +
    `/packages/${encodeURIComponent(name)}/tags/${tag}`;
  return (await api.get('artifactregistry', path)) !== null;
}

async function buildOne(
  api: GoogleApi,
  build: {
    readonly key: string;
    readonly parent: string;
    readonly request: unknown;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const submitted = SUBMITTED.parse(await api.post('run', `v2/${build.parent}/builds:submit`, build.request));
  const { name } = submitted.buildOperation.metadata.build;
  for (let waitMs = FIRST_POLL_MS; ; waitMs = Math.min(MAX_POLL_MS, waitMs * 2)) {
    await delay(waitMs, undefined, { signal: build.signal });
    const { failureInfo, logUrl, status, statusDetail } = BUILD.parse(
      await api.get('cloudbuild', `v1/${name}`),
    );
    if (status === 'SUCCESS') return;
    if (RUNNING.has(status)) continue;
    const reason = failureInfo?.detail ?? statusDetail ?? 'no reason given';
    throw new DeployError(
      `the build of ${build.key} ended with ${status}: ${reason}`,
      `Its log: ${logUrl ?? name}. In a new project, try again in two minutes, when the grants of the build account have taken effect.`,
    );
  }
}
