/**
 * `npm run doctor -- --deployment`, one broken link after the other: terraform and gcloud are stand-ins, Google's REST
 * APIs are scripted, and what `status` answers is the real status of a system that runs.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type SchedulerBeside, schedulerBeside } from '../functions/scheduler-beside.ts';
import { order } from '../helpers/mails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import { API_TOKEN, createFixture, type Fixture, ID_TOKEN } from './deploy-fixture.ts';
import { runDoctor, expectProblems } from './doctor-fixture.ts';
import { type FakeIamFrontEnd, startFakeIamFrontEnd } from './fake-iam-front-end.ts';

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
let scheduler: SchedulerBeside;
// biome-ignore lint/suspicious/noExplicitAny: tests change whatever status answers
let status: any;
let statusServer: Awaited<ReturnType<typeof answering>>;
let google: Awaited<ReturnType<typeof answering>>;
let frontEnd: FakeIamFrontEnd;
let fixture: Fixture;

beforeAll(async () => {
  scheduler = await schedulerBeside();
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
  frontEnd = await startFakeIamFrontEnd(ID_TOKEN, { status: statusServer.url });
  google = await answering((path, token) => {
    if (token !== `Bearer ${API_TOKEN}`) return [401, { error: { message: 'Who are you?' } }];
    return answers[path] ?? [404, { error: { message: `Nothing at ${path}` } }];
  });
  fixture = createFixture(frontEnd.url, google.url);
  answers = surroundings(frontEnd.url);
});
afterEach(async () => {
  fixture.remove();
  statusServer.close();
  google.close();
  await frontEnd.close();
});

type Answer = readonly [status: number, body: unknown];
let answers: Record<string, Answer>;

/** All is well. */
function surroundings(frontEndUrl: string): Record<string, Answer> {
  const versions = ['client-id', 'client-secret', 'refresh-token'].map((part): [string, Answer] => {
    const secret = `${PROJECT}/secrets/email-monitor-gmail-${part}/versions`;
    return [`${secret}/latest`, [200, { name: `${secret}/2`, state: 'ENABLED' }]];
  });
  return {
    ...Object.fromEntries(versions),
    [JOB]: [
      200,
      { httpTarget: { uri: `${frontEndUrl}/poll`, oidcToken: {} }, status: {}, lastAttemptTime: 'today' },
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

const examine = async () => await runDoctor(['--deployment'], fixture.env, fixture.root);

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
    const output = await examine();
    expectProblems(output, {});
    const states = Object.fromEntries(output.findings.map(({ name, state }) => [name, state]));
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
    const notes = output.findings.filter(({ state }) => state === 'info');
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
      expect(JSON.stringify(output)).not.toContain(secret);
      expect(fixture.calls().join('\n')).not.toContain(secret);
    }
  });

  it('misses the topic', async () => {
    delete answers[TOPIC];
    expectProblems(await examine(), { topic: ['fail', /does not exist/, /npm run deploy/] });
  });

  it('names the grant that Gmail publishes by, and the command for it', async () => {
    // Neither another's right to publish nor another right of Gmail's will do.
    const bindings = [
      { role: 'roles/pubsub.publisher', members: ['user:alice@example.com'] },
      { role: 'roles/pubsub.viewer', members: [GMAIL] },
    ];
    answers[`${TOPIC}:getIamPolicy`] = [200, { bindings }];
    expectProblems(await examine(), {
      publisher: [
        'fail',
        /may not publish/,
        /^gcloud pubsub topics add-iam-policy-binding email-monitor-gmail --project orders-example --member serviceAccount:gmail-api-push@\S+ --role roles\/pubsub\.publisher$/,
      ],
    });
  });

  it.each([
    ['that does not exist', null, 'fail', /does not exist/, /npm run deploy/],
    [
      'whose topic was deleted',
      { topic: '_deleted-topic_' },
      'fail',
      /hangs on _deleted-topic_/,
      /npm run deploy/,
    ],
    ['that does not push', { pushConfig: {} }, 'fail', /does not push/, /npm run deploy/],
    [
      'that pushes elsewhere',
      { pushConfig: { pushEndpoint: 'https://old.example.com', oidcToken: {} } },
      'fail',
      /pushes to https:\/\/old\.example\.com, not to https:\/\/gmail-push\.example\.com/,
      /npm run deploy/,
    ],
    [
      'that signs no token',
      { pushConfig: { pushEndpoint: URL_OF_PUSH } },
      'fail',
      /signs no token/,
      /npm run deploy/,
    ],
    ['that cannot deliver', { state: 'RESOURCE_ERROR' }, 'fail', /RESOURCE_ERROR/, /npm run deploy/],
    [
      'without dead letters',
      { deadLetterPolicy: undefined },
      'warn',
      /no dead letter topic/,
      /npm run deploy/,
    ],
    ['that waits too short', { ackDeadlineSeconds: 10 }, 'warn', /ack deadline of 10 s/, /npm run deploy/],
    [
      'that expires',
      { expirationPolicy: { ttl: '2678400s' } },
      'warn',
      /deleted after 2678400s/,
      /npm run deploy/,
    ],
  ] as const)('names a subscription %s', async (_, change, state, text, remediation) => {
    if (change === null) delete answers[SUBSCRIPTION];
    else answers[SUBSCRIPTION] = [200, subscription(change)];
    expectProblems(await examine(), { subscription: [state, text, remediation] });
  });

  it('names a secret that is not there, not enabled, or still empty', async () => {
    const version = SECRET.replace('latest', '3');
    delete answers[SECRET];
    expectProblems(await examine(), { secrets: ['fail', /refresh-token does not exist/, /npm run deploy/] });
    answers[SECRET] = [200, { name: version, state: 'DISABLED' }];
    expectProblems(await examine(), {
      secrets: [
        'fail',
        /version 3 .*DISABLED/,
        /gcloud secrets versions enable 3 --secret email-monitor-gmail-refresh/,
      ],
    });
    answers[SECRET] = [200, { name: SECRET.replace('latest', '1'), state: 'ENABLED' }];
    expectProblems(await examine(), { secrets: ['warn', /only its first version/, /npm run authorize/] });
  });

  it('names a job that calls another function, or whose last call was refused', async () => {
    answers[JOB] = [200, { httpTarget: { uri: 'https://old.example.com' } }];
    expectProblems(await examine(), { scheduler_target: ['fail', /calls https:\/\/old/, /npm run deploy/] });
    answers[JOB] = [
      200,
      { httpTarget: { uri: `${frontEnd.url}/poll/` }, status: { code: 7, message: 'denied' } },
    ];
    expectProblems(await examine(), { scheduler_target: ['warn', /code 7: denied/, /may not call poll/] });
  });

  it('says of what it may not look at why, and who may', async () => {
    const refused: Answer = [403, { error: { message: 'pubsub.topics.get denied' } }];
    answers = { ...answers, [TOPIC]: refused, [JOB]: refused };
    expectProblems(await examine(), {
      scheduler_target: ['warn', /cannot be looked at: .*403.*denied/, /roles\/viewer/],
      topic: ['warn', /cannot be looked at: .*403.*denied/, /roles\/viewer/],
    });
  });

  it('tells what status tells: a clock that disagrees, a refused token, a watch that ran out', async () => {
    status.scheduler = { ...status.scheduler, state: 'paused', agrees: false };
    expectProblems(await examine(), {
      scheduler_job: ['fail', /paused, and the monitor is on/, /POST start/],
    });
    // Also before the first poll: Terraform makes the job paused.
    status = { ...status, is_running: false, last_poll_at: null };
    status.scheduler = { ...status.scheduler, state: 'enabled', agrees: false };
    expect((await examine()).findings.find((finding) => finding.name === 'scheduler_job')).toMatchObject({
      state: 'fail',
      remediation: expect.stringContaining('POST stop'),
    });
    status = (await system.call('status')).json;
    status.scheduler = { ...status.scheduler, state: 'enabled', agrees: true };
    status.mailboxes[0].watch.expires_at = '2026-01-01T00:00:00.000Z';
    expectProblems(await examine(), { watch: ['fail', /ran out at 2026-01-01/, /POST start/] });
    status = (await system.call('status')).json;
    status.state = 'reauth_required';
    status.mailboxes[0].state = 'reauth_required';
    status.mailboxes[0].last_error = {
      code: 'reauth_required',
      detail: '400 invalid_grant.',
      remediation: 'Authorize.',
    };
    expectProblems(await examine(), {
      credentials: ['fail', /refuses the refresh token/, /npm run authorize .*--secret-manager/],
      mailbox: ['fail', /invalid_grant/, /Authorize/],
    });
  });

  it('looks at Google all the same when status does not let it in', async () => {
    frontEnd.reject(9);
    expectProblems(await examine(), { status: ['fail', /may not call it/, /`viewers`/] });
  });
});
