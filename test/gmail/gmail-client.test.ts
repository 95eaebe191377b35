import nock from 'nock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { ACCESS_TOKEN, benchClient, type ClientBench, faultOf, neverLarge } from './client-bench.ts';

const GMAIL = 'https://gmail.googleapis.com';

let bench: ClientBench;
beforeEach(() => {
  nock.disableNetConnect();
  bench = benchClient();
  nock('https://oauth2.googleapis.com')
    .post('/token')
    .reply(200, { access_token: ACCESS_TOKEN, expires_in: 3600 });
});
afterEach(() => {
  nock.cleanAll();
  nock.enableNetConnect();
});

type Query = Record<string, string | string[]>;

/** Answers every such call with `body`; gives the queries of the calls. */
function gmailAnswers(path: string, body: object | string): Query[] {
  const queries: Query[] = [];
  nock(GMAIL, { reqheaders: { authorization: `Bearer ${ACCESS_TOKEN}` } })
    .get(`/gmail/v1/users/me/${path}`)
    .query((query) => {
      queries.push(query as Query);
      return true;
    })
    .reply(200, body)
    .persist();
  return queries;
}

async function history() {
  return await bench.client.listHistory(bench.context, { startHistoryId: '100', pageToken: null });
}
async function message(id = 'm1') {
  return await bench.client.getRawMessage(bench.context, id, neverLarge);
}
async function messages() {
  return await bench.client.listMessages(bench.context, {
    query: 'in:inbox',
    labelId: null,
    pageToken: null,
  });
}

describe('the profile', () => {
  it.each([
    ['"18446744073709551615"', '18446744073709551615'],
    ['1795340284544003', '1795340284544003'],
    ['0', '0'],
  ])('takes the historyId %s as text or as a careless number', async (written, historyId) => {
    gmailAnswers('profile', `{"emailAddress":"orders@example.com","historyId":${written},"messagesTotal":3}`);
    expect(await bench.client.getProfile(bench.context)).toEqual({
      emailAddress: 'orders@example.com',
      historyId,
    });
  });

  it.each([
    '9007199254740993',
    '-1',
    '1.5',
    '"ten"',
    'null',
    '""',
    '"18446744073709551616"',
    '"99999999999999999999"',
  ])('does not take the historyId %s, which would be a wrong cursor', async (written) => {
    gmailAnswers('profile', `{"emailAddress":"orders@example.com","historyId":${written}}`);
    expect((await faultOf(bench.client.getProfile(bench.context))).message).toBe(
      'users.getProfile: the answer lacks or garbles "historyId".',
    );
  });
});

