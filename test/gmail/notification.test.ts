import { describe, expect, it } from 'vitest';
import { decodeNotification } from '../../shared/gmail/notification.ts';

const PAYLOAD = { emailAddress: 'orders@example.com', historyId: '9876543210' };

function encode(payload: unknown, encoding: 'base64' | 'base64url' = 'base64'): string {
  return Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)).toString(encoding);
}

/** As Pub/Sub pushes it. */
function push(data: unknown): object {
  const subscription = 'projects/demo/subscriptions/gmail';
  return {
    message: { data, messageId: '1', publishTime: '2026-11-23T09:00:00Z', attributes: {} },
    subscription,
  };
}

function cloudEvent(data: unknown): object {
  const type = 'google.cloud.pubsub.topic.v1.messagePublished';
  return {
    specversion: '1.0',
    id: '1',
    source: '//pubsub.googleapis.com/projects/demo/topics/gmail',
    type,
    data,
  };
}

describe('notification', () => {
  const raw = push(encode(PAYLOAD));
  it.each([
    ['a raw push, which is also the body of a binary CloudEvent', raw],
    ['a structured CloudEvent', cloudEvent(raw)],
    ['a push as text', JSON.stringify(raw)],
    ['a push as bytes', Buffer.from(JSON.stringify(raw))],
    ['a CloudEvent as bytes', Buffer.from(JSON.stringify(cloudEvent(raw)))],
    ['a push with nothing but its data', { message: { data: encode(PAYLOAD) } }],
  ])('decodes a notification from %s', (_, body) => {
    expect(decodeNotification(body)).toEqual(PAYLOAD);
  });

  it('decodes base64 and base64url, padded or not', () => {
    // Letters that come out as + and / in one alphabet and as - and _ in the other.
    const emailAddress = 'ÿÿ>>??@example.com';
    const base64 = encode({ emailAddress, historyId: '7' });
    const base64url = encode({ emailAddress, historyId: '7' }, 'base64url');
    expect(base64).toMatch(/[+/]/);
    expect(base64url).toMatch(/[-_]/);
    for (const data of [base64, base64url, base64.replace(/=+$/, '')]) {
      expect(decodeNotification(push(data))).toEqual({ emailAddress, historyId: '7' });
    }
  });

  it.each([
    ['"42"', '42'],
    ['42', '42'],
    ['0', '0'],
    ['18446744073709551615', '18446744073709551615'],
    ['"18446744073709551615"', '18446744073709551615'],
    ['9007199254740993', '9007199254740993'],
  ])('keeps every digit of the historyId %s', (written, historyId) => {
    const data = encode(`{"emailAddress":"orders@example.com","historyId":${written}}`);
    expect(decodeNotification(push(data))).toEqual({ emailAddress: 'orders@example.com', historyId });
  });
});

describe('invalid notification', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['an empty text', ''],
    ['an empty object', {}],
    ['a number', 7],
    ['an array', [push(encode(PAYLOAD))]],
    ['text that is not JSON', '{bad'],
    ['bytes that are not text', Buffer.from([0xff, 0xfe, 0x00])],
    ['a form', { a: 'b' }],
    ['a message without data', { message: { attributes: { a: 'b' } } }],
    ['a message of null', { message: null }],
    ['data that is not text', push(7)],
    ['empty data', push('')],
    ['data that is not base64', push('%%%')],
    ['data that is not JSON', push(encode('hello'))],
    ['data that is null', push(encode('null'))],
    ['data with the payload unwrapped', PAYLOAD],
    ['a CloudEvent around something else', cloudEvent(PAYLOAD)],
    ['a payload that is wrapped twice', push(encode(push(encode(PAYLOAD))))],
  ])('returns null for %s', (_, body) => {
    expect(decodeNotification(body)).toBeNull();
  });

  it.each<[string, object]>([
    ['without an address', { historyId: '1' }],
    ['without a historyId', { emailAddress: 'a@example.com' }],
    ['with an invalid address', { emailAddress: 'everybody', historyId: '1' }],
    ['with an address of 321 letters', { emailAddress: `${'a'.repeat(309)}@example.com`, historyId: '1' }],
    ['with NUL in its address', { emailAddress: 'a\0@example.com', historyId: '1' }],
    ['with a line break in its address', { emailAddress: 'a@example.com\n', historyId: '1' }],
    ['with a negative historyId', { emailAddress: 'a@example.com', historyId: -1 }],
    ['with a broken historyId', { emailAddress: 'a@example.com', historyId: 1.5 }],
    ['with a historyId in letters', { emailAddress: 'a@example.com', historyId: 'ten' }],
    ['with a historyId above 2^64 - 1', { emailAddress: 'a@example.com', historyId: '18446744073709551616' }],
    ['with a historyId of 21 digits', { emailAddress: 'a@example.com', historyId: '1'.repeat(21) }],
    ['with an empty historyId', { emailAddress: 'a@example.com', historyId: '' }],
    ['with a historyId of null', { emailAddress: 'a@example.com', historyId: null }],
  ])('returns null for a payload %s', (_, payload) => {
    expect(decodeNotification(push(encode(payload)))).toBeNull();
  });
});
