import type { gmail_v1 } from 'googleapis/build/src/apis/gmail/index.js';
import { describe, expect, it } from 'vitest';
import { mailboxWithClient } from './google-client.ts';
import { mail } from './mailbox-under-test.ts';

type Params = Omit<gmail_v1.Params$Resource$Users$History$List, 'userId'>;

async function historyUnderTest() {
  const under = await mailboxWithClient();
  const list = async (params: Params) =>
    (await under.client.users.history.list({ userId: 'me', ...params })).data;
  /** Ids of the added messages in the history. */
  const added = async (params: Params) =>
    ((await list(params)).history ?? []).flatMap((record) =>
      (record.messagesAdded ?? []).map(({ message }) => message?.id),
    );
  return { ...under, list, added };
}

describe('history.list', () => {
  it('returns every history change after the cursor, in order and by type', async () => {
    const { gmail, list } = await historyUnderTest();
    const start = gmail.historyId;
    const { id, threadId } = gmail.deliver(mail('order'));
    gmail.markRead(id);
    gmail.modifyLabels(id, { add: ['STARRED'] });
    gmail.delete(id);
    const { history, historyId } = await list({ startHistoryId: start });
    const message = { id, threadId, labelIds: ['INBOX', 'UNREAD'] };
    const bare = [{ id, threadId }];
    expect(history).toMatchObject([
      { messages: bare, messagesAdded: [{ message }] },
      { messages: bare, labelsRemoved: [{ message: { id, labelIds: ['INBOX'] }, labelIds: ['UNREAD'] }] },
      {
        messages: bare,
        labelsAdded: [{ message: { labelIds: ['INBOX', 'STARRED'] }, labelIds: ['STARRED'] }],
      },
      { messages: bare, messagesDeleted: [{ message: { id } }] },
    ]);
    expect(historyId).toBe(gmail.historyId);
    expect(history?.at(-1)?.id).toBe(historyId);
  });

  it('uses ascending history ids with gaps, and omits `history` when there is no change', async () => {
    const { gmail, list } = await historyUnderTest();
    const ids = Array.from({ length: 50 }, (_, index) =>
      BigInt(gmail.deliver(mail(`order ${index}`)).historyId),
    );
    const gaps = ids.slice(1).map((id, index) => id - (ids[index] ?? 0n));
    expect(gaps.every((gap) => gap > 0n)).toBe(true);
    expect(gaps.some((gap) => gap > 1n)).toBe(true);
    expect(await list({ startHistoryId: gmail.historyId })).toEqual({ historyId: gmail.historyId });
  });

  it('returns only history of the requested types and label', async () => {
    const { gmail, list, added } = await historyUnderTest();
    const startHistoryId = gmail.historyId;
    const inbox = gmail.deliver(mail('for the inbox'));
    const archived = gmail.deliver(mail('archived by a filter'), { labelIds: ['UNREAD'] });
    gmail.markRead(inbox.id);
    expect(await added({ startHistoryId, labelId: 'INBOX' })).toEqual([inbox.id]);
    expect(await added({ startHistoryId, historyTypes: ['messageAdded'] })).toEqual([inbox.id, archived.id]);
    const removed = await list({ startHistoryId, historyTypes: ['labelRemoved', 'messageDeleted'] });
    expect(removed.history).toHaveLength(1);
    await expect(list({ startHistoryId, historyTypes: ['messagesAdded'] })).rejects.toMatchObject({
      status: 400,
    });
  });

  it('records a delivery and its filter labels in one record', async () => {
    const { gmail, list } = await historyUnderTest();
    const startHistoryId = gmail.historyId;
    const orders = gmail.createLabel('Orders');
    gmail.deliver(mail('order'), { filterLabelIds: [orders] });
    const { history } = await list({ startHistoryId });
    expect(history).toMatchObject([{ messagesAdded: [{}], labelsAdded: [{ labelIds: [orders] }] }]);
  });

  it('accepts a history page token only with its startHistoryId', async () => {
    const { gmail, list } = await historyUnderTest();
    const startHistoryId = gmail.historyId;
    for (let index = 0; index < 5; index += 1) gmail.deliver(mail(`order ${index}`));
    const first = await list({ startHistoryId, maxResults: 3 });
    const pageToken = first.nextPageToken ?? '';
    const second = await list({ startHistoryId, maxResults: 3, pageToken });
    expect([first.history?.length, second.history?.length, second.nextPageToken]).toEqual([3, 2, undefined]);
    const moved = list({ startHistoryId: first.history?.[2]?.id ?? '', pageToken });
    await expect(moved).rejects.toMatchObject({ status: 400 });
  });

  it('inserts empty history pages with a token before each page', async () => {
    const { gmail, list } = await historyUnderTest();
    const startHistoryId = gmail.historyId;
    gmail.deliver(mail('order'));
    gmail.emptyHistoryPages = 2;
    const sizes: number[] = [];
    let pageToken: string | null | undefined = '';
    do {
      const page: gmail_v1.Schema$ListHistoryResponse = await list({ startHistoryId, pageToken });
      sizes.push(page.history?.length ?? 0);
      pageToken = page.nextPageToken;
    } while (pageToken);
    expect(sizes).toEqual([0, 0, 1]);
  });

  it('returns 404 for a cursor that is expired or was never issued', async () => {
    const { gmail, list } = await historyUnderTest();
    const startHistoryId = gmail.historyId;
    gmail.deliver(mail('order'));
    gmail.expireHistory();
    await expect(list({ startHistoryId })).rejects.toMatchObject({ status: 404 });
    expect(await list({ startHistoryId: gmail.historyId })).toEqual({ historyId: gmail.historyId });
    const ahead = String(BigInt(gmail.historyId) + 1n);
    await expect(list({ startHistoryId: ahead })).rejects.toMatchObject({ status: 404 });
    await expect(list({ startHistoryId: 'abc' })).rejects.toMatchObject({ status: 400 });
  });
});

describe('index lag', () => {
  it('hides a new history record while the profile and the response already contain its historyId', async () => {
    const { gmail, client, time, list, added } = await historyUnderTest();
    const startHistoryId = gmail.historyId;
    gmail.indexLag.historyMs = 3000;
    const { id, historyId } = gmail.deliver(mail('order'));
    expect(await list({ startHistoryId })).toEqual({ historyId });
    expect((await client.users.getProfile({ userId: 'me' })).data.historyId).toBe(historyId);
    time.advance(3000);
    expect(await added({ startHistoryId })).toEqual([id]);
  });

  it('shows a delayed history record after newer ones', async () => {
    const { gmail, time, added } = await historyUnderTest();
    const startHistoryId = gmail.historyId;
    gmail.indexLag.nextRecordMs = 60_000;
    const late = gmail.deliver(mail('late'));
    const prompt = gmail.deliver(mail('prompt'));
    expect(await added({ startHistoryId })).toEqual([prompt.id]);
    time.advance(60_000);
    expect(await added({ startHistoryId })).toEqual([late.id, prompt.id]);
  });

  it('hides a new message from messages.list until the index lag has passed', async () => {
    const { gmail, client, time } = await historyUnderTest();
    gmail.indexLag.listMs = 5000;
    gmail.deliver(mail('order'));
    const count = async () => (await client.users.messages.list({ userId: 'me' })).data.messages?.length ?? 0;
    expect(await count()).toBe(0);
    time.advance(5000);
    expect(await count()).toBe(1);
  });
});
