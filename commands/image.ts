/**
 * `npm run -s image`: builds the image that IMAGE_BUILD describes, unless it exists. Terraform runs it while it applies
 * `terraform/build.tf`, because no resource builds an image.
 */
import type { Environment } from '../shared/config.ts';
import { GoogleApi } from './deploy/google-api.ts';
import { REAL_TIME } from './deploy/retry-for-seconds.ts';
import { terraformToken } from './deploy/terraform-token.ts';
import { IMAGE_BUILD, type ImageBuild, provideImage, RETRY_FOR_SECONDS } from './image/provide-image.ts';
import { runCommand } from './support/command.ts';
import { readFlags, UsageError } from './support/flags.ts';
import { shutdownSignal } from './support/shutdown-signal.ts';
import { say } from './support/terminal.ts';

const USAGE = `Usage: npm run image
Builds the image of the functions in Cloud Build, unless it exists. Terraform runs this command, and IMAGE_BUILD
describes the build. Credentials are those of Terraform: GOOGLE_OAUTH_ACCESS_TOKEN, or application default credentials.`;
const PERMISSIONS =
  'The account of Terraform needs roles/run.sourceDeveloper, roles/serviceusage.serviceUsageConsumer, ' +
  'roles/cloudbuild.builds.viewer and roles/artifactregistry.reader on the project, and roles/iam.serviceAccountUser on ' +
  'the account of the build; an owner has them. A new grant or a newly enabled API takes minutes to take effect.';

await runCommand(
  USAGE,
  async () => {
    readFlags({});
    const build = readBuild(process.env);
    const { signal } = shutdownSignal();
    let lastRetry = '';
    const api = new GoogleApi({
      token: terraformToken(process.env, projectOf(build)),
      env: process.env,
      signal,
      retryForSeconds: RETRY_FOR_SECONDS,
      permissionRemediation: PERMISSIONS,
      onRetry: ({ message }) => {
        if (message !== lastRetry)
          say(`${message.replace(/\.$/, '')}. Retrying for up to ${RETRY_FOR_SECONDS / 60} minutes.`);
        lastRetry = message;
      },
    });
    try {
      await provideImage(build, { api, signal, say, time: REAL_TIME });
    } catch (error) {
      if (!signal.aborted) throw error;
      say('Interrupted. A submitted build continues.');
      process.exitCode = 130;
    }
  },
  { localStack: false },
);

function readBuild(env: Environment): ImageBuild {
  const text = env['IMAGE_BUILD']?.trim();
  if (!text) throw new UsageError('IMAGE_BUILD is not set. Run `terraform apply`, which sets it.');
  try {
    return IMAGE_BUILD.parse(JSON.parse(text));
  } catch {
    throw new UsageError('IMAGE_BUILD does not describe a build. Run `terraform apply`, which sets it.');
  }
}

function projectOf({ parent }: ImageBuild): string {
  return parent.split('/')[1] ?? '';
}
