/**
 * `npm run doctor -- --deployment`, one broken link after the other: terraform and gcloud are stand-ins, Google's REST
 * APIs are scripted, and what `status` answers is the real status of a system that runs.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { order } from '../helpers/mails.ts';
import { type SchedulerFixture, schedulerFixture } from '../helpers/scheduler-fixture.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import { API_TOKEN, createFixture, type Fixture, ID_TOKEN } from './deploy-fixture.ts';
import { examineJson, expectTrouble } from './doctor-fixture.ts';
import { type FrontDoor, openFrontDoor } from './fake-iam-front-end.ts';

// Each command is a process of its own that starts others.
vi.setConfig({ testTimeout: 60_000 });

const PROJECT = 'projects/orders-example';
const TOPIC = `${PROJECT}/topics/email-monitor-gmail`;
const SUBSCRIPTION = `${PROJECT}/subscriptions/email-monitor-gmail-push`;
const JOB = `${PROJECT}/locations/europe-west1/jobs/email-monitor-poll`;
const SECRET = `${PROJECT}/secrets/email-monitor-gmail-refresh-token/versions/latest`;
const GMAIL = 'serviceAccount:gmail-api-push@system.gserviceaccount.com';
const URL_OF_PUSH = 'https://gmail-push.example.com';

let system: TestSystem;
let scheduler: SchedulerFixture;
// biome-ignore lint/suspicious/noExplicitAny: tests change whatever status answers
let status: any;
let statusServer: Awaited<ReturnType<typeof answering>>;
let google: Awaited<ReturnType<typeof answering>>;
let door: FrontDoor;
let fixture: Fixture;

beforeAll(async () => {
  scheduler = await schedulerFixture();
  system = await createTestSystem({ env: { GMAIL_PUBSUB_TOPIC: TOPIC, ...scheduler.env } });
  await system.call('start');
  system.gmail.deliver(order(1));
  await system.call('poll');
  // The second listing of the first start, then the first reconciliation.
  await system.call('poll');
  await system.call('poll');
  await system.db.query('update mailboxes set pushed_at = now()');
});
afterAll(async () => await Promise.all([system.close(), scheduler.close()]));

beforeEach(async () => {
  status = (await system.call('status')).json;
  statusServer = await answering(() => [200, status]);
  door = await openFrontDoor(ID_TOKEN, { status: statusServer.url });
  google = await answering((path, token) => {
    if (token !== `Bearer ${API_TOKEN}`) return [401, { error: { message: 'Who are you?' } }];
    return answers[path] ?? [404, { error: { message: `Nothing at ${path}` } }];
  });
  fixture = createFixture(door.url, google.url);
  answers = surroundings(door.url);
});
afterEach(async () => {
  fixture.remove();
  statusServer.close();
  google.close();
  await door.close();
});

type Answer = readonly [status: number, body: unknown];
let answers: Record<string, Answer>;

/** All is well. */
function surroundings(doorUrl: string): Record<string, Answer> {
  const versions = ['client-id', 'client-secret', 'refresh-token'].map((part): [string, Answer] => {
    const secret = `${PROJECT}/secrets/email-monitor-gmail-${part}/versions`;
    return [`${secret}/latest`, [200, { name: `${secret}/2`, state: 'ENABLED' }]];
  });
  return {
    ...Object.fromEntries(versions),
    [JOB]: [
      200,
      { httpTarget: { uri: `${doorUrl}/poll`, oidcToken: {} }, status: {}, lastAttemptTime: 'today' },
    ],
    [TOPIC]: [200, { name: TOPIC }],
    [`${TOPIC}:getIamPolicy`]: [200, { bindings: [{ role: 'roles/pubsub.publisher', members: [GMAIL] }] }],
    [SUBSCRIPTION]: [200, subscription()],
  };
}

