import nock from 'nock';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../shared/deadline.ts';
import type { ErrorCode } from '../../shared/errors.ts';
import {
  ACCESS_TOKEN,
  benchClient,
  type ClientBench,
  faultOf,
  MAIL_CONTENT,
  neverLarge,
} from './client-bench.ts';

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

let bench: ClientBench;
let requestCount: number;

beforeEach(() => {
  nock.disableNetConnect();
  bench = benchClient();
  requestCount = 0;
  nock(OAUTH).post('/token').reply(200, { access_token: ACCESS_TOKEN, expires_in: 3600 });
});
afterEach(() => {
  nock.cleanAll();
  nock.enableNetConnect();
});

async function call(verb: Verb): Promise<unknown> {
  const { client, context } = bench;
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

/** Gmail answers so to every call of that kind. */
function gmailSays(
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

/** Google's form of a fault, with a text that quotes mail. */
function googleFault(status: number, reason: string, message = MAIL_CONTENT): object {
  const errors = [{ message, domain: 'global', reason }];
  return { error: { code: status, message, errors, status: 'WHATEVER' } };
}

const profile = { emailAddress: 'orders@example.com', historyId: '1' };

describe('a rate limit', () => {
  const limits = [
    [403, 'rateLimitExceeded'],
    [403, 'userRateLimitExceeded'],
    [403, 'quotaExceeded'],
    [429, 'rateLimitExceeded'],
    [429, 'somethingNew'],
  ] as const;

  it.each(limits)(
    'of %i %s is tried four times on a list, reported each time, and each attempt reserves its units',
    async (status, reason) => {
      gmailSays('listMessages', status, googleFault(status, reason));
      expect(await faultOf(call('listMessages'))).toMatchObject({
        code: 'gmail_rate_limited',
        message: `users.messages.list: ${status} ${reason}.`,
      });
      expect(requestCount).toBe(4);
      expect(bench.units).toEqual([5, 5, 5, 5]);
      expect([bench.rateLimitedCount, bench.successCount]).toEqual([4, 0]);
    },
  );

  it.each(limits)('of %i %s on a message is thrown at once', async (status, reason) => {
    gmailSays('getRawMessage', status, googleFault(status, reason), { 'Retry-After': '7' });
    expect(await faultOf(call('getRawMessage'))).toMatchObject({
      code: 'gmail_rate_limited',
      retryAfterMs: 7_000,
    });
    expect([requestCount, bench.waits, bench.units, bench.rateLimitedCount]).toEqual([1, [], [], 1]);
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
  ])(
    'of %i %s with the text "%s" is the daily limit, which no retry in this run can pass',
    async (status, reason, text) => {
      for (const verb of ['listMessages', 'getRawMessage'] as const) {
        requestCount = 0;
        gmailSays(verb, status, googleFault(status, reason, text));
        const error = await faultOf(call(verb));
        expect(error).toMatchObject({ code: 'gmail_daily_limit', retry: 'later' });
        expect(error.remediation).toContain('per day');
        expect([requestCount, bench.rateLimitedCount]).toEqual([1, 0]);
      }
    },
  );

  it('keeps a Retry-After beyond the deadline on its error, for the next try of the mailbox', async () => {
    bench = benchClient({ deadline: Deadline.after(30_000) });
    gmailSays('listHistory', 429, googleFault(429, 'rateLimitExceeded'), { 'Retry-After': '900' });
    expect(await faultOf(call('listHistory'))).toMatchObject({
      code: 'gmail_rate_limited',
      retryAfterMs: 900_000,
    });
    expect([requestCount, bench.waits]).toEqual([1, []]);
  });

  it('names itself in the newer form too', async () => {
    const details = [{ '@type': 'x' }, { reason: 'RATE_LIMIT_EXCEEDED' }];
    gmailSays('getProfile', 403, { error: { code: 403, message: MAIL_CONTENT, details } });
    expect((await faultOf(call('getProfile'))).code).toBe('gmail_rate_limited');
  });

  it('waits as long as Retry-After says in seconds, and by itself where it says nothing', async () => {
    nock(GMAIL).get(PATH.getProfile).reply(429, {}, { 'Retry-After': '30' });
    nock(GMAIL).get(PATH.getProfile).reply(429, {});
    nock(GMAIL).get(PATH.getProfile).reply(429, {}, { 'Retry-After': 'soon' });
    nock(GMAIL).get(PATH.getProfile).reply(200, profile);
    await call('getProfile');
    expect(bench.waits).toEqual([30_000, 1_750, 2_750]);
  });

  it('waits until the time that Retry-After gives as a date', async () => {
    vi.spyOn(Date, 'now').mockReturnValue(Date.parse('2026-11-23T09:00:00Z'));
    nock(GMAIL).get(PATH.getProfile).reply(503, {}, { 'Retry-After': 'Mon, 23 Nov 2026 09:00:12 GMT' });
    nock(GMAIL).get(PATH.getProfile).reply(503, {}, { 'Retry-After': 'Mon, 23 Nov 2026 08:00:00 GMT' });
    nock(GMAIL).get(PATH.getProfile).reply(200, profile);
    await call('getProfile');
    expect(bench.waits).toEqual([12_000, 1_750]);
  });

  it('that passes costs nothing but its wait', async () => {
    nock(GMAIL).get(PATH.getProfile).reply(403, googleFault(403, 'rateLimitExceeded'));
    nock(GMAIL).get(PATH.getProfile).reply(200, profile);
    expect(await call('getProfile')).toEqual(profile);
    expect([bench.rateLimitedCount, bench.successCount]).toEqual([1, 1]);
  });
});

describe('Gmail being away', () => {
  it.each([500, 502, 503, 504, 408])('with %i on a list is tried four times', async (status) => {
    gmailSays('listMessages', status, `<html>${MAIL_CONTENT}</html>`);
    expect(await faultOf(call('listMessages'))).toMatchObject({
      code: 'gmail_unavailable',
      message: `users.messages.list: ${status}.`,
    });
    expect(requestCount).toBe(4);
    expect(bench.waits).toEqual([1_250, 1_750, 2_750]);
    expect(bench.units).toEqual([5, 5, 5, 5]);
    expect(bench.rateLimitedCount).toBe(0);
  });

  it.each([500, 502, 503, 504])('with %i on a message is repeated once at once', async (status) => {
    gmailSays('getRawMessage', status, `<html>${MAIL_CONTENT}</html>`);
    expect(await faultOf(call('getRawMessage'))).toMatchObject({
      code: 'gmail_unavailable',
      message: `users.messages.get: ${status}.`,
    });
    expect([requestCount, bench.waits, bench.units]).toEqual([2, [], [20]]);
  });

  it('for one moment costs a message nothing but the repeat', async () => {
    nock(GMAIL).get(PATH.getRawMessage).query(true).reply(503, {});
    gmailSays('getRawMessage', 200, { id: 'm1', raw: 'QQ' });
    await call('getRawMessage');
    expect([bench.waits, bench.units, bench.successCount]).toEqual([[], [20], 1]);
  });

  it('with a Retry-After on a message is left to the ledger, which can wait so long', async () => {
    gmailSays('getRawMessage', 503, {}, { 'Retry-After': '60' });
    expect(await faultOf(call('getRawMessage'))).toMatchObject({ retryAfterMs: 60_000 });
    expect(requestCount).toBe(1);
  });

  it.each(ALL.flatMap((verb) => [401, 403, 404].map((status) => [verb, status] as const)))(
    'behind a page of a proxy instead of Google on %s with %i locks nothing out and loses no message',
    async (verb, status) => {
      nock(OAUTH).post('/token').reply(200, { access_token: ACCESS_TOKEN }).persist();
      for (const body of ['<html>Sign in</html>', '', '{"error":"access_denied"}']) {
        gmailSays(verb, status, body);
        expect((await faultOf(call(verb))).code).toBe('gmail_unavailable');
      }
      expect(bench.credentialsRefusedCount).toBe(0);
    },
  );

  it.each([
    ['a page of HTML', '<!DOCTYPE html><title>Sign in</title>', 'the answer is not JSON'],
    ['half of its JSON', '{"emailAddress": "orders@', 'the answer is not JSON'],
    ['an empty body', '', 'the answer is not JSON'],
    ['an array', '[]', 'the answer lacks or garbles "answer"'],
    ['null', 'null', 'the answer lacks or garbles "answer"'],
    ['no address', { historyId: '1' }, 'the answer lacks or garbles "emailAddress"'],
    ['no historyId', { emailAddress: 'a@example.com' }, 'the answer lacks or garbles "historyId"'],
  ])('behind a 200 with %s is tried four times', async (_, body, problem) => {
    gmailSays('getProfile', 200, body);
    expect(await faultOf(call('getProfile'))).toMatchObject({
      code: 'gmail_unavailable',
      message: `users.getProfile: ${problem}.`,
    });
    expect(requestCount).toBe(4);
  });
});

describe('a refusal for good', () => {
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
  ])('of %s with %i %s is %s', async (verb, status, reason, code) => {
    gmailSays(verb, status, googleFault(status, reason));
    const error = await faultOf(call(verb));
    expect(error).toMatchObject({ code, retry: 'never' });
    expect(error.message).toMatch(new RegExp(`^users\\..*: ${status} ${reason}\\.$`));
    expect(requestCount).toBe(1);
    expect(bench.waits).toEqual([]);
    // Gmail has served such a call, so it does not limit the rate.
    const isServed = ['message_gone', 'gmail_refused', 'history_expired'].includes(code);
    expect([bench.rateLimitedCount, bench.successCount]).toEqual([0, isServed ? 1 : 0]);
    expect(bench.credentialsRefusedCount).toBe(code === 'gmail_denied' ? 1 : 0);
  });

  it.each(ALL)('of %s because the account has no mail service names the licence', async (verb) => {
    gmailSays(verb, 400, googleFault(400, 'failedPrecondition', 'Mail service not enabled'));
    const error = await faultOf(call(verb));
    expect(error.code).toBe('mail_service_disabled');
    expect(error.remediation).toMatch(/licence.*suspended/);
    expect([requestCount, bench.credentialsRefusedCount]).toEqual([1, 1]);
  });

  it('of a watch because the client has another one says to stop first', async () => {
    const text = 'Only one user push notification client allowed per developer (call /stop then try again)';
    gmailSays('watch', 400, googleFault(400, 'failedPrecondition', text));
    const error = await faultOf(call('watch'));
    expect(error.code).toBe('watch_conflict');
    expect(error.remediation).toMatch(/POST stop, then POST start/);
  });

  it('of a list for a reason that nobody knows is tried again instead of locking out', async () => {
    gmailSays('listHistory', 403, googleFault(403, 'somethingNew'));
    expect((await faultOf(call('listHistory'))).code).toBe('gmail_unavailable');
    expect(requestCount).toBe(4);
  });

  it('says no reason when the answer has none, or one that is no word', async () => {
    gmailSays('getRawMessage', 403, googleFault(403, `${MAIL_CONTENT} was not found`));
    expect((await faultOf(call('getRawMessage'))).message).toBe('users.messages.get: 403.');
    gmailSays('listMessages', 400, '<html>no</html>');
    nock(OAUTH).post('/token').reply(200, { access_token: ACCESS_TOKEN }).persist();
    expect((await faultOf(call('listMessages'))).message).toBe('users.messages.list: 400.');
  });
});

it.each(ALL)('%s reserves its units before it is sent', async (verb) => {
  const reservedAt: number[] = [];
  bench = benchClient({
    acquireUnits: async () => {
      reservedAt.push(requestCount);
    },
  });
  gmailSays(verb, 404, googleFault(404, 'notFound'));
  await faultOf(call(verb));
  expect(bench.units).toEqual(UNITS[verb]);
  expect(reservedAt).toEqual(UNITS[verb].map(() => 0));
});
