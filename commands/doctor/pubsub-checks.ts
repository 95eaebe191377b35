/**
 * The way of a push outside of our own code: the topic, Gmail's right to publish there, and the subscription that calls
 * gmail-push. Read by REST, nothing is changed.
 *
 * https://docs.cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions
 */
import { z } from 'zod';
import { type Finding, fail, ok, skip, unseen, warn } from './finding.ts';

/** The same for everybody. https://developers.google.com/workspace/gmail/api/guides/push */
const GMAIL = 'serviceAccount:gmail-api-push@system.gserviceaccount.com';
const PUBLISHING = [
  'roles/pubsub.publisher',
  'roles/pubsub.editor',
  'roles/pubsub.admin',
  'roles/owner',
  'roles/editor',
];
const LONGEST_LIST = 100;

export interface Way {
  /** `projects/P/topics/T` */
  readonly topic: string;
  /** `projects/P/subscriptions/S`; null: whichever pushes. */
  readonly subscription: string | null;
  /** Where it has to push to; null when that is not known from here. */
  readonly endpoint: string | null;
  readonly runBudgetSeconds: number;
  /** Emulators know no grants, no https and no tokens. */
  readonly isEmulated: boolean;
  /** What makes what is missing; null: the gcloud command for it. */
  readonly cureOfMissing: string | null;
  /** @returns null for what does not exist. */
  readonly get: (path: string) => Promise<unknown>;
}

export async function checkPubSub(way: Way): Promise<Finding[]> {
  const topic = await checkTopic(way);
  if (topic.state === 'ok') return [topic, await checkPublisher(way), await checkSubscription(way)];
  return [topic, skip('publisher', 'not looked at'), skip('subscription', 'not looked at')];
}

async function checkTopic({ topic, get, cureOfMissing }: Way): Promise<Finding> {
  try {
    if ((await get(`v1/${topic}`)) !== null) return ok('topic', topic);
    const [, project, name] = partsOf(topic);
    const remediation = cureOfMissing ?? `gcloud pubsub topics create ${name} --project ${project}`;
    return fail('topic', `${topic} does not exist`, remediation);
  } catch (error) {
    return unseen('topic', error);
  }
}

const POLICY = z.object({
  bindings: z.array(z.object({ role: z.string(), members: z.array(z.string()).default([]) })).default([]),
});

async function checkPublisher({ topic, get, isEmulated }: Way): Promise<Finding> {
  const name = 'publisher';
  if (isEmulated) return skip(name, 'the emulator of Pub/Sub knows no grants');
  try {
    const { bindings } = POLICY.parse(await get(`v1/${topic}:getIamPolicy`));
    const isGranted = bindings.some(
      ({ role, members }) => PUBLISHING.includes(role) && members.includes(GMAIL),
    );
    if (isGranted) return ok(name, 'Gmail may publish to the topic');
    const [, project, id] = partsOf(topic);
    return fail(
      name,
      'Gmail may not publish to the topic (a grant on the whole project would not be seen here)',
      `gcloud pubsub topics add-iam-policy-binding ${id} --project ${project} --member ${GMAIL} --role roles/pubsub.publisher`,
    );
  } catch (error) {
    return unseen(name, error);
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

async function checkSubscription(way: Way): Promise<Finding> {
  const name = 'subscription';
  const { topic, get, subscription } = way;
  try {
    const names = subscription === null ? await namesOn(topic, get) : [subscription];
    const all = (await Promise.all(names.map(async (one) => await get(`v1/${one}`)))).filter(
      (one) => one !== null,
    );
    const [found] = all
      .map((one) => SUBSCRIPTION.parse(one))
      .filter((one) => subscription !== null || isPush(one));
    if (found === undefined) {
      const text = subscription === null ? `${topic} has none that pushes` : `${subscription} does not exist`;
      return fail(name, text, way.cureOfMissing ?? createCommand(topic));
    }
    return judge(found, way);
  } catch (error) {
    return unseen(name, error);
  }
}

async function namesOn(topic: string, get: Way['get']): Promise<string[]> {
  const list = z.object({ subscriptions: z.array(z.string()).default([]) });
  return list.parse((await get(`v1/${topic}/subscriptions?pageSize=${LONGEST_LIST}`)) ?? {}).subscriptions;
}

/** The gravest first; one line names all that is wrong. */
function judge(subscription: Subscription, way: Way): Finding {
  const { name, pushConfig, ackDeadlineSeconds: ackSeconds, expirationPolicy } = subscription;
  const { endpoint, runBudgetSeconds, isEmulated } = way;
  const { pushEndpoint } = pushConfig;
  const faults: string[] = [];
  const warnings: string[] = [];
  const options: string[] = [];
  if (subscription.topic !== way.topic) faults.push(`it hangs on ${subscription.topic}`);
  if (!isPush(subscription)) faults.push('it does not push');
  else if (endpoint !== null && pushEndpoint !== endpoint)
    faults.push(`it pushes to ${pushEndpoint}, not to ${endpoint}`);
  else if (!isEmulated && !pushEndpoint.startsWith('https://')) faults.push(`${pushEndpoint} is not https`);
  else if (!isEmulated && pushConfig.oidcToken === undefined)
    faults.push('it signs no token, which gmail-push asks for');
  if (subscription.state === 'RESOURCE_ERROR') faults.push('Pub/Sub cannot deliver (RESOURCE_ERROR)');
  if (ackSeconds <= runBudgetSeconds) {
    warnings.push(`its ack deadline of ${ackSeconds} s is not longer than a run of ${runBudgetSeconds} s`);
    options.push(`--ack-deadline ${Math.min(600, runBudgetSeconds + 60)}`);
  }
  if (subscription.deadLetterPolicy === undefined) {
    warnings.push('it has no dead letter topic');
    options.push('--dead-letter-topic TOPIC --max-delivery-attempts 20');
  }
  if (expirationPolicy?.ttl !== undefined) {
    warnings.push(`it is deleted after ${expirationPolicy.ttl} without a push`);
    options.push('--expiration-period never');
  }
  const text = `${name}: ${[...faults, ...warnings].join('; ')}`;
  const [, project, id] = partsOf(name);
  const target = endpoint ?? (isPush(subscription) ? pushEndpoint : 'URL_OF_GMAIL_PUSH');
  if (faults.length > 0) {
    const endpointCommand = `gcloud pubsub subscriptions modify-push-config ${id} --project ${project} --push-endpoint ${target} --push-auth-service-account ACCOUNT`;
    return fail('subscription', text, way.cureOfMissing ?? endpointCommand);
  }
  if (warnings.length > 0) {
    const command = `gcloud pubsub subscriptions update ${id} --project ${project} ${options.join(' ')}`;
    return warn('subscription', text, way.cureOfMissing ?? command);
  }
  return ok(
    'subscription',
    `${name} pushes to ${pushEndpoint}, ack deadline ${ackSeconds} s, with dead letters`,
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

/** `projects/P/topics/T`: the whole, P and T. */
function partsOf(name: string): string[] {
  return [name, name.split('/')[1] ?? '', name.split('/')[3] ?? ''];
}