function subscription(change: object = {}): object {
  return {
    name: SUBSCRIPTION,
    topic: TOPIC,
    state: 'ACTIVE',
    ackDeadlineSeconds: 110,
    pushConfig: { pushEndpoint: URL_OF_PUSH, oidcToken: { audience: URL_OF_PUSH } },
    deadLetterPolicy: { deadLetterTopic: `${TOPIC}-dead-letter`, maxDeliveryAttempts: 20 },
    expirationPolicy: {},
    ...change,
  };
}

const examine = async () => await examineJson(['--deployment'], fixture.env, fixture.root);

async function answering(answer: (path: string, token: string | undefined) => Answer) {
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/^\/v1\//, '').replace(/\?.*$/, '');
    const [code, body] = answer(path, request.headers.authorization);
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('npm run doctor -- --deployment', () => {
  it('finds nothing wrong with a deployment that runs, and pretends of nothing that it cannot see', async () => {
    const examined = await examine();
    expectTrouble(examined, {});
    const states = Object.fromEntries(examined.findings.map(({ name, state }) => [name, state]));
    for (const name of [
      'secrets',
      'scheduler_target',
      'topic',
      'publisher',
      'subscription',
      'clock',
      'watch',
    ])
      expect([name, states[name]]).toEqual([name, 'ok']);
    const notes = examined.findings.filter(({ state }) => state === 'note');
    expect(notes.map(({ name }) => name)).toEqual([
      'migrations',
      'grants',
      'history_cursor',
      'quota',
      'publishing_status',
      'last_push',
    ]);
    for (const { remediation } of notes) expect(remediation).toBeTruthy();
    for (const secret of [ID_TOKEN, API_TOKEN]) {
      expect(JSON.stringify(examined)).not.toContain(secret);
      expect(fixture.calls().join('\n')).not.toContain(secret);
    }
  });

  it('misses the topic', async () => {
    delete answers[TOPIC];
    expectTrouble(await examine(), { topic: ['fault', /does not exist/, /npm run deploy/] });
  });

  it('names the grant that Gmail publishes by, and the command for it', async () => {
    // Neither another's right to publish nor another right of Gmail's will do.
    const bindings = [
      { role: 'roles/pubsub.publisher', members: ['user:alice@example.com'] },
      { role: 'roles/pubsub.viewer', members: [GMAIL] },
    ];
    answers[`${TOPIC}:getIamPolicy`] = [200, { bindings }];
    expectTrouble(await examine(), {
      publisher: [
        'fault',
        /may not publish/,
        /^gcloud pubsub topics add-iam-policy-binding email-monitor-gmail --project orders-example --member serviceAccount:gmail-api-push@\S+ --role roles\/pubsub\.publisher$/,
      ],
    });
  });

  it.each([
    ['that does not exist', null, 'fault', /does not exist/, /npm run deploy/],
    [
      'whose topic was deleted',
      { topic: '_deleted-topic_' },
      'fault',
      /hangs on _deleted-topic_/,
      /npm run deploy/,
    ],
    ['that does not push', { pushConfig: {} }, 'fault', /does not push/, /npm run deploy/],
    [
      'that pushes elsewhere',
      { pushConfig: { pushEndpoint: 'https://old.example.com', oidcToken: {} } },
      'fault',
      /pushes to https:\/\/old\.example\.com, not to https:\/\/gmail-push\.example\.com/,
      /npm run deploy/,
    ],
    [
      'that signs no token',
      { pushConfig: { pushEndpoint: URL_OF_PUSH } },
      'fault',
      /signs no token/,
      /npm run deploy/,
    ],
    ['that cannot deliver', { state: 'RESOURCE_ERROR' }, 'fault', /RESOURCE_ERROR/, /npm run deploy/],
    [
      'without dead letters',
      { deadLetterPolicy: undefined },
      'warning',
      /no dead letter topic/,
      /npm run deploy/,
    ],
    ['that waits too short', { ackDeadlineSeconds: 10 }, 'warning', /ack deadline of 10 s/, /npm run deploy/],
    [
      'that expires',
      { expirationPolicy: { ttl: '2678400s' } },
      'warning',
      /deleted after 2678400s/,
      /npm run deploy/,
    ],
  ] as const)('names a subscription %s', async (_, change, state, text, remediation) => {
    if (change === null) delete answers[SUBSCRIPTION];
    else answers[SUBSCRIPTION] = [200, subscription(change)];
    expectTrouble(await examine(), { subscription: [state, text, remediation] });
  });

  it('names a secret that is not there, not enabled, or still empty', async () => {
    const version = SECRET.replace('latest', '3');
    delete answers[SECRET];
    expectTrouble(await examine(), { secrets: ['fault', /refresh-token does not exist/, /npm run deploy/] });
    answers[SECRET] = [200, { name: version, state: 'DISABLED' }];
    expectTrouble(await examine(), {
      secrets: [
        'fault',
        /version 3 .*DISABLED/,
        /gcloud secrets versions enable 3 --secret email-monitor-gmail-refresh/,
      ],
    });
    answers[SECRET] = [200, { name: SECRET.replace('latest', '1'), state: 'ENABLED' }];
    expectTrouble(await examine(), { secrets: ['warning', /only its first version/, /npm run authorize/] });
  });

  it('names a job that calls another function, or whose last call was refused', async () => {
    answers[JOB] = [200, { httpTarget: { uri: 'https://old.example.com' } }];
    expectTrouble(await examine(), { scheduler_target: ['fault', /calls https:\/\/old/, /npm run deploy/] });
    answers[JOB] = [
      200,
      { httpTarget: { uri: `${door.url}/poll/` }, status: { code: 7, message: 'denied' } },
    ];
    expectTrouble(await examine(), { scheduler_target: ['warning', /code 7: denied/, /may not call poll/] });
  });

  it('says of what it may not look at why, and who may', async () => {
    const refused: Answer = [403, { error: { message: 'pubsub.topics.get denied' } }];
    answers = { ...answers, [TOPIC]: refused, [JOB]: refused };
    expectTrouble(await examine(), {
      scheduler_target: ['warning', /cannot be looked at: .*403.*denied/, /roles\/viewer/],
      topic: ['warning', /cannot be looked at: .*403.*denied/, /roles\/viewer/],
    });
  });

  it('tells what status tells: a clock that disagrees, a refused token, a watch that ran out', async () => {
    status.scheduler = { ...status.scheduler, state: 'paused', agrees: false };
    expectTrouble(await examine(), {
      scheduler_job: ['fault', /paused, and the monitor is on/, /POST start/],
    });
    // Also before the first poll: Terraform makes the job paused.
    status = { ...status, is_running: false, last_poll_at: null };
    status.scheduler = { ...status.scheduler, state: 'enabled', agrees: false };
    expect((await examine()).findings.find((finding) => finding.name === 'scheduler_job')).toMatchObject({
      state: 'fault',
      remediation: expect.stringContaining('POST stop'),
    });
    status = (await system.call('status')).json;
    status.scheduler = { ...status.scheduler, state: 'enabled', agrees: true };
    status.mailboxes[0].watch.expires_at = '2026-01-01T00:00:00.000Z';
    expectTrouble(await examine(), { watch: ['fault', /ran out at 2026-01-01/, /POST start/] });
    status = (await system.call('status')).json;
    status.state = 'reauth_required';
    status.mailboxes[0].state = 'reauth_required';
    status.mailboxes[0].last_error = {
      code: 'reauth_required',
      detail: '400 invalid_grant.',
      remediation: 'Authorize.',
    };
    expectTrouble(await examine(), {
      credentials: ['fault', /refuses the refresh token/, /npm run authorize .*--secret-manager/],
      mailbox: ['fault', /invalid_grant/, /Authorize/],
    });
  });

  it('looks at Google all the same when status does not let it in', async () => {
    door.refuse(9);
    expectTrouble(await examine(), { status: ['fault', /may not call it/, /`viewers`/] });
  });
});
