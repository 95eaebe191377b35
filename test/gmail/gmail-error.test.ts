import nock from 'nock';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../shared/deadline.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import {
  ACCESS_TOKEN,
  type ClientFixture,
  createClientFixture,
  errorOf,
  MAIL_CONTENT,
  neverLarge,
} from './client-fixture.ts';

const GMAIL = 'https://gmail.googleapis.com';
const OAUTH = 'https://oauth2.googleapis.com';

type Verb = 'getProfile' | 'listHistory' | 'listMessages' | 'listLabels' | 'watch' | 'getRawMessage';

const PATH: Record<Verb, string> = {
  getProfile: '/gmail/v1/users/me/profile',
  listHistory: '/gmail/v1/users/me/history',
  listMessages: '/gmail/v1/users/me/messages',
  listLabels: '/gmail/v1/users/me/labels',
  watch: '/gmail/v1/users/me/watch',
  getRawMessage: '/gmail/v1/users/me/messages/m1',
};
/** Units that each attempt reserves. Those of a message's first attempt are reserved by the caller. */
const UNITS: Record<Verb, number[]> = {
  getProfile: [1],
  listHistory: [2],
  listMessages: [5],
  listLabels: [1],
  watch: [100],
  getRawMessage: [],
};
const ALL = Object.keys(PATH) as Verb[];

let fixture: ClientFixture;
let requestCount: number;

beforeEach(() => {
  nock.disableNetConnect();
  fixture = createClientFixture();
  requestCount = 0;
  nock(OAUTH).post('/token').reply(200, { access_token: ACCESS_TOKEN, expires_in: 3600 });
});
afterEach(() => {
  nock.cleanAll();
  nock.enableNetConnect();
});

async function call(verb: Verb): Promise<unknown> {
  const { client, context } = fixture;
  if (verb === 'getProfile') return await client.getProfile(context);
  if (verb === 'listHistory') {
    return await client.listHistory(context, { startHistoryId: '1', pageToken: null });
  }
  if (verb === 'listMessages') {
    return await client.listMessages(context, { query: 'in:inbox', labelId: null, pageToken: null });
  }
  if (verb === 'listLabels') return await client.listLabels(context);
  if (verb === 'watch') return await client.watch(context, 'projects/demo/topics/gmail');
  return await client.getRawMessage(context, 'm1', neverLarge);
}

/** Gmail gives this answer to every call of that kind. */
function answerWith(
  verb: Verb,
  status: number,
  body: string | object,
  headers: Record<string, string> = {},
): void {
  nock(GMAIL)
    .intercept(PATH[verb], verb === 'watch' ? 'POST' : 'GET')
    .query(true)
    .reply(() => {
      requestCount += 1;
      return [status, body, headers];
    })
    .persist();
}

/** An error body of Google whose text quotes mail content. */
function googleErrorBody(status: number, reason: string, message = MAIL_CONTENT): object {
  const errors = [{ message, domain: 'global', reason }];
  return { error: { code: status, message, errors, status: 'WHATEVER' } };
}

const profile = { emailAddress: 'orders@example.com', historyId: '1' };

