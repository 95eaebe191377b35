/**
 * `npm run doctor -- --deployment` with one problem at a time. terraform and gcloud are stubs, Google's REST APIs are
 * scripted, and `status` answers with the real status of a running system.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type SchedulerFixture, schedulerFixture } from '../helpers/scheduler-fixture.ts';
import { order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import { API_TOKEN, createFixture, type Fixture, ID_TOKEN } from './deploy-fixture.ts';
import { checkDeployed, expectProblems, runDoctor } from './doctor-fixture.ts';
import { type FakeIamFrontEnd, startFakeIamFrontEnd } from './fake-iam-front-end.ts';

// The checks start other programs.
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
// biome-ignore lint/suspicious/noExplicitAny: tests change the answer of status
let status: any;
let statusServer: Awaited<ReturnType<typeof startServer>>;
let google: Awaited<ReturnType<typeof startServer>>;
let frontEnd: FakeIamFrontEnd;
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
  statusServer = await startServer(() => [200, status]);
  frontEnd = await startFakeIamFrontEnd(ID_TOKEN, { status: statusServer.url });
  google = await startServer((path, token) => {
    if (token !== `Bearer ${API_TOKEN}`) return [401, { error: { message: 'Who are you?' } }];
    return answers[path] ?? [404, { error: { message: `Nothing at ${path}` } }];
  });
  fixture = createFixture(frontEnd.url, google.url);
  answers = googleResources(frontEnd.url);
});
afterEach(async () => {
  fixture.remove();
  statusServer.close();
  google.close();
  await frontEnd.close();
});

type Answer = readonly [status: number, body: unknown];
let answers: Record<string, Answer>;

/** A deployment without a problem. */
function googleResources(frontEndUrl: string): Record<string, Answer> {
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

const check = async () => await checkDeployed(fixture.env, fixture.root);

async function startServer(answer: (path: string, token: string | undefined) => Answer) {
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
  it('reports no problem for a running deployment, and marks what it cannot check as info', async () => {
    const output = await runDoctor(['--deployment'], fixture.env, fixture.root);
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
    const infos = output.findings.filter(({ state }) => state === 'info');
    expect(infos.map(({ name }) => name)).toEqual([
      'migrations',
      'grants',
      'history_cursor',
      'quota',
      'publishing_status',
      'last_push',
    ]);
    for (const { remediation } of infos) expect(remediation).toBeTruthy();
    for (const secret of [ID_TOKEN, API_TOKEN]) {
      expect(JSON.stringify(output)).not.toContain(secret);
      expect(fixture.calls().join('\n')).not.toContain(secret);
    }
  });

  it('reports a missing topic', async () => {
    delete answers[TOPIC];
    expectProblems(await check(), { topic: ['fail', /does not exist/, /npm run deploy/] });
  });

  it('reports that Gmail may not publish, with the command that grants it', async () => {
    // Neither the publisher role of another account nor another role of Gmail is enough.
    const bindings = [
      { role: 'roles/pubsub.publisher', members: ['user:alice@example.com'] },
      { role: 'roles/pubsub.viewer', members: [GMAIL] },
    ];
    answers[`${TOPIC}:getIamPolicy`] = [200, { bindings }];
    expectProblems(await check(), {
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
      /its topic is _deleted-topic_/,
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
      'that sends no token',
      { pushConfig: { pushEndpoint: URL_OF_PUSH } },
      'fail',
      /sends no token/,
      /npm run deploy/,
    ],
    ['that cannot deliver', { state: 'RESOURCE_ERROR' }, 'fail', /RESOURCE_ERROR/, /npm run deploy/],
    [
      'without dead letters',
      { deadLetterPolicy: undefined },
      'warn',
      /no dead-letter topic/,
      /npm run deploy/,
    ],
    [
      'whose ack deadline is too short',
      { ackDeadlineSeconds: 10 },
      'warn',
      /ack deadline of 10 s/,
      /npm run deploy/,
    ],
    [
      'that expires',
      { expirationPolicy: { ttl: '2678400s' } },
      'warn',
      /deleted after 2678400s/,
      /npm run deploy/,
    ],
  ] as const)('reports a subscription %s', async (_, change, state, text, remediation) => {
    if (change === null) delete answers[SUBSCRIPTION];
    else answers[SUBSCRIPTION] = [200, subscription(change)];
    expectProblems(await check(), { subscription: [state, text, remediation] });
  });

  it('reports a secret that is missing, disabled, or still empty', async () => {
    const version = SECRET.replace('latest', '3');
    delete answers[SECRET];
    expectProblems(await check(), { secrets: ['fail', /refresh-token does not exist/, /npm run deploy/] });
    answers[SECRET] = [200, { name: version, state: 'DISABLED' }];
    expectProblems(await check(), {
      secrets: [
        'fail',
        /version 3 .*DISABLED/,
        /gcloud secrets versions enable 3 --secret email-monitor-gmail-refresh/,
      ],
    });
    answers[SECRET] = [200, { name: SECRET.replace('latest', '1'), state: 'ENABLED' }];
    expectProblems(await check(), { secrets: ['warn', /only its first version/, /npm run authorize/] });
  });

  it('reports a job that calls another address, or whose last call was rejected', async () => {
    answers[JOB] = [200, { httpTarget: { uri: 'https://old.example.com' } }];
    expectProblems(await check(), { scheduler_target: ['fail', /calls https:\/\/old/, /npm run deploy/] });
    answers[JOB] = [
      200,
      { httpTarget: { uri: `${frontEnd.url}/poll/` }, status: { code: 7, message: 'denied' } },
    ];
    expectProblems(await check(), { scheduler_target: ['warn', /code 7: denied/, /may not call poll/] });
  });

  it('warns about resources that it may not read, and names the missing role', async () => {
    const forbidden: Answer = [403, { error: { message: 'pubsub.topics.get denied' } }];
    answers = { ...answers, [TOPIC]: forbidden, [JOB]: forbidden };
    expectProblems(await check(), {
      scheduler_target: ['warn', /could not be checked: .*403.*denied/, /roles\/viewer/],
      topic: ['warn', /could not be checked: .*403.*denied/, /roles\/viewer/],
    });
  });

  it('reports what status reports: a job that disagrees, a rejected token, an expired watch', async () => {
    status.scheduler = { ...status.scheduler, state: 'paused', agrees: false };
    expectProblems(await check(), {
      scheduler_job: ['fail', /paused, and the monitor is on/, /POST start/],
    });
    // Also before the first poll: Terraform creates the job paused.
    status = { ...status, is_running: false, last_poll_at: null };
    status.scheduler = { ...status.scheduler, state: 'enabled', agrees: false };
    expect((await check()).findings.find((result) => result.name === 'scheduler_job')).toMatchObject({
      state: 'fail',
      remediation: expect.stringContaining('POST stop'),
    });
    status = (await system.call('status')).json;
    status.scheduler = { ...status.scheduler, state: 'enabled', agrees: true };
    status.mailboxes[0].watch.expires_at = '2026-01-01T00:00:00.000Z';
    expectProblems(await check(), { watch: ['fail', /expired at 2026-01-01/, /POST start/] });
    status = (await system.call('status')).json;
    status.state = 'reauth_required';
    status.mailboxes[0].state = 'reauth_required';
    status.mailboxes[0].last_error = {
      code: 'reauth_required',
      detail: '400 invalid_grant.',
      remediation: 'Authorize.',
    };
    expectProblems(await check(), {
      credentials: ['fail', /rejects the refresh token/, /npm run authorize .*--secret-manager/],
      mailbox: ['fail', /invalid_grant/, /Authorize/],
    });
  });

  it('does not check push where it was deployed without', async () => {
    const value = (one: unknown) => ({ sensitive: false, value: one });
    const outputs = {
      name: value('email-monitor'),
      project_id: value('orders-example'),
      region: value('europe-west1'),
      migrate_url: value(`${frontEnd.url}/migrate`),
      status_url: value(`${frontEnd.url}/status`),
      urls: value({ start: `${frontEnd.url}/start`, poll: `${frontEnd.url}/poll` }),
    };
    fixture.stub({ when: /^terraform \S+ output -json/, prints: JSON.stringify(outputs) });
    for (const resource of [TOPIC, `${TOPIC}:getIamPolicy`, SUBSCRIPTION]) delete answers[resource];
    status.mailboxes[0].watch = null;
    const output = await check();
    expectProblems(output, {});
    const skipped = output.findings.filter(({ state }) => state === 'skip').map(({ name }) => name);
    expect(skipped).toEqual(
      expect.arrayContaining(['topic', 'publisher', 'subscription', 'watch', 'last_push']),
    );
  });

  it('still checks Google when status rejects the caller', async () => {
    frontEnd.reject(9);
    expectProblems(await check(), { status: ['fail', /may not call it/, /`viewers`/] });
  });
});
