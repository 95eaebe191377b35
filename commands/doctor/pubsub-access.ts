/** Finds the Pub/Sub service and the credentials that a check on this machine can use, or the reason why it has none. */
import { GoogleAuth } from 'google-auth-library';
import type { Config, Environment } from '../../shared/config.ts';
import { DeployError } from '../deploy/deploy-error.ts';
import { emulatorOf, GoogleApi } from '../deploy/google-api.ts';
import { type CheckResult, skip, unknown } from './check-result.ts';
import { checkPubSub } from './pubsub-checks.ts';

const CHECKS = ['topic', 'publisher', 'subscription'];
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const VIEW_PERMISSIONS =
  'The account needs roles/pubsub.viewer on the project, and pubsub.topics.getIamPolicy for the grant ' +
  '(roles/iam.securityReviewer has it).';

/** Checks GMAIL_PUBSUB_TOPIC, at Google or in the emulator of PUBSUB_EMULATOR_HOST. */
export async function checkConfiguredPubSub(config: Config, env: Environment): Promise<CheckResult[]> {
  const { pubsubTopic: topic } = config;
  if (topic === null) return CHECKS.map((name) => skip(name, 'GMAIL_PUBSUB_TOPIC is not set: polling only'));
  const isEmulated = emulatorOf('pubsub', env) !== null;
  if (!isEmulated && isOnLoopback(config.gmailApiRootUrl))
    return CHECKS.map((name) => skip(name, 'the emulated Gmail calls gmail-push itself, without Pub/Sub'));
  let token: string | null = null;
  try {
    if (!isEmulated) token = await defaultToken();
  } catch (error) {
    return CHECKS.map((name) => unknown(name, error));
  }
  const api = new GoogleApi({
    token,
    env,
    retryForSeconds: 0,
    signal: new AbortController().signal,
    permissionRemediation: VIEW_PERMISSIONS,
  });
  return await checkPubSub({
    topic,
    subscription: null,
    endpoint: null,
    runBudgetSeconds: config.runBudgetSeconds,
    isEmulated,
    missingRemediation: null,
    get: async (path) => await api.get('pubsub', path),
  });
}

function isOnLoopback(url: string | null): boolean {
  return url !== null && ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);
}

/** Application default credentials. @throws {DeployError} */
export async function defaultToken(): Promise<string> {
  const token = await new GoogleAuth({ scopes: [SCOPE] }).getAccessToken().catch(() => null);
  if (token) return token;
  throw new DeployError(
    'No Google credentials on this machine (application default credentials).',
    'Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file.',
  );
}
