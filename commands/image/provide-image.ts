/**
 * The image of the functions. Terraform describes the build, and Cloud Run's API runs it in Cloud Build, as for `gcloud run
 * deploy --function`. The tag identifies everything that determines the image, so an existing image is not built again.
 * https://docs.cloud.google.com/run/docs/reference/rest/v2/projects.locations.builds/submit
 */
import { z } from 'zod';
import { DeployError } from '../deploy/deploy-error.ts';
import type { GoogleApi } from '../deploy/google-api.ts';
import { retryForSeconds, type Time } from '../deploy/retry-for-seconds.ts';

/** How long a denied call may mean that a grant is new. https://docs.cloud.google.com/iam/docs/access-change-propagation */
export const RETRY_FOR_SECONDS = 600;
const RESUBMIT_AFTER_MS = 20_000;
const MAX_POLL_MS = 5_000;
const GIVE_UP_AFTER_SECONDS = 1_800;

export const IMAGE_BUILD = z.object({
  /** The project and the region of the build. */
  parent: z.string().regex(/^projects\/[^/]+\/locations\/[^/]+$/),
  /** The body for builds:submit. */
  request: z.looseObject({
    imageUri: z.string(),
    buildpackBuild: z.looseObject({ baseImage: z.string() }),
  }),
});
export type ImageBuild = z.infer<typeof IMAGE_BUILD>;

const SUBMITTED = z.object({
  buildOperation: z.object({
    metadata: z.object({ build: z.object({ name: z.string(), logUrl: z.string().optional() }) }),
  }),
  baseImageUri: z.string().optional(),
  baseImageWarning: z.string().optional(),
});
const BUILD = z.object({
  status: z.string(),
  logUrl: z.string().optional(),
  statusDetail: z.string().optional(),
  failureInfo: z.object({ type: z.string().optional(), detail: z.string().optional() }).optional(),
});
type Build = z.infer<typeof BUILD>;
const RUNNING = ['STATUS_UNKNOWN', 'PENDING', 'QUEUED', 'WORKING'];
/** The build account could not read the source, write the log or push the image. */
const DENIED_TYPES = ['FETCH_SOURCE_FAILED', 'LOGGING_FAILURE', 'PUSH_NOT_AUTHORIZED'];
const DENIED_TEXT = /\b40[34]\b|PERMISSION_DENIED|\bpermission\b|\bdenied\b|does not have .*access/i;

export interface ImageTools {
  readonly api: GoogleApi;
  readonly time: Time;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** @throws {DeployError} with the cause, and the address of the build's log last. @throws {AbortError} */
export async function provideImage(build: ImageBuild, tools: ImageTools): Promise<void> {
  const { imageUri } = build.request;
  if (await isBuilt(tools.api, imageUri)) return tools.say(`The image exists: ${imageUri}`);
  tools.say(`Building ${imageUri}. This takes some minutes.`);
  const retryUntilMs = tools.time.nowMs() + RETRY_FOR_SECONDS * 1_000;
  for (;;) {
    const { name, logUrl } = await submit(build, tools);
    const ended = await waitForEnd(name, logUrl, tools);
    if (ended.status === 'SUCCESS') return tools.say(`Built ${imageUri}`);
    const isLast = tools.time.nowMs() + RESUBMIT_AFTER_MS > retryUntilMs;
    if (isLast || !isPermissionDenied(ended)) throw buildError(ended, ended.logUrl ?? logUrl);
    tools.say(
      `The build was denied access (${reasonOf(ended)}). A new grant takes minutes to take effect. Retrying.`,
    );
    await tools.time.wait(RESUBMIT_AFTER_MS, tools.signal);
  }
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

/** @returns the name of the build and the address of its log */
async function submit(
  { parent, request }: ImageBuild,
  { api, say }: ImageTools,
): Promise<{ readonly name: string; readonly logUrl: string }> {
  const submitted = readAnswer(SUBMITTED, await api.post('run', `v2/${parent}/builds:submit`, request));
  const { name, logUrl = name } = submitted.buildOperation.metadata.build;
  const { baseImageUri, baseImageWarning } = submitted;
  if (baseImageWarning) say(`Cloud Run warns about the base image: ${baseImageWarning}`);
  const { baseImage } = request.buildpackBuild;
  if (!baseImageUri || withoutRegion(baseImageUri) === withoutRegion(baseImage)) return { name, logUrl };
  // Otherwise the next apply would find this image and use it.
  await api.tryPost('cloudbuild', `v1/${name}:cancel`, {});
  throw new DeployError(
    `Cloud Run builds for the base image ${baseImageUri}, but the services would run on ${baseImage}`,
    `Set base_image in terraform/build.tf to the first one and apply again. Log: ${logUrl}`,
  );
}

/** Each region has a copy of the same base images. */
function withoutRegion(baseImage: string): string {
  return baseImage.replace(/^[\w-]+-docker\.pkg\.dev\//, '');
}

async function waitForEnd(name: string, logUrl: string, { api, signal, time }: ImageTools): Promise<Build> {
  const read = async () => readAnswer(BUILD, await api.getExisting('cloudbuild', `v1/${name}`));
  const build = await retryForSeconds(read, {
    seconds: GIVE_UP_AFTER_SECONDS,
    maxWaitMs: MAX_POLL_MS,
    signal,
    time,
    isTransient: ({ status }) => RUNNING.includes(status),
  });
  if (!RUNNING.includes(build.status)) return build;
  throw new DeployError(
    `The build has not ended within ${GIVE_UP_AFTER_SECONDS / 60} minutes. Its status is ${build.status}.`,
    `When it has ended, run the command again. Log: ${build.logUrl ?? logUrl}`,
  );
}

function isPermissionDenied({ failureInfo, statusDetail }: Build): boolean {
  if (DENIED_TYPES.includes(failureInfo?.type ?? '')) return true;
  return DENIED_TEXT.test(`${failureInfo?.detail ?? ''} ${statusDetail ?? ''}`);
}

function reasonOf({ failureInfo, statusDetail }: Build): string {
  return failureInfo?.detail || statusDetail || failureInfo?.type || 'no reason given';
}

function buildError(build: Build, logUrl: string): DeployError {
  return new DeployError(`The build ended with ${build.status}: ${reasonOf(build)}`, `Log: ${logUrl}`);
}

function readAnswer<Schema extends z.ZodType>(schema: Schema, json: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new DeployError("Google's answer about the build has another format", 'Run the command again.');
}
