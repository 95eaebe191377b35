import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { EmulatedGmailOptions } from '../../../emulators/gmail/emulated-gmail.ts';
import type { PushBody } from '../../../emulators/gmail/notifications.ts';
import { mailboxWithClient } from './google-client.ts';
import { mail } from './mailbox-under-test.ts';

const topicName = 'projects/emulated-project/topics/gmail';

/** A mailbox that pushes to a receiver, which responds with the given statuses, then 204. */
async function watchedMailbox(statuses: number[] = [], options: EmulatedGmailOptions = {}) {
  const received: PushBody[] = [];
  const receiver = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    received.push(JSON.parse(text) as PushBody);
    response.writeHead(statuses.shift() ?? 204).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    receiver.closeAllConnections();
    receiver.close();
  });
  const under = await mailboxWithClient(options);
  const { gmail } = under;
  gmail.notifications.url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/${topicName}`;
  const watch = async (body: object = {}) =>
    (await under.client.users.watch({ userId: 'me', requestBody: { topicName, ...body } })).data;
  /** Delivers a message one second after the last notification and waits for the push. */
  const deliver = async (labelIds?: string[]) => {
    under.time.advance(1000);
    const delivered = gmail.deliver(mail('order'), labelIds && { labelIds });
    await gmail.notifications.settled();
    return delivered;
  };
  const texts = () => received.map(({ message }) => Buffer.from(message.data, 'base64').toString());
  return { ...under, watch, deliver, received, texts };
}

describe('watch', () => {
  it('notifies when a watch starts and on each change, until the watch expires after seven days', async () => {
    const { gmail, watch, deliver, texts, time } = await watchedMailbox();
    await deliver();
    expect(texts()).toEqual([]);
    const before = gmail.historyId;
    expect(await watch()).toEqual({ historyId: before, expiration: String(time.now() + 7 * 86_400_000) });
    await gmail.notifications.settled();
    const { historyId } = await deliver();
    expect(texts()).toEqual(
      [before, historyId].map((id) => `{"emailAddress":"orders@example.com","historyId":${id}}`),
    );
    time.advance(7 * 86_400_000);
    await deliver();
    expect(texts()).toHaveLength(2);
  });

  it('limits notifications to the given labels, and ends with users.stop', async () => {
    const { gmail, client, watch, deliver, received } = await watchedMailbox();
    await watch({ labelIds: ['SENT'], labelFilterBehavior: 'include' });
    await gmail.notifications.settled();
    await deliver();
    expect(received).toHaveLength(1);
    await deliver(['SENT']);
    expect(received).toHaveLength(2);
    await client.users.stop({ userId: 'me' });
    await deliver(['SENT']);
    expect(received).toHaveLength(2);
  });

  it('rejects a second topic until the first watch is stopped or expired', async () => {
    const { gmail, client, watch } = await watchedMailbox();
    const other = { topicName: 'projects/emulated-project/topics/other' };
    await watch();
    await watch();
    await expect(watch(other)).rejects.toMatchObject({
      status: 400,
      message: 'Only one user push notification client allowed per developer (call /stop then try again)',
    });
    await client.users.stop({ userId: 'me' });
    await watch(other);
    gmail.expireWatch();
    await watch();
  });

  it('notifies with the current address after the account is renamed', async () => {
    const { gmail, client, watch, deliver, texts } = await watchedMailbox();
    await watch();
    await gmail.notifications.settled();
    gmail.renameAccount('sales@example.com');
    const { historyId } = await deliver();
    expect(texts().at(-1)).toBe(`{"emailAddress":"sales@example.com","historyId":${historyId}}`);
    const profile = await client.users.getProfile({ userId: 'me' });
    expect(profile.data).toMatchObject({ emailAddress: 'sales@example.com', historyId });
  });

  it('rejects a malformed topic name', async () => {
    const { watch } = await watchedMailbox();
    await expect(watch({ topicName: 'gmail' })).rejects.toMatchObject({ status: 400 });
    await expect(watch({ topicName: undefined })).rejects.toMatchObject({ message: 'topicName required' });
  });
});

describe('notifications', () => {
  it('publishes at most one notification per second and drops the rest', async () => {
    const { gmail, watch, received } = await watchedMailbox();
    await watch();
    gmail.deliver(mail('in the same second'));
    await gmail.notifications.settled();
    expect(received).toHaveLength(1);
    expect(gmail.notifications.counts).toMatchObject({ published: 1, rateLimited: 1 });
    gmail.notifications.isRateLimited = false;
    gmail.deliver(mail('without the limit'));
    await gmail.notifications.settled();
    expect(received).toHaveLength(2);
  });

  it('redelivers with exponential backoff until the receiver acknowledges', async () => {
    const { gmail, watch, received, time } = await watchedMailbox([500, 503]);
    await watch();
    await gmail.notifications.settled();
    expect(received).toHaveLength(1);
    time.advance(1000);
    await gmail.notifications.settled();
    time.advance(1999);
    expect(received).toHaveLength(2);
    time.advance(1);
    await gmail.notifications.settled();
    expect(received).toHaveLength(3);
    expect(new Set(received.map(({ message }) => message.messageId)).size).toBe(1);
    expect(time.pendingCount).toBe(0);
    expect(gmail.notifications.counts).toMatchObject({ delivered: 1, redelivered: 2, abandoned: 0 });
  });

  it('abandons a notification after the last attempt', async () => {
    const { gmail, watch, time } = await watchedMailbox([500, 500]);
    gmail.notifications.maxAttempts = 2;
    await watch();
    await gmail.notifications.settled();
    time.advance(1000);
    await gmail.notifications.settled();
    expect(gmail.notifications.counts).toMatchObject({ attempted: 2, delivered: 0, abandoned: 1 });
  });

  it('drops, duplicates and delays notifications, and sends the historyId as a string', async () => {
    const { gmail, watch, deliver, received, texts, time } = await watchedMailbox();
    gmail.notifications.dropProbability = 1;
    await watch();
    await deliver();
    expect(received).toHaveLength(0);
    gmail.notifications.dropProbability = 0;
    gmail.notifications.duplicateProbability = 1;
    gmail.notifications.historyIdAs = 'string';
    const { historyId } = await deliver();
    expect(received).toHaveLength(2);
    expect(texts()[1]).toContain(`"historyId":"${historyId}"`);
    gmail.notifications.duplicateProbability = 0;
    gmail.notifications.delayMs = 5000;
    await deliver();
    expect(received).toHaveLength(2);
    time.advance(5000);
    await gmail.notifications.settled();
    expect(received).toHaveLength(3);
  });

  it('keeps every digit of a historyId above the largest safe integer', async () => {
    const { gmail, watch, texts } = await watchedMailbox([], { historyStart: 2n ** 63n + 1n });
    await watch();
    await gmail.notifications.settled();
    expect(texts()).toEqual(['{"emailAddress":"orders@example.com","historyId":9223372036854775809}']);
  });

  it('reorders notifications with jitter', async () => {
    const { gmail, watch, received, time } = await watchedMailbox();
    gmail.notifications.isRateLimited = false;
    await watch();
    await gmail.notifications.settled();
    gmail.notifications.jitterMs = 60_000;
    for (let index = 0; index < 8; index += 1) gmail.deliver(mail('order'));
    for (let step = 0; step < 60; step += 1) {
      time.advance(1000);
      await gmail.notifications.settled();
    }
    const order = received.map(({ message }) => Number(message.messageId));
    expect(order).toHaveLength(9);
    expect(order).not.toEqual([...order].sort((left, right) => left - right));
  });
});
