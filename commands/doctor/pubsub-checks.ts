/**
 * Checks the Pub/Sub part of push: the topic, Gmail's permission to publish to it, and the subscription that calls
 * gmail-push. Reads through REST and changes nothing.
 *
 * https://docs.cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions
 */
import { z } from 'zod';
import { type CheckResult, fail, ok, skip, unknown, warn } from './check-result.ts';

/** The same account for every Gmail user. https://developers.google.com/workspace/gmail/api/guides/push */
const GMAIL = 'serviceAccount:gmail-api-push@system.gserviceaccount.com';
const PUBLISHER_ROLES = [
  'roles/pubsub.publisher',
  'roles/pubsub.editor',
  'roles/pubsub.admin',
  'roles/owner',
  'roles/editor',
];
const PAGE_SIZE = 100;

export interface PubSubTarget {
  /** `projects/P/topics/T` */
  readonly topic: string;
  /** `projects/P/subscriptions/S`; null: any push subscription of the topic. */
  readonly subscription: string | null;
  /** The expected push endpoint; null: unknown. */
  readonly endpoint: string | null;
  readonly runBudgetSeconds: number;
  /** The emulator has no grants, no https and no tokens. */
  readonly isEmulated: boolean;
  /** How to create what is missing; null: the gcloud command. */
  readonly missingRemediation: string | null;
  /** @returns null for what does not exist. */
  readonly get: (path: string) => Promise<unknown>;
}

export async function checkPubSub(target: PubSubTarget): Promise<CheckResult[]> {
  const topic = await checkTopic(target);
  if (topic.state === 'ok') return [topic, await checkPublisher(target), await checkSubscription(target)];
  return [topic, skip('publisher', 'not checked'), skip('subscription', 'not checked')];
}

async function checkTopic({ topic, get, missingRemediation }: PubSubTarget): Promise<CheckResult> {
  try {
    if ((await get(`v1/${topic}`)) !== null) return ok('topic', topic);
    const [, project, name] = partsOf(topic);
    const remediation = missingRemediation ?? `gcloud pubsub topics create ${name} --project ${project}`;
    return fail('topic', `${topic} does not exist`, remediation);
  } catch (error) {
    return unknown('topic', error);
  }
}

const POLICY = z.object({
  bindings: z.array(z.object({ role: z.string(), members: z.array(z.string()).default([]) })).default([]),
});

async function checkPublisher({ topic, get, isEmulated }: PubSubTarget): Promise<CheckResult> {
  const name = 'publisher';
  if (isEmulated) return skip(name, 'the Pub/Sub emulator has no grants');
  try {
    const { bindings } = POLICY.parse(await get(`v1/${topic}:getIamPolicy`));
    const isGranted = bindings.some(
      ({ role, members }) => PUBLISHER_ROLES.includes(role) && members.includes(GMAIL),
    );
    if (isGranted) return ok(name, 'Gmail may publish to the topic');
    const [, project, id] = partsOf(topic);
    return fail(
      name,
      'Gmail may not publish to the topic (a grant on the whole project does not show here)',
      `gcloud pubsub topics add-iam-policy-binding ${id} --project ${project} --member ${GMAIL} --role roles/pubsub.publisher`,
    );
  } catch (error) {
    return unknown(name, error);
  }
}

const SUBSCRIPTION = z.object({
  name: z.string(),
  topic: z.string(),
  state: z.string().optional(),
  ackDeadlineSeconds: z.number().default(10),
  pushConfig: z
    .object({ pushEndpoint: z.string().default(''), oidcToken: z.object({}).optional() })
    .default({ pushEndpoint: '' }),
  deadLetterPolicy: z.object({ deadLetterTopic: z.string() }).optional(),
  expirationPolicy: z.object({ ttl: z.string().optional() }).optional(),
});
type Subscription = z.infer<typeof SUBSCRIPTION>;