describe('the history', () => {
  it('is asked for from the cursor, with deletions and every change that can bring a mail in, 500 records per page', async () => {
    const asked = gmailAnswers('history', { historyId: '200' });
    await history();
    expect(asked).toEqual([
      {
        startHistoryId: '100',
        maxResults: '500',
        historyTypes: ['messageAdded', 'messageDeleted', 'labelAdded', 'labelRemoved'],
      },
    ]);
  });

  it('is asked for from the same cursor on its next page', async () => {
    const asked = gmailAnswers('history', { historyId: '200' });
    await bench.client.listHistory(bench.context, { startHistoryId: '100', pageToken: 'p2' });
    expect(asked).toMatchObject([{ startHistoryId: '100', pageToken: 'p2' }]);
  });

  it('of a quiet mailbox has no records', async () => {
    gmailAnswers('history', { historyId: '100' });
    expect(await history()).toEqual({ historyId: '100', nextPageToken: null, history: [] });
  });

  it('may have an empty page that goes on', async () => {
    gmailAnswers('history', { historyId: '200', nextPageToken: 'p2', history: [] });
    expect((await history()).nextPageToken).toBe('p2');
  });

  it('takes an empty token for none', async () => {
    gmailAnswers('history', { historyId: '200', nextPageToken: '' });
    expect((await history()).nextPageToken).toBeNull();
  });

  it('keeps of its records what is used, whichever kinds they have', async () => {
    const m1 = { id: 'm1', threadId: 't1', labelIds: ['INBOX'] };
    gmailAnswers('history', {
      historyId: 200,
      history: [
        { id: '150', messages: [m1], messagesAdded: [{ message: m1 }] },
        { id: 160, labelsAdded: [{ message: { id: 'm2' }, labelIds: ['Label_7'] }] },
        { id: '170', messagesDeleted: [{ message: { id: 'm3' } }] },
        { id: '180', labelsRemoved: [{ message: { id: 'm4', labelIds: [] } }] },
      ],
    });
    const none = { messagesAdded: [], labelsAdded: [], labelsRemoved: [] };
    expect(await history()).toEqual({
      historyId: '200',
      nextPageToken: null,
      history: [
        { ...none, id: '150', messagesAdded: [{ message: { id: 'm1', labelIds: ['INBOX'] } }] },
        { ...none, id: '160', labelsAdded: [{ message: { id: 'm2' }, labelIds: ['Label_7'] }] },
        { ...none, id: '170' },
        { ...none, id: '180', labelsRemoved: [{ message: { id: 'm4', labelIds: [] }, labelIds: [] }] },
      ],
    });
  });

  it('keeps a record without messages and one of a deletion, so that the last record id is known', async () => {
    gmailAnswers('history', {
      historyId: '300',
      history: [{ id: '150' }, { id: '160', messages: [] }, { id: '170', messagesDeleted: [{}] }],
    });
    expect((await history()).history.map((record) => record.id)).toEqual(['150', '160', '170']);
  });

  it('with a historyId above 2^64 - 1 in a record is no answer', async () => {
    gmailAnswers('history', { historyId: '1', history: [{ id: '18446744073709551616' }] });
    expect((await faultOf(history())).message).toContain('"history.0.id"');
  });

  it('without its own historyId, or with a message without id, is no answer', async () => {
    gmailAnswers('history', { history: [] });
    expect((await faultOf(history())).message).toContain('"historyId"');
    nock.cleanAll();
    gmailAnswers('history', { historyId: '1', history: [{ id: '1', messagesAdded: [{ message: {} }] }] });
    expect((await faultOf(history())).message).toContain('"history.0.messagesAdded.0.message.id"');
  });
});

describe('a listing', () => {
  it('is asked for by query, and by label and page where there are any', async () => {
    const asked = gmailAnswers('messages', {});
    await messages();
    await bench.client.listMessages(bench.context, { query: 'after:1', labelId: 'Label_7', pageToken: 'p2' });
    expect(asked).toEqual([
      { q: 'in:inbox', maxResults: '500' },
      { q: 'after:1', maxResults: '500', labelIds: 'Label_7', pageToken: 'p2' },
    ]);
  });

  it('that matches nothing is empty', async () => {
    gmailAnswers('messages', { resultSizeEstimate: 0 });
    expect(await messages()).toEqual({ messages: [], nextPageToken: null });
  });

  it('gives ids and the way on', async () => {
    gmailAnswers('messages', { messages: [{ id: 'm1', threadId: 't1' }], nextPageToken: 'p2' });
    expect(await messages()).toEqual({ messages: [{ id: 'm1' }], nextPageToken: 'p2' });
  });
});

describe('a listing with spam and trash', () => {
  it('says so to Gmail', async () => {
    const asked = gmailAnswers('messages', {});
    await bench.client.listMessages(bench.context, {
      query: '-in:spam -in:drafts',
      labelId: null,
      pageToken: null,
      includeSpamTrash: true,
    });
    expect(asked).toEqual([{ q: '-in:spam -in:drafts', maxResults: '500', includeSpamTrash: 'true' }]);
  });
});

describe('the labels', () => {
  it('come with id and name, in any script', async () => {
    const asked = gmailAnswers('labels', {
      labels: [
        { id: 'INBOX', name: 'INBOX', type: 'system' },
        { id: 'Label_7', name: 'Bestellungen/Größe 注文' },
      ],
    });
    expect(await bench.client.listLabels(bench.context)).toEqual([
      { id: 'INBOX', name: 'INBOX' },
      { id: 'Label_7', name: 'Bestellungen/Größe 注文' },
    ]);
    expect(asked).toEqual([{ fields: 'labels(id,name)' }]);
    expect(bench.units).toEqual([1]);
  });

  it('may be none', async () => {
    gmailAnswers('labels', {});
    expect(await bench.client.listLabels(bench.context)).toEqual([]);
  });
});

