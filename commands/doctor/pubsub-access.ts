/** Which Pub/Sub a doctor on this machine can ask, and in whose name; says why where there is none. */
import { GoogleAuth } from 'google-auth-library';
import type { Config, Environment } from '../../shared/config.ts';
import { DeployError } from '../deploy/deploy-error.ts';
import { emulatorOf, GoogleApi } from '../deploy/google-api.ts';
import { type Finding, skip, unseen } from './finding.ts';
import { checkPubSub } from './pubsub-checks.ts';

const LINKS = ['topic', 'publisher', 'subscription'];
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const VIEWING =
  'Whoever looks needs roles/pubsub.viewer on the project, and pubsub.topics.getIamPolicy for the grant ' +
  '(roles/iam.securityReviewer has it).';

/** By GMAIL_PUBSUB_TOPIC, at Google or at the emulator that PUBSUB_EMULATOR_HOST names. */
export async function checkConfiguredPubSub(config: Config, env: Environment): Promise<Finding[]> {
  const { pubsubTopic: topic } = config;
  if (topic === null) return LINKS.map((name) => skip(name, 'GMAIL_PUBSUB_TOPIC is not set: polling only'));
  const isEmulated = emulatorOf('pubsub', env) !== null;
  if (!isEmulated && isOnLoopback(config.gmailApiRootUrl))
    return LINKS.map((name) => skip(name, 'the emulated Gmail calls gmail-push itself, without Pub/Sub'));
  let token: string | null = null;
  try {
    if (!isEmulated) token = await defaultToken();
  } catch (error) {
    return LINKS.map((name) => unseen(name, error));
  }
  const api = new GoogleApi({
    token,
    env,
    patienceSeconds: 0,
    signal: new AbortController().signal,
    cureOfRefusal: VIEWING,
  });
  return await checkPubSub({
    topic,
    subscription: null,
    endpoint: null,
    runBudgetSeconds: config.runBudgetSeconds,
    isEmulated,
    cureOfMissing: null,
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
