/**
 * Calls of Cloud Scheduler and Pub/Sub to the built functions, through a front end that requires an ID token as Cloud Run
 * does. A valid token gets an email stored; without one, no call reaches a function.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deliverWithToken } from '../../emulators/scheduler/delivery.ts';
import { buildDist, type Dist, type Served, serve } from '../build/dist.ts';
import { JOB, PARENT, schedulerFixture } from '../emulators/scheduler/scheduler-fixture.ts';
import { storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';
import {
  type Claims,
  type IdTokenIssuer,
  startIdTokenIssuer,
  unsigned,
  withClaimsOf,
} from './id-token-issuer.ts';
import { type OidcFrontEnd, startOidcFrontEnd } from './oidc-front-end.ts';

const SCHEDULER = 'scheduler-invoker@demo.iam.gserviceaccount.com';
const PUBSUB = 'pubsub-invoker@demo.iam.gserviceaccount.com';

let issuer: IdTokenIssuer;
let dist: Dist;
let system: TestSystem;
let served: Served[];
let poll: OidcFrontEnd;
let gmailPush: OidcFrontEnd;
beforeAll(async () => {
  [issuer, dist, system] = await Promise.all([startIdTokenIssuer(), buildDist(), createTestSystem()]);
  await system.turnOn();
  // A push can name only a mailbox that the database has.
  await system.ingest();
  served = await Promise.all([
    serve(dist.folder, 'poll', system.env),
    serve(dist.folder, 'gmailPush', system.env),
  ]);
  const [pollUrl = '', pushUrl = ''] = served.map(({ url }) => url);
  const { jwksUrl } = issuer;
  poll = await startOidcFrontEnd({ functionUrl: pollUrl, invokers: [SCHEDULER], jwksUrl });
  gmailPush = await startOidcFrontEnd({ functionUrl: pushUrl, invokers: [PUBSUB], jwksUrl });
});
afterAll(async () => {
  await Promise.all([poll?.close(), gmailPush?.close(), ...(served ?? []).map((one) => one.stop())]);
  await Promise.all([system?.close(), issuer?.close()]);
  dist?.remove();
});

/** One run of a job that calls poll through its front end. @returns the status of the job afterwards */
async function tick(httpTarget: { readonly oidcToken?: object }) {
  const { scheduler, tickAt } = schedulerFixture({ deliver: deliverWithToken(issuer.mint) });
  scheduler.create(PARENT, {
    name: JOB,
    schedule: '* * * * *',
    httpTarget: { uri: `${poll.url}/`, httpMethod: 'POST', ...httpTarget },
  });
  await tickAt('09:01');
  return scheduler.get(JOB).status;
}

/** Delivers an email, and sends its push to gmail-push through its front end. */
async function deliverAndPush(authorization: string | null): Promise<string> {
  const { notifications } = system.gmail;
  const { id } = system.gmail.deliver(order(1));
  notifications.url = gmailPush.url;
  notifications.isRateLimited = false;
  notifications.maxAttempts = 1;
  notifications.headers = authorization === null ? {} : { authorization };
  notifications.publish();
  await notifications.settled();
  return id;
}

describe('Cloud Scheduler', () => {
  it('gets an email stored by calling poll with the token of its account', async () => {
    const { id } = system.gmail.deliver(order(1));
    expect(await tick({ oidcToken: { serviceAccountEmail: SCHEDULER, audience: poll.url } })).toEqual({});
    expect(poll.passed).toEqual([SCHEDULER]);
    expect(await storedIds(system)).toContain(id);
  });

  it.each([
    ['without an account', 16, () => ({})],
    [
      'with the token of another account',
      7,
      () => ({ oidcToken: { serviceAccountEmail: PUBSUB, audience: poll.url } }),
    ],
    // The address of the target has a final slash, which the service's audience does not have.
    ['without an audience', 16, () => ({ oidcToken: { serviceAccountEmail: SCHEDULER } })],
  ])('is rejected %s, and the job shows the error', async (_name, code, target) => {
    const before = await readTraces();
    system.gmail.deliver(order(1));
    expect(await tick(target())).toMatchObject({ code });
    expect(await readTraces()).toEqual(before);
  });
});

describe('Pub/Sub', () => {
  it('gets an email stored by a push with the token of its account', async () => {
    const token = issuer.mint({ email: PUBSUB, audience: gmailPush.url });
    const id = await deliverAndPush(`Bearer ${token}`);
    expect(gmailPush.passed).toEqual([PUBSUB]);
    expect(await storedIds(system)).toContain(id);
  });

  it('is rejected without a token', async () => {
    const before = await readTraces();
    await deliverAndPush(null);
    expect(gmailPush.rejected).toEqual([401]);
    expect(await readTraces()).toEqual(before);
  });
});

const BAD_CALLS: [name: string, status: number, authorization: (right: Claims) => string][] = [
  ['nonsense instead of a token', 401, () => 'Bearer nonsense'],
  ['a password', 401, () => `Basic ${Buffer.from('poll:password').toString('base64')}`],
  ['a token that has expired', 401, (right) => `Bearer ${issuer.mint({ ...right, ageSeconds: 2 * 3_600 })}`],
  [
    'a token for another service',
    401,
    (right) => `Bearer ${issuer.mint({ ...right, audience: gmailPush.url })}`,
  ],
  [
    'a token of another issuer',
    401,
    (right) => `Bearer ${issuer.mint({ ...right, issuer: 'https://issuer.example.com' })}`,
  ],
  ['a token signed with an unpublished key', 401, (right) => `Bearer ${issuer.forge(right)}`],
  ['a token without a signature', 401, (right) => `Bearer ${unsigned(issuer.mint(right))}`],
  [
    'the claims of one account with the signature of another',
    401,
    (right) => `Bearer ${withClaimsOf(issuer.mint({ ...right, email: PUBSUB }), issuer.mint(right))}`,
  ],
  [
    'the token of an account that is not an invoker',
    403,
    (right) => `Bearer ${issuer.mint({ ...right, email: 'stranger@example.com' })}`,
  ],
];

it.each(BAD_CALLS)('rejects %s with %i before the function sees the call', async (_name, status, header) => {
  const before = await readTraces();
  const authorization = header({ email: SCHEDULER, audience: poll.url });
  system.gmail.deliver(order(1));
  const response = await fetch(poll.url, { method: 'POST', headers: { authorization } });
  expect(response.status).toBe(status);
  expect(await readTraces()).toEqual(before);
});

/** Everything that a call leaves behind when it reaches a function. */
async function readTraces() {
  return {
    passed: [...poll.passed, ...gmailPush.passed],
    output: served.map((one) => one.output()),
    runs: await system.rows('select id from ingest_runs'),
    stored: await storedIds(system),
  };
}
