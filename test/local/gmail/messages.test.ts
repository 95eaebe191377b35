import { describe, expect, it } from 'vitest';
import { mail, mailboxUnderTest } from './mailbox-client.ts';

describe('messages', () => {
  it('gives back exactly the bytes that were delivered', async () => {
    const { gmail, client } = await mailboxUnderTest();
    const raw = Buffer.concat([
      mail('every byte'),
      Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    ]);
    const { id } = gmail.deliver(raw);
    const { data } = await client.users.messages.get({ userId: 'me', id, format: 'raw' });
    expect(Buffer.from(data.raw ?? '', 'base64url').equals(raw)).toBe(true);
    expect(data.raw?.length).toBe(4 * Math.ceil(raw.length / 3));
    expect(data).toMatchObject({ id, threadId: id, labelIds: ['INBOX', 'UNREAD'], sizeEstimate: raw.length });
    expect(data.internalDate).toBe(String(Date.UTC(2026, 10, 5, 12)));
    expect(data.historyId).toBe(gmail.historyId);
  });

  it('lists the newest first, in pages that new mail does not shift', async () => {
    const { gmail, client } = await mailboxUnderTest();
    const ids = [1, 2, 3, 4, 5].map((day) =>
      gmail.deliver(mail(`order ${day}`), { internalDate: new Date(Date.UTC(2026, 10, day)) }),
    );
    const first = await client.users.messages.list({ userId: 'me', maxResults: 2 });
    expect(first.data.messages?.map(({ id }) => id)).toEqual([ids[4]?.id, ids[3]?.id]);
    gmail.deliver(mail('in between'));
    const pageToken = first.data.nextPageToken ?? '';
    const second = await client.users.messages.list({ userId: 'me', maxResults: 3, pageToken });
    expect(second.data.messages?.map(({ id }) => id)).toEqual([ids[2]?.id, ids[1]?.id, ids[0]?.id]);
    expect(second.data.nextPageToken).toBeUndefined();
  });

  it('leaves the field out when nothing matches', async () => {
    const { client } = await mailboxUnderTest();
    const { data } = await client.users.messages.list({ userId: 'me' });
    expect(data).toEqual({ resultSizeEstimate: 0 });
  });

  it('says 404 to an id that is gone and 400 to what is no id', async () => {
    const { gmail, client } = await mailboxUnderTest();
    const { id } = gmail.deliver(mail('short-lived'));
    gmail.delete(id);
    await expect(client.users.messages.get({ userId: 'me', id })).rejects.toMatchObject({ status: 404 });
    await expect(client.users.messages.get({ userId: 'me', id: 'no-id' })).rejects.toMatchObject({
      status: 400,
    });
  });
});