async function checkSubscription(target: PubSubTarget): Promise<CheckResult> {
  const name = 'subscription';
  const { topic, get, subscription } = target;
  try {
    const names = subscription === null ? await subscriptionsOf(topic, get) : [subscription];
    const all = (await Promise.all(names.map(async (one) => await get(`v1/${one}`)))).filter(
      (one) => one !== null,
    );
    const [found] = all
      .map((one) => SUBSCRIPTION.parse(one))
      .filter((one) => subscription !== null || isPush(one));
    if (found === undefined) {
      const text =
        subscription === null ? `${topic} has no push subscription` : `${subscription} does not exist`;
      return fail(name, text, target.missingRemediation ?? createCommand(topic));
    }
    return compare(found, target);
  } catch (error) {
    return unknown(name, error);
  }
}

async function subscriptionsOf(topic: string, get: PubSubTarget['get']): Promise<string[]> {
  const list = z.object({ subscriptions: z.array(z.string()).default([]) });
  return list.parse((await get(`v1/${topic}/subscriptions?pageSize=${PAGE_SIZE}`)) ?? {}).subscriptions;
}

/** Lists all problems in one result, the most severe first. */
function compare(subscription: Subscription, target: PubSubTarget): CheckResult {
  const { name, pushConfig, ackDeadlineSeconds: ackSeconds, expirationPolicy } = subscription;
  const { endpoint, runBudgetSeconds, isEmulated } = target;
  const { pushEndpoint } = pushConfig;
  const failures: string[] = [];
  const warnings: string[] = [];
  const options: string[] = [];
  if (subscription.topic !== target.topic) failures.push(`its topic is ${subscription.topic}`);
  if (!isPush(subscription)) failures.push('it does not push');
  else if (endpoint !== null && pushEndpoint !== endpoint)
    failures.push(`it pushes to ${pushEndpoint}, not to ${endpoint}`);
  else if (!isEmulated && !pushEndpoint.startsWith('https://')) failures.push(`${pushEndpoint} is not https`);
  else if (!isEmulated && pushConfig.oidcToken === undefined)
    failures.push('it sends no token, which gmail-push requires');
  if (subscription.state === 'RESOURCE_ERROR') failures.push('Pub/Sub cannot deliver (RESOURCE_ERROR)');
  if (ackSeconds <= runBudgetSeconds) {
    warnings.push(`its ack deadline of ${ackSeconds} s is not longer than a run, ${runBudgetSeconds} s`);
    options.push(`--ack-deadline ${Math.min(600, runBudgetSeconds + 60)}`);
  }
  if (subscription.deadLetterPolicy === undefined) {
    warnings.push('it has no dead-letter topic');
    options.push('--dead-letter-topic TOPIC --max-delivery-attempts 20');
  }
  if (expirationPolicy?.ttl !== undefined) {
    warnings.push(`it is deleted after ${expirationPolicy.ttl} without a push`);
    options.push('--expiration-period never');
  }
  const text = `${name}: ${[...failures, ...warnings].join('; ')}`;
  const [, project, id] = partsOf(name);
  const pushTo = endpoint ?? (isPush(subscription) ? pushEndpoint : 'URL_OF_GMAIL_PUSH');
  if (failures.length > 0) {
    const endpointCommand = `gcloud pubsub subscriptions modify-push-config ${id} --project ${project} --push-endpoint ${pushTo} --push-auth-service-account ACCOUNT`;
    return fail('subscription', text, target.missingRemediation ?? endpointCommand);
  }
  if (warnings.length > 0) {
    const command = `gcloud pubsub subscriptions update ${id} --project ${project} ${options.join(' ')}`;
    return warn('subscription', text, target.missingRemediation ?? command);
  }
  return ok(
    'subscription',
    `${name} pushes to ${pushEndpoint}, ack deadline ${ackSeconds} s, with a dead-letter topic`,
  );
}

function isPush({ pushConfig }: Subscription): boolean {
  return pushConfig.pushEndpoint !== '';
}

function createCommand(topic: string): string {
  const [, project, id] = partsOf(topic);
  return (
    `gcloud pubsub subscriptions create ${id}-push --project ${project} --topic ${id} --push-endpoint URL_OF_GMAIL_PUSH ` +
    '--push-auth-service-account ACCOUNT --ack-deadline 110 --expiration-period never'
  );
}

/** Of `projects/P/topics/T`: the whole name, P and T. */
function partsOf(name: string): string[] {
  return [name, name.split('/')[1] ?? '', name.split('/')[3] ?? ''];
}
