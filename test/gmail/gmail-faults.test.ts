import nock from 'nock';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
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

type Verb = 'getProfile' | 'listHistory' | 'listMessages' | 'getRawMessage';

const PATH: Record<Verb, string> = {
  getProfile: '/gmail/v1/users/me/profile',
  listHistory: '/gmail/v1/users/me/history',
  listMessages: '/gmail/v1/users/me/messages',
  getRawMessage: '/gmail/v1/users/me/messages/m1',
};
const UNITS: Record<Verb, number> = { getProfile: 1, listHistory: 2, listMessages: 5, getRawMessage: 20 };
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
    .get(PATH[verb])
    .query(true)
    .reply(() => {
      requestCount += 1;
      return [status, body, headers];
    })
    .persist();
}

/** Google's form of a fault, with a text that quotes mail. */
function googleFault(status: number, reason: string): object {
  const errors = [{ message: MAIL_CONTENT, domain: 'global', reason }];
  return { error: { code: status, message: MAIL_CONTENT, errors, status: 'WHATEVER' } };
}

const profile = { emailAddress: 'orders@example.com', historyId: '1' };

describe('a refusal for the rate', () => {
  it.each([
    [403, 'rateLimitExceeded'],
    [403, 'userRateLimitExceeded'],
    [403, 'quotaExceeded'],
    [429, 'rateLimitExceeded'],
    [429, 'somethingNew'],
  ])(
    'of %i %s is tried four times, told to the pacer each time, and paid for each time',
    async (status, reason) => {
      gmailSays('listMessages', status, googleFault(status, reason));
      expect(await faultOf(call('listMessages'))).toMatchObject({
        code: 'gmail_rate_limited',
        message: `users.messages.list: ${status} ${reason}.`,
      });
      expect(requestCount).toBe(4);
      expect(bench.paid).toEqual([5, 5, 5, 5]);
      expect(bench.refusedCount).toBe(4);
      expect(bench.client.pacer.limit).toBe(1);
    },
  );

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
    expect(bench.refusedCount).toBe(1);
  });
});

describe('Gmail being away', () => {
  it.each([500, 502, 503, 504, 408])('with %i is tried four times and lowers no pace', async (status) => {
    gmailSays('getRawMessage', status, `<html>${MAIL_CONTENT}</html>`);
    expect(await faultOf(call('getRawMessage'))).toMatchObject({
      code: 'gmail_unavailable',
      message: `users.messages.get: ${status}.`,
    });
    expect(requestCount).toBe(4);
    expect(bench.waits).toEqual([1_250, 1_750, 2_750]);
    expect(bench.paid).toEqual([20, 20, 20, 20]);
    expect([bench.refusedCount, bench.client.pacer.limit]).toEqual([0, 5]);
  });

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
    ['getProfile', 412, 'conditionNotMet', 'gmail_refused'],
  ])('of %s with %i %s is %s', async (verb, status, reason, code) => {
    gmailSays(verb, status, googleFault(status, reason));
    const error = await faultOf(call(verb));
    expect(error).toMatchObject({ code, retry: 'never' });
    expect(error.message).toMatch(new RegExp(`^users\\..*: ${status} ${reason}\\.$`));
    expect(requestCount).toBe(1);
    expect(bench.waits).toEqual([]);
    expect(bench.refusedCount).toBe(0);
  });

  it('says no reason when the answer has none, or one that is no word', async () => {
    gmailSays('getRawMessage', 403, googleFault(403, `${MAIL_CONTENT} was not found`));
    expect((await faultOf(call('getRawMessage'))).message).toBe('users.messages.get: 403.');
    gmailSays('listMessages', 400, '<html>no</html>');
    expect((await faultOf(call('listMessages'))).message).toBe('users.messages.list: 400.');
  });
});

it.each(ALL)('%s is paid for by its price before it is made', async (verb) => {
  const paidAt: number[] = [];
  bench = benchClient({
    pay: async () => {
      paidAt.push(requestCount);
    },
  });
  gmailSays(verb, 404, {});
  await faultOf(call(verb));
  expect(bench.paid).toEqual([UNITS[verb]]);
  expect(paidAt).toEqual([0]);
});