describe('rate limit', () => {
  const limits = [
    [403, 'rateLimitExceeded'],
    [403, 'userRateLimitExceeded'],
    [403, 'quotaExceeded'],
    [429, 'rateLimitExceeded'],
    [429, 'somethingNew'],
  ] as const;

  it.each(limits)(
    'retries a list with %i %s up to four attempts, reports each one, and reserves units for each',
    async (status, reason) => {
      answerWith('listMessages', status, googleErrorBody(status, reason));
      expect(await errorOf(call('listMessages'))).toMatchObject({
        code: 'gmail_rate_limited',
        message: `users.messages.list: ${status} ${reason}.`,
      });
      expect(requestCount).toBe(4);
      expect(fixture.units).toEqual([5, 5, 5, 5]);
      expect([fixture.rateLimitedCount, fixture.successCount]).toEqual([4, 0]);
    },
  );

  it.each(limits)('throws %i %s of a message without a retry', async (status, reason) => {
    answerWith('getRawMessage', status, googleErrorBody(status, reason), { 'Retry-After': '7' });
    expect(await errorOf(call('getRawMessage'))).toMatchObject({
      code: 'gmail_rate_limited',
      retryAfterMs: 7_000,
    });
    expect([requestCount, fixture.waits, fixture.units, fixture.rateLimitedCount]).toEqual([1, [], [], 1]);
  });

  it.each([
    [403, 'dailyLimitExceeded', MAIL_CONTENT],
    [
      403,
      'rateLimitExceeded',
      'Quota exceeded for quota metric "Queries" and limit "Queries per day" of service',
    ],
    [
      429,
      'rateLimitExceeded',
      'Quota exceeded for quota metric "Queries" and limit "Queries per day" of service',
    ],
  ])('maps %i %s with the text "%s" to gmail_daily_limit without a retry', async (status, reason, text) => {
    for (const verb of ['listMessages', 'getRawMessage'] as const) {
      requestCount = 0;
      answerWith(verb, status, googleErrorBody(status, reason, text));
      const error = await errorOf(call(verb));
      expect(error).toMatchObject({ code: 'gmail_daily_limit', retry: 'later' });
      expect(error.remediation).toContain('per day');
      expect([requestCount, fixture.rateLimitedCount]).toEqual([1, 0]);
    }
  });

  it('keeps a Retry-After beyond the deadline on the error, for the next poll', async () => {
    fixture = createClientFixture({ deadline: Deadline.after(30_000) });
    answerWith('listHistory', 429, googleErrorBody(429, 'rateLimitExceeded'), { 'Retry-After': '900' });
    expect(await errorOf(call('listHistory'))).toMatchObject({
      code: 'gmail_rate_limited',
      retryAfterMs: 900_000,
    });
    expect([requestCount, fixture.waits]).toEqual([1, []]);
  });

  it('recognizes a rate limit in the newer error format', async () => {
    const details = [{ '@type': 'x' }, { reason: 'RATE_LIMIT_EXCEEDED' }];
    answerWith('getProfile', 403, { error: { code: 403, message: MAIL_CONTENT, details } });
    expect((await errorOf(call('getProfile'))).code).toBe('gmail_rate_limited');
  });

  it('waits for the seconds of Retry-After, and backs off without a valid one', async () => {
    nock(GMAIL).get(PATH.getProfile).reply(429, {}, { 'Retry-After': '30' });
    nock(GMAIL).get(PATH.getProfile).reply(429, {});
    nock(GMAIL).get(PATH.getProfile).reply(429, {}, { 'Retry-After': 'soon' });
    nock(GMAIL).get(PATH.getProfile).reply(200, profile);
    await call('getProfile');
    expect(fixture.waits).toEqual([30_000, 1_750, 2_750]);
  });

  it('waits until the date of Retry-After', async () => {
    vi.spyOn(Date, 'now').mockReturnValue(Date.parse('2026-11-23T09:00:00Z'));
    nock(GMAIL).get(PATH.getProfile).reply(503, {}, { 'Retry-After': 'Mon, 23 Nov 2026 09:00:12 GMT' });
    nock(GMAIL).get(PATH.getProfile).reply(503, {}, { 'Retry-After': 'Mon, 23 Nov 2026 08:00:00 GMT' });
    nock(GMAIL).get(PATH.getProfile).reply(200, profile);
    await call('getProfile');
    expect(fixture.waits).toEqual([12_000, 1_750]);
  });

  it('a rate limit that ends costs only its wait', async () => {
    nock(GMAIL).get(PATH.getProfile).reply(403, googleErrorBody(403, 'rateLimitExceeded'));
    nock(GMAIL).get(PATH.getProfile).reply(200, profile);
    expect(await call('getProfile')).toEqual(profile);
    expect([fixture.rateLimitedCount, fixture.successCount]).toEqual([1, 1]);
  });
});

