import type { gmail_v1 } from 'googleapis/build/src/apis/gmail/index.js';
import { describe, expect, it } from 'vitest';
import { mailboxWithClient } from './google-client.ts';
import { mail } from './mailbox-under-test.ts';

type Params = Omit<gmail_v1.Params$Resource$Users$History$List, 'userId'>;

async function historyUnderTest() {
  const under = await mailboxWithClient();
  const list = async (params: Params) =>
    (await under.client.users.history.list({ userId: 'me', ...params })).data;
  /** Ids of the messages that the records say were added. */
  const added = async (params: Params) =>
    ((await list(params)).history ?? []).flatMap((record) =>
      (record.messagesAdded ?? []).map(({ message }) => message?.id),
    );
  return { ...under, list, added };
}

describe('history.list', () => {
  it('tells every change after the cursor, in order, each under its own type', async () => {
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

  it('has ascending ids with gaps, and leaves the field out after the last', async () => {
    const { gmail, list } = await historyUnderTest();
    const ids = Array.from({ length: 50 }, (_, index) =>
      BigInt(gmail.deliver(mail(`order ${index}`)).historyId),
    );
    const gaps = ids.slice(1).map((id, index) => id - (ids[index] ?? 0n));
    expect(gaps.every((gap) => gap > 0n)).toBe(true);
    expect(gaps.some((gap) => gap > 1n)).toBe(true);
    expect(await list({ startHistoryId: gmail.historyId })).toEqual({ historyId: gmail.historyId });
  });

  it('shows only the types and the label that were asked for', async () => {
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

  it('tells delivery and filter in one record', async () => {
    const { gmail, list } = await historyUnderTest();
    const startHistoryId = gmail.historyId;
    const orders = gmail.createLabel('Orders');
    gmail.deliver(mail('order'), { filterLabelIds: [orders] });
    const { history } = await list({ startHistoryId });
    expect(history).toMatchObject([{ messagesAdded: [{}], labelsAdded: [{ labelIds: [orders] }] }]);
  });

  it('pages with a token that belongs to its startHistoryId', async () => {
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

  it('can put empty pages that carry a token before each page', async () => {
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

  it('says 404 to a cursor that is too old or from another mailbox', async () => {
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

describe('the index lag', () => {
  it('hides a young record while profile and answer already tell its historyId', async () => {
    const { gmail, client, time, list, added } = await historyUnderTest();
    const startHistoryId = gmail.historyId;
    gmail.indexLag.historyMs = 3000;
    const { id, historyId } = gmail.deliver(mail('order'));
    expect(await list({ startHistoryId })).toEqual({ historyId });
    expect((await client.users.getProfile({ userId: 'me' })).data.historyId).toBe(historyId);
    time.advance(3000);
    expect(await added({ startHistoryId })).toEqual([id]);
  });

  it('can show one record late, behind newer ones', async () => {
    const { gmail, time, added } = await historyUnderTest();
    const startHistoryId = gmail.historyId;
    gmail.indexLag.nextRecordMs = 60_000;
    const late = gmail.deliver(mail('late'));
    const prompt = gmail.deliver(mail('prompt'));
    expect(await added({ startHistoryId })).toEqual([prompt.id]);
    time.advance(60_000);
    expect(await added({ startHistoryId })).toEqual([late.id, prompt.id]);
  });

  it('can hide young mail from messages.list too', async () => {
    const { gmail, client, time } = await historyUnderTest();
    gmail.indexLag.listMs = 5000;
    gmail.deliver(mail('order'));
    const count = async () => (await client.users.messages.list({ userId: 'me' })).data.messages?.length ?? 0;
    expect(await count()).toBe(0);
    time.advance(5000);
    expect(await count()).toBe(1);
  });
});
