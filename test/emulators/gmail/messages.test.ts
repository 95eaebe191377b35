import { describe, expect, it } from 'vitest';
import { mailboxWithClient } from './google-client.ts';
import { mail } from './mailbox-under-test.ts';

describe('messages', () => {
  it('returns exactly the delivered bytes of a message', async () => {
    const { gmail, client } = await mailboxWithClient();
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

  it('lists the newest messages first, in pages that new messages do not shift', async () => {
    const { gmail, client } = await mailboxWithClient();
    const ids = [1, 2, 3, 4, 5].map((day) =>
      gmail.deliver(mail(`order ${day}`), { internalDate: new Date(Date.UTC(2026, 10, day)) }),
    );
    const first = await client.users.messages.list({ userId: 'me', maxResults: 2 });
    expect(first.data.messages?.map(({ id }) => id)).toEqual([ids[4]?.id, ids[3]?.id]);
    gmail.deliver(mail('between two pages'));
    const pageToken = first.data.nextPageToken ?? '';
    const second = await client.users.messages.list({ userId: 'me', maxResults: 3, pageToken });
    expect(second.data.messages?.map(({ id }) => id)).toEqual([ids[2]?.id, ids[1]?.id, ids[0]?.id]);
    expect(second.data.nextPageToken).toBeUndefined();
  });

  it('lists messages with the same date by arrival, and rejects an unknown label', async () => {
    const { gmail, client } = await mailboxWithClient();
    const ids = Array.from({ length: 9 }, (_, index) => gmail.deliver(mail(`order ${index}`)).id);
    const seen: (string | null | undefined)[] = [];
    for (let pageToken = ''; seen.length < 9; ) {
      const { data } = await client.users.messages.list({ userId: 'me', maxResults: 4, pageToken });
      seen.push(...(data.messages ?? []).map(({ id }) => id));
      pageToken = data.nextPageToken ?? '';
    }
    expect(seen).toEqual(ids.reverse());
    const unknown = client.users.messages.list({ userId: 'me', labelIds: ['Label_9'] });
    await expect(unknown).rejects.toMatchObject({ status: 400 });
  });

  it('omits `messages` when nothing matches', async () => {
    const { client } = await mailboxWithClient();
    const { data } = await client.users.messages.list({ userId: 'me' });
    expect(data).toEqual({ resultSizeEstimate: 0 });
  });

  it('returns 404 for a deleted message and 400 for a malformed id', async () => {
    const { gmail, client } = await mailboxWithClient();
    const { id } = gmail.deliver(mail('short-lived'));
    gmail.delete(id);
    await expect(client.users.messages.get({ userId: 'me', id })).rejects.toMatchObject({ status: 404 });
    await expect(client.users.messages.get({ userId: 'me', id: 'no-id' })).rejects.toMatchObject({
      status: 400,
    });
  });
});

describe('message formats', () => {
  const raw = mail('=?utf-8?B?w5xiZXJzaWNodA==?=', {
    headers: ['MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary="outer"'],
    body: [
      '--outer',
      'Content-Type: multipart/alternative; boundary=inner',
      '',
      '--inner',
      'Content-Type: text/plain; charset=iso-8859-1',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'Zehn K=E4sten <bitte>',
      '--inner',
      'Content-Type: text/html',
      '',
      '<p>Zehn</p>',
      '--inner--',
      '--outer',
      'Content-Type: application/pdf',
      "Content-Disposition: attachment; filename*=utf-8''Bestellung%20%C3%9C.pdf",
      'Content-Transfer-Encoding: base64',
      '',
      'JVBERi0=',
      '--outer--',
    ].join('\r\n'),
  });

  it('returns the parts of a message with text in UTF-8 and attachments by id only', async () => {
    const { gmail, client } = await mailboxWithClient();
    const { id } = gmail.deliver(raw);
    const { data } = await client.users.messages.get({ userId: 'me', id });
    const text = (encoded: string) => Buffer.from(encoded).toString('base64');
    expect(data.snippet).toBe('Zehn Kästen &lt;bitte&gt;');
    expect(data.payload).toMatchObject({
      partId: '',
      mimeType: 'multipart/mixed',
      body: { size: 0 },
      parts: [
        {
          partId: '0',
          mimeType: 'multipart/alternative',
          parts: [
            {
              partId: '0.0',
              mimeType: 'text/plain',
              body: { size: 20, data: text('Zehn Kästen <bitte>') },
            },
            { partId: '0.1', mimeType: 'text/html', filename: '' },
          ],
        },
        { partId: '1', mimeType: 'application/pdf', filename: 'Bestellung Ü.pdf', body: { size: 5 } },
      ],
    });
    expect(data.payload?.headers).toContainEqual({ name: 'Subject', value: 'Übersicht' });
    expect(data.payload?.parts?.[1]?.body?.data).toBeUndefined();
  });

  it('returns an attachment by an id that changes with every call', async () => {
    const { gmail, client } = await mailboxWithClient();
    const { id } = gmail.deliver(raw);
    const attachmentId = async () =>
      (await client.users.messages.get({ userId: 'me', id })).data.payload?.parts?.[1]?.body?.attachmentId ??
      '';
    const [first, second] = [await attachmentId(), await attachmentId()];
    expect(first).not.toBe(second);
    for (const attachment of [first, second]) {
      const { data } = await client.users.messages.attachments.get({
        userId: 'me',
        messageId: id,
        id: attachment,
      });
      expect([data.size, Buffer.from(data.data ?? '', 'base64url').toString()]).toEqual([5, '%PDF-']);
    }
    const other = gmail.deliver(mail('no attachment')).id;
    const wrong = client.users.messages.attachments.get({ userId: 'me', messageId: other, id: first });
    await expect(wrong).rejects.toMatchObject({ status: 404 });
  });

  it('returns only the requested headers as metadata, and no payload as minimal', async () => {
    const { gmail, client } = await mailboxWithClient();
    const { id } = gmail.deliver(raw);
    const get = async (format: string, metadataHeaders: string[] = []) =>
      (await client.users.messages.get({ userId: 'me', id, format, metadataHeaders })).data;
    expect((await get('metadata', ['subject'])).payload).toEqual({
      mimeType: 'multipart/mixed',
      headers: [{ name: 'Subject', value: 'Übersicht' }],
    });
    expect((await get('minimal')).payload).toBeUndefined();
    await expect(get('everything')).rejects.toMatchObject({ status: 400 });
  });

  it('returns only the fields in the `fields` argument', async () => {
    const { gmail, client } = await mailboxWithClient();
    const { id } = gmail.deliver(raw);
    const { data } = await client.users.messages.get({
      userId: 'me',
      id,
      format: 'raw',
      fields: 'id,sizeEstimate',
    });
    expect(data).toEqual({ id, sizeEstimate: raw.length });
    const list = await client.users.messages.list({ userId: 'me', fields: 'messages/id,nextPageToken' });
    expect(list.data).toEqual({ messages: [{ id }] });
    const bad = client.users.messages.list({ userId: 'me', fields: 'messages(' });
    await expect(bad).rejects.toMatchObject({ status: 400 });
  });

  it('compresses responses if the client accepts gzip, and otherwise sends Content-Length', async () => {
    const { gmail, call } = await mailboxWithClient();
    const { id } = gmail.deliver(mail('long', { body: 'words '.repeat(50_000) }));
    const path = `messages/${id}?format=raw`;
    const zipped = await call(path, { headers: { 'accept-encoding': 'gzip' } });
    expect(zipped.headers.get('content-encoding')).toBe('gzip');
    expect(zipped.headers.get('content-length')).toBeNull();
    gmail.compresses = false;
    const plain = await call(path);
    const text = await plain.text();
    expect(Number(plain.headers.get('content-length'))).toBe(Buffer.byteLength(text));
    expect(await zipped.text()).toBe(text);
  });
});

describe('labels, threads and drafts', () => {
  it('counts messages per label, and changes labels with messages.modify', async () => {
    const { gmail, client } = await mailboxWithClient();
    const { id } = gmail.deliver(mail('order'));
    gmail.deliver(mail('another'));
    const orders = gmail.createLabel('Orders');
    const requestBody = { addLabelIds: [orders], removeLabelIds: ['UNREAD'] };
    const { data } = await client.users.messages.modify({ userId: 'me', id, requestBody });
    expect(data).toEqual({ id, threadId: id, labelIds: ['INBOX', orders] });
    const inbox = await client.users.labels.get({ userId: 'me', id: 'INBOX' });
    expect(inbox.data).toMatchObject({
      type: 'system',
      messagesTotal: 2,
      messagesUnread: 1,
      threadsTotal: 2,
    });
    const listed = await client.users.labels.list({ userId: 'me' });
    expect(listed.data.labels).toContainEqual({ id: orders, name: 'Orders', type: 'user' });
    const unknown = client.users.messages.modify({
      userId: 'me',
      id,
      requestBody: { addLabelIds: ['Nope'] },
    });
    await expect(unknown).rejects.toMatchObject({ status: 400 });
  });

  it('puts a reply into the thread of the original message', async () => {
    const { gmail, client } = await mailboxWithClient();
    const first = gmail.deliver(mail('order'));
    const reply = gmail.deliver(mail('Re: order', { headers: ['In-Reply-To: <order@example.com>'] }));
    expect(reply.threadId).toBe(first.id);
    expect((await client.users.getProfile({ userId: 'me' })).data).toEqual({
      emailAddress: 'orders@example.com',
      messagesTotal: 2,
      threadsTotal: 1,
      historyId: gmail.historyId,
    });
  });

  it('saves a draft as a new message on each autosave', async () => {
    const { gmail, call } = await mailboxWithClient();
    const first = gmail.saveDraft(mail('half a draft'));
    const second = gmail.saveDraft(mail('a whole draft'), first.id);
    expect(second.threadId).toBe(first.threadId);
    expect((await call(`messages/${first.id}`)).status).toBe(404);
    expect(gmail.mailbox.messages.get(second.id)?.labelIds).toEqual(new Set(['DRAFT']));
  });
});