describe('Gmail outage', () => {
  it.each([500, 502, 503, 504, 408])('retries a list with %i up to four attempts', async (status) => {
    answerWith('listMessages', status, `<html>${MAIL_CONTENT}</html>`);
    expect(await errorOf(call('listMessages'))).toMatchObject({
      code: 'gmail_unavailable',
      message: `users.messages.list: ${status}.`,
    });
    expect(requestCount).toBe(4);
    expect(fixture.waits).toEqual([1_250, 1_750, 2_750]);
    expect(fixture.units).toEqual([5, 5, 5, 5]);
    expect(fixture.rateLimitedCount).toBe(0);
  });

  it.each([500, 502, 503, 504])('repeats a message with %i once without a wait', async (status) => {
    answerWith('getRawMessage', status, `<html>${MAIL_CONTENT}</html>`);
    expect(await errorOf(call('getRawMessage'))).toMatchObject({
      code: 'gmail_unavailable',
      message: `users.messages.get: ${status}.`,
    });
    expect([requestCount, fixture.waits, fixture.units]).toEqual([2, [], [20]]);
  });

  it('a message that fails once with 503 costs one repeat', async () => {
    nock(GMAIL).get(PATH.getRawMessage).query(true).reply(503, {});
    answerWith('getRawMessage', 200, { id: 'm1', raw: 'QQ' });
    await call('getRawMessage');
    expect([fixture.waits, fixture.units, fixture.successCount]).toEqual([[], [20], 1]);
  });

  it('does not repeat a message whose answer has a Retry-After', async () => {
    answerWith('getRawMessage', 503, {}, { 'Retry-After': '60' });
    expect(await errorOf(call('getRawMessage'))).toMatchObject({ retryAfterMs: 60_000 });
    expect(requestCount).toBe(1);
  });

  it.each(ALL.flatMap((verb) => [401, 403, 404].map((status) => [verb, status] as const)))(
    'treats the page of a proxy on %s with %i as an outage',
    async (verb, status) => {
      nock(OAUTH).post('/token').reply(200, { access_token: ACCESS_TOKEN }).persist();
      for (const body of ['<html>Sign in</html>', '', '{"error":"access_denied"}']) {
        answerWith(verb, status, body);
        expect((await errorOf(call(verb))).code).toBe('gmail_unavailable');
      }
      expect(fixture.credentialsRejectedCount).toBe(0);
    },
  );

  it.each([
    ['a page of HTML', '<!DOCTYPE html><title>Sign in</title>', 'the answer is not JSON'],
    ['half of its JSON', '{"emailAddress": "orders@', 'the answer is not JSON'],
    ['an empty body', '', 'the answer is not JSON'],
    ['an array', '[]', 'the response has no valid "answer"'],
    ['null', 'null', 'the response has no valid "answer"'],
    ['no address', { historyId: '1' }, 'the response has no valid "emailAddress"'],
    ['no historyId', { emailAddress: 'a@example.com' }, 'the response has no valid "historyId"'],
  ])('retries a 200 with %s up to four attempts', async (_, body, problem) => {
    answerWith('getProfile', 200, body);
    expect(await errorOf(call('getProfile'))).toMatchObject({
      code: 'gmail_unavailable',
      message: `users.getProfile: ${problem}.`,
    });
    expect(requestCount).toBe(4);
  });
});