describe('a message', () => {
  const RAW = Buffer.from('Subject: ÿÿ>>??\r\n\r\n\0\xff', 'latin1');
  const whole = { id: 'm1', threadId: 't1', labelIds: ['INBOX'], internalDate: '1795340284544' };

  it('comes with its exact bytes and what Gmail knows of it, and nothing else is asked for', async () => {
    const asked = gmailAnswers('messages/m1', { ...whole, raw: RAW.toString('base64url') });
    expect(await message()).toEqual({
      id: 'm1',
      threadId: 't1',
      labelIds: ['INBOX'],
      internalDate: new Date(1_795_340_284_544),
      raw: RAW,
    });
    expect(asked).toEqual([{ format: 'raw', fields: 'id,threadId,labelIds,internalDate,raw' }]);
  });

  it('without labels, thread or date is a message all the same', async () => {
    gmailAnswers('messages/m1', { id: 'm1', raw: 'QQ' });
    expect(await message()).toMatchObject({ threadId: null, labelIds: [], internalDate: null });
  });

  it.each<[unknown, Date | null]>([
    ['-86400000', new Date('1969-12-31T00:00:00Z')],
    ['0', new Date(0)],
    ['99999999999999999999', null],
    ['yesterday', null],
    [1_795_340_284_544, null],
  ])('with the date %o is not lost for it', async (internalDate, expected) => {
    gmailAnswers('messages/m1', { ...whole, internalDate, raw: 'QQ' });
    expect((await message()).internalDate).toEqual(expected);
  });

  it.each([1, 2, 3, 4, 5, 6])('of %i bytes is read in every writing of base64', async (length) => {
    const bytes = Buffer.alloc(length, 0xfb);
    const base64 = bytes.toString('base64');
    const url = base64.replaceAll('+', '-').replaceAll('/', '_');
    for (const raw of [url, url.replace(/=+$/, ''), base64]) {
      nock.cleanAll();
      gmailAnswers('messages/m1', { ...whole, raw });
      bench = benchClient();
      nock('https://oauth2.googleapis.com').post('/token').reply(200, { access_token: ACCESS_TOKEN });
      expect(Buffer.from((await message()).raw)).toEqual(bytes);
    }
  });

  it.each(['QUJD*EVG', 'QUJD\nREVG', 'QUJDR', 'Q', '====', 'QUJD=REVG'])(
    'whose bytes are garbled as %j is no answer',
    async (raw) => {
      gmailAnswers('messages/m1', { ...whole, raw });
      expect(await faultOf(message())).toMatchObject({
        code: 'gmail_unavailable',
        message: 'users.messages.get: the raw message is not base64url.',
      });
    },
  );

  it('without bytes is no answer', async () => {
    gmailAnswers('messages/m1', { ...whole, raw: '' });
    expect((await faultOf(message())).message).toContain('"raw"');
    nock.cleanAll();
    gmailAnswers('messages/m1', whole);
    expect((await faultOf(message())).message).toContain('"raw"');
  });
});

describe('a watch', () => {
  it('is asked for every change on the topic, and tells when it ends', async () => {
    const bodies: unknown[] = [];
    nock(GMAIL)
      .post('/gmail/v1/users/me/watch', (body) => {
        bodies.push(body);
        return true;
      })
      .reply(200, { historyId: '1', expiration: '1795945084544' });
    expect(await bench.client.watch(bench.context, 'projects/demo/topics/gmail')).toEqual({
      expiresAt: new Date(1_795_945_084_544),
    });
    expect(bodies).toEqual([{ topicName: 'projects/demo/topics/gmail' }]);
    expect(bench.units).toEqual([100]);
  });

  it.each([
    [204, ''],
    [200, ''],
    [200, '{}'],
  ])('ends with an answer of %i and the body "%s"', async (status, body) => {
    nock(GMAIL).post('/gmail/v1/users/me/stop').reply(status, body);
    await bench.client.stopWatch(bench.context);
    expect([bench.units, bench.successCount]).toEqual([[50], 1]);
  });
});

it('ends with out_of_time at once when the units cannot be had in time, and calls nobody', async () => {
  bench = benchClient({
    acquireUnits: async () => {
      throw new AppError('out_of_time', 'The quota of the running minute is spent.');
    },
  });
  gmailAnswers('messages', {});
  expect((await faultOf(messages())).code).toBe('out_of_time');
  expect(bench.waits).toEqual([]);
  expect(nock.pendingMocks()).toHaveLength(2);
});
