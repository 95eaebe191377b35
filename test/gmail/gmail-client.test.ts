import nock from 'nock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import {
  ACCESS_TOKEN,
  type ClientFixture,
  createClientFixture,
  errorOf,
  neverLarge,
} from './client-fixture.ts';

const GMAIL = 'https://gmail.googleapis.com';

let fixture: ClientFixture;
beforeEach(() => {
  nock.disableNetConnect();
  fixture = createClientFixture();
  nock('https://oauth2.googleapis.com')
    .post('/token')
    .reply(200, { access_token: ACCESS_TOKEN, expires_in: 3600 });
});
afterEach(() => {
  nock.cleanAll();
  nock.enableNetConnect();
});

type Query = Record<string, string | string[]>;

/** Answers every call of the path with `body`. @returns the queries of the calls */
function answerWith(path: string, body: object | string): Query[] {
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
  return await fixture.client.listHistory(fixture.context, { startHistoryId: '100', pageToken: null });
}
async function message(id = 'm1') {
  return await fixture.client.getRawMessage(fixture.context, id, neverLarge);
}
async function messages() {
  return await fixture.client.listMessages(fixture.context, {
    query: 'in:inbox',
    labelId: null,
    pageToken: null,
  });
}

describe('getProfile', () => {
  it.each([
    ['"18446744073709551615"', '18446744073709551615'],
    ['1795340284544003', '1795340284544003'],
    ['0', '0'],
  ])('accepts the historyId %s as a string or a number', async (written, historyId) => {
    answerWith('profile', `{"emailAddress":"orders@example.com","historyId":${written},"messagesTotal":3}`);
    expect(await fixture.client.getProfile(fixture.context)).toEqual({
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
  ])('rejects the historyId %s, which would be a wrong cursor', async (written) => {
    answerWith('profile', `{"emailAddress":"orders@example.com","historyId":${written}}`);
    expect((await errorOf(fixture.client.getProfile(fixture.context))).message).toBe(
      'users.getProfile: the response has no valid "historyId".',
    );
  });
});

describe('listHistory', () => {
  it('requests the history from the cursor with additions, deletions and label changes, 500 records per page', async () => {
    const requested = answerWith('history', { historyId: '200' });
    await history();
    expect(requested).toEqual([
      {
        startHistoryId: '100',
        maxResults: '500',
        historyTypes: ['messageAdded', 'messageDeleted', 'labelAdded', 'labelRemoved'],
      },
    ]);
  });

  it('requests the next page of the history from the same cursor', async () => {
    const requested = answerWith('history', { historyId: '200' });
    await fixture.client.listHistory(fixture.context, { startHistoryId: '100', pageToken: 'p2' });
    expect(requested).toMatchObject([{ startHistoryId: '100', pageToken: 'p2' }]);
  });

  it('returns no records when nothing has changed', async () => {
    answerWith('history', { historyId: '100' });
    expect(await history()).toEqual({ historyId: '100', nextPageToken: null, history: [] });
  });

  it('returns an empty history page with a next page token', async () => {
    answerWith('history', { historyId: '200', nextPageToken: 'p2', history: [] });
    expect((await history()).nextPageToken).toBe('p2');
  });

  it('treats an empty page token as none', async () => {
    answerWith('history', { historyId: '200', nextPageToken: '' });
    expect((await history()).nextPageToken).toBeNull();
  });

  it('returns the used fields of history records of every kind', async () => {
    const m1 = { id: 'm1', threadId: 't1', labelIds: ['INBOX'] };
    answerWith('history', {
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

  it('keeps history records without messages and of deletions, so that the last record id is known', async () => {
    answerWith('history', {
      historyId: '300',
      history: [{ id: '150' }, { id: '160', messages: [] }, { id: '170', messagesDeleted: [{}] }],
    });
    expect((await history()).history.map((record) => record.id)).toEqual(['150', '160', '170']);
  });

  it('rejects a history with a record id above 2^64 - 1', async () => {
    answerWith('history', { historyId: '1', history: [{ id: '18446744073709551616' }] });
    expect((await errorOf(history())).message).toContain('"history.0.id"');
  });

  it('rejects a history without a historyId or with a message without an id', async () => {
    answerWith('history', { history: [] });
    expect((await errorOf(history())).message).toContain('"historyId"');
    nock.cleanAll();
    answerWith('history', { historyId: '1', history: [{ id: '1', messagesAdded: [{ message: {} }] }] });
    expect((await errorOf(history())).message).toContain('"history.0.messagesAdded.0.message.id"');
  });
});

describe('listMessages', () => {
  it('requests a listing by query, and by label and page token if given', async () => {
    const requested = answerWith('messages', {});
    await messages();
    await fixture.client.listMessages(fixture.context, {
      query: 'after:1',
      labelId: 'Label_7',
      pageToken: 'p2',
    });
    expect(requested).toEqual([
      { q: 'in:inbox', maxResults: '500' },
      { q: 'after:1', maxResults: '500', labelIds: 'Label_7', pageToken: 'p2' },
    ]);
  });

  it('returns an empty listing when nothing matches', async () => {
    answerWith('messages', { resultSizeEstimate: 0 });
    expect(await messages()).toEqual({ messages: [], nextPageToken: null });
  });

  it('returns the ids and the next page token of a listing', async () => {
    answerWith('messages', { messages: [{ id: 'm1', threadId: 't1' }], nextPageToken: 'p2' });
    expect(await messages()).toEqual({ messages: [{ id: 'm1' }], nextPageToken: 'p2' });
  });
});

describe('listMessages with spam and trash', () => {
  it('requests a listing with spam and trash', async () => {
    const requested = answerWith('messages', {});
    await fixture.client.listMessages(fixture.context, {
      query: '-in:spam -in:drafts',
      labelId: null,
      pageToken: null,
      includeSpamTrash: true,
    });
    expect(requested).toEqual([{ q: '-in:spam -in:drafts', maxResults: '500', includeSpamTrash: 'true' }]);
  });
});

describe('listLabels', () => {
  it('returns labels with id and name, in any script', async () => {
    const requested = answerWith('labels', {
      labels: [
        { id: 'INBOX', name: 'INBOX', type: 'system' },
        { id: 'Label_7', name: 'Bestellungen/Größe 注文' },
      ],
    });
    expect(await fixture.client.listLabels(fixture.context)).toEqual([
      { id: 'INBOX', name: 'INBOX' },
      { id: 'Label_7', name: 'Bestellungen/Größe 注文' },
    ]);
    expect(requested).toEqual([{ fields: 'labels(id,name)' }]);
    expect(fixture.units).toEqual([1]);
  });

  it('returns no labels for a mailbox without labels', async () => {
    answerWith('labels', {});
    expect(await fixture.client.listLabels(fixture.context)).toEqual([]);
  });
});

describe('getRawMessage', () => {
  const RAW = Buffer.from('Subject: ÿÿ>>??\r\n\r\n\0\xff', 'latin1');
  const whole = { id: 'm1', threadId: 't1', labelIds: ['INBOX'], internalDate: '1795340284544' };

  it('returns a message with its exact bytes and metadata, and requests no other field', async () => {
    const requested = answerWith('messages/m1', { ...whole, raw: RAW.toString('base64url') });
    expect(await message()).toEqual({
      id: 'm1',
      threadId: 't1',
      labelIds: ['INBOX'],
      internalDate: new Date(1_795_340_284_544),
      raw: RAW,
    });
    expect(requested).toEqual([{ format: 'raw', fields: 'id,threadId,labelIds,internalDate,raw' }]);
  });

  it('rejects the answer for another message', async () => {
    answerWith('messages/m1', { ...whole, id: 'm2', raw: 'QQ' });
    expect(await errorOf(message())).toMatchObject({
      code: 'gmail_unavailable',
      message: 'users.messages.get: the answer is for another message.',
    });
  });

  it('accepts a message without labels, thread or date', async () => {
    answerWith('messages/m1', { id: 'm1', raw: 'QQ' });
    expect(await message()).toMatchObject({ threadId: null, labelIds: [], internalDate: null });
  });

  it.each<[unknown, Date | null]>([
    ['-86400000', new Date('1969-12-31T00:00:00Z')],
    ['0', new Date(0)],
    ['-62135596800000', new Date('0001-01-01T00:00:00Z')],
    ['253402300799999', new Date('9999-12-31T23:59:59.999Z')],
    ['-999999999999999', null],
    ['253402300800000', null],
    ['99999999999999999999', null],
    ['yesterday', null],
    [1_795_340_284_544, null],
  ])('accepts a message with the date %o', async (internalDate, expected) => {
    answerWith('messages/m1', { ...whole, internalDate, raw: 'QQ' });
    expect((await message()).internalDate).toEqual(expected);
  });

  it.each([1, 2, 3, 4, 5, 6])('reads a message of %i bytes in every variant of base64', async (length) => {
    const bytes = Buffer.alloc(length, 0xfb);
    const base64 = bytes.toString('base64');
    const url = base64.replaceAll('+', '-').replaceAll('/', '_');
    for (const raw of [url, url.replace(/=+$/, ''), base64]) {
      nock.cleanAll();
      answerWith('messages/m1', { ...whole, raw });
      fixture = createClientFixture();
      nock('https://oauth2.googleapis.com').post('/token').reply(200, { access_token: ACCESS_TOKEN });
      expect(Buffer.from((await message()).raw)).toEqual(bytes);
    }
  });

  it.each(['QUJD*EVG', 'QUJD\nREVG', 'QUJDR', 'Q', '====', 'QUJD=REVG'])(
    'rejects a message with the invalid base64url %j',
    async (raw) => {
      answerWith('messages/m1', { ...whole, raw });
      expect(await errorOf(message())).toMatchObject({
        code: 'gmail_unavailable',
        message: 'users.messages.get: the raw message is not base64url.',
      });
    },
  );

  it('rejects a message without bytes', async () => {
    answerWith('messages/m1', { ...whole, raw: '' });
    expect((await errorOf(message())).message).toContain('"raw"');
    nock.cleanAll();
    answerWith('messages/m1', whole);
    expect((await errorOf(message())).message).toContain('"raw"');
  });
});

describe('watch', () => {
  it('watches every change on the topic and returns the expiry', async () => {
    const bodies: unknown[] = [];
    nock(GMAIL)
      .post('/gmail/v1/users/me/watch', (body) => {
        bodies.push(body);
        return true;
      })
      .reply(200, { historyId: '1', expiration: '1795945084544' });
    expect(await fixture.client.watch(fixture.context, 'projects/demo/topics/gmail')).toEqual({
      expiresAt: new Date(1_795_945_084_544),
    });
    expect(bodies).toEqual([{ topicName: 'projects/demo/topics/gmail' }]);
    expect(fixture.units).toEqual([100]);
  });

  it.each(['99999999999999999999', '253402300800000', Number.MAX_SAFE_INTEGER])(
    'rejects an expiry of %o, which the database cannot store',
    async (expiration) => {
      nock(GMAIL).post('/gmail/v1/users/me/watch').times(4).reply(200, { historyId: '1', expiration });
      const error = await errorOf(fixture.client.watch(fixture.context, 'projects/demo/topics/gmail'));
      expect(error).toMatchObject({
        code: 'gmail_unavailable',
        message: 'users.watch: the response has no valid "expiration".',
      });
    },
  );

  it.each([
    [204, ''],
    [200, ''],
    [200, '{}'],
  ])('stopWatch accepts an answer of %i with the body "%s"', async (status, body) => {
    nock(GMAIL).post('/gmail/v1/users/me/stop').reply(status, body);
    await fixture.client.stopWatch(fixture.context);
    expect([fixture.units, fixture.successCount]).toEqual([[50], 1]);
  });
});

describe('getMetadata', () => {
  const metadata = () => fixture.client.getMetadata(fixture.context, 'm1');

  it('requests labels, time and four headers, and reads them in any script', async () => {
    const payload = { headers: [{ name: 'Subject', value: '注文 für Möbel' }] };
    const queries = answerWith('messages/m1', { labelIds: ['SPAM'], internalDate: '1000', payload });
    expect(await metadata()).toEqual({ labelIds: ['SPAM'], internalDate: new Date(1_000), payload });
    expect(queries).toEqual([
      {
        format: 'metadata',
        metadataHeaders: ['From', 'To', 'Subject', 'Message-ID'],
        fields: 'id,labelIds,internalDate,payload/headers',
      },
    ]);
  });

  it.each([[{}], [{ payload: {} }]])('accepts the answer %j without headers', async (body) => {
    answerWith('messages/m1', body);
    expect(await metadata()).toEqual({ labelIds: [], internalDate: null, payload: { headers: [] } });
  });

  it('reserves 20 units for each attempt, and is repeated once after a 5xx', async () => {
    nock(GMAIL).get('/gmail/v1/users/me/messages/m1').query(true).times(2).reply(500, 'x');
    expect(await errorOf(metadata())).toMatchObject({ code: 'gmail_unavailable' });
    expect(fixture.units).toEqual([20, 20]);
    expect(nock.isDone()).toBe(true);
  });
});

it('ends with quota_used_up and without a request when the units are not available in time', async () => {
  fixture = createClientFixture({
    acquireUnits: async () => {
      throw new AppError('quota_used_up', 'The quota of the running minute is spent.');
    },
  });
  answerWith('messages', {});
  expect((await errorOf(messages())).code).toBe('quota_used_up');
  expect(fixture.waits).toEqual([]);
  expect(nock.pendingMocks()).toHaveLength(2);
});