describe('permanent error', () => {
  it.each<[Verb, number, string, ErrorCode]>([
    ['getRawMessage', 404, 'notFound', 'message_gone'],
    ['listHistory', 404, 'notFound', 'history_expired'],
    ['listMessages', 404, 'notFound', 'gmail_refused'],
    ['getRawMessage', 400, 'failedPrecondition', 'gmail_refused'],
    ['listHistory', 400, 'failedPrecondition', 'gmail_denied'],
    ['getProfile', 400, 'failedPrecondition', 'gmail_denied'],
    ['listMessages', 400, 'invalidArgument', 'gmail_refused'],
    ['getRawMessage', 403, 'forbidden', 'gmail_refused'],
    ['getRawMessage', 403, 'insufficientPermissions', 'gmail_denied'],
    ['getRawMessage', 403, 'accessNotConfigured', 'gmail_denied'],
    ['getRawMessage', 403, 'domainPolicy', 'gmail_denied'],
    ['listHistory', 403, 'forbidden', 'gmail_denied'],
    ['listHistory', 403, 'insufficientPermissions', 'gmail_denied'],
    ['watch', 403, 'forbidden', 'watch_denied'],
    ['watch', 403, 'insufficientPermissions', 'gmail_denied'],
    ['watch', 400, 'invalidArgument', 'watch_topic_wrong'],
    ['watch', 404, 'notFound', 'watch_topic_wrong'],
    ['getProfile', 412, 'conditionNotMet', 'gmail_refused'],
  ])('maps %s with %i %s to %s without a retry', async (verb, status, reason, code) => {
    answerWith(verb, status, googleErrorBody(status, reason));
    const error = await errorOf(call(verb));
    expect(error).toMatchObject({ code, retry: 'never' });
    expect(error.message).toMatch(new RegExp(`^users\\..*: ${status} ${reason}\\.$`));
    expect(requestCount).toBe(1);
    expect(fixture.waits).toEqual([]);
    // Gmail has served such a call, so it does not limit the rate.
    const isServed = ['message_gone', 'gmail_refused', 'history_expired'].includes(code);
    expect([fixture.rateLimitedCount, fixture.successCount]).toEqual([0, isServed ? 1 : 0]);
    expect(fixture.credentialsRejectedCount).toBe(code === 'gmail_denied' ? 1 : 0);
  });

  it.each(ALL)(
    'maps an account without mail service on %s to mail_service_disabled, and the remediation names the licence',
    async (verb) => {
      answerWith(verb, 400, googleErrorBody(400, 'failedPrecondition', 'Mail service not enabled'));
      const error = await errorOf(call(verb));
      expect(error.code).toBe('mail_service_disabled');
      expect(error.remediation).toMatch(/licence.*suspended/);
      expect([requestCount, fixture.credentialsRejectedCount]).toEqual([1, 1]);
    },
  );

  it('maps a second watch of the client to watch_conflict, and the remediation says to stop first', async () => {
    const text = 'Only one user push notification client allowed per developer (call /stop then try again)';
    answerWith('watch', 400, googleErrorBody(400, 'failedPrecondition', text));
    const error = await errorOf(call('watch'));
    expect(error.code).toBe('watch_conflict');
    expect(error.remediation).toMatch(/POST stop, then POST start/);
  });

  it('retries a list with 403 for an unknown reason', async () => {
    answerWith('listHistory', 403, googleErrorBody(403, 'somethingNew'));
    expect((await errorOf(call('listHistory'))).code).toBe('gmail_unavailable');
    expect(requestCount).toBe(4);
  });

  it('omits the reason when the answer has none or it is not a single word', async () => {
    answerWith('getRawMessage', 403, googleErrorBody(403, `${MAIL_CONTENT} was not found`));
    expect((await errorOf(call('getRawMessage'))).message).toBe('users.messages.get: 403.');
    answerWith('listMessages', 400, '<html>no</html>');
    nock(OAUTH).post('/token').reply(200, { access_token: ACCESS_TOKEN }).persist();
    expect((await errorOf(call('listMessages'))).message).toBe('users.messages.list: 400.');
  });
});

it.each(ALL)('%s reserves its units before it is sent', async (verb) => {
  const reservedAt: number[] = [];
  fixture = createClientFixture({
    acquireUnits: async () => {
      reservedAt.push(requestCount);
    },
  });
  answerWith(verb, 404, googleErrorBody(404, 'notFound'));
  await errorOf(call(verb));
  expect(fixture.units).toEqual(UNITS[verb]);
  expect(reservedAt).toEqual(UNITS[verb].map(() => 0));
});
