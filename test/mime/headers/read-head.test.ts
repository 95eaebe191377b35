import { describe, expect, test } from 'vitest';
import { parseEmail } from '../../../shared/mime/parse-email.ts';
import { HEAD, mail } from '../mail-builder.ts';

const read = (...lines: (string | Buffer)[]) => parseEmail(mail(...lines, '', 'Body'));

describe('email headers', () => {
  test('returns Message-ID and In-Reply-To unchanged', async () => {
    const email = await read('Message-ID: <a b@example.com>', 'In-Reply-To:', ' <c@example.com>');
    expect(email).toMatchObject({ rfc822MessageId: '<a b@example.com>', inReplyTo: '<c@example.com>' });
  });

  test('takes the filled Message-ID when the first is empty', async () => {
    expect((await read('Message-ID: ', 'Message-ID: <a@example.com>')).rfc822MessageId).toBe(
      '<a@example.com>',
    );
  });

  test.each([
    [['Auto-Submitted: auto-replied (vacation)'], 'auto-replied'],
    [['Auto-Submitted: no'], null],
    [['Return-Path: <>'], 'empty-return-path'],
    [['Return-Path: <ann@example.com>'], null],
    [['Content-Type: multipart/report; boundary=b'], 'report'],
  ])('detects from the headers %j whether a program sent the email', async (headers, expected) => {
    expect((await parseEmail(mail(...HEAD, ...headers, '', 'Body'))).autoSubmitted).toBe(expected);
  });

  test('extracts delivered_to, list_id and in_reply_to from the headers of an email', async () => {
    const email = await parseEmail(
      mail(
        'Delivered-To: orders@example.net',
        'X-Original-To: sales@example.com',
        'Delivered-To: orders@example.net',
        'List-Id: =?utf-8?Q?K=C3=A4ufer?= <buyers.example.com>',
        'In-Reply-To: <1@example.com>',
        '',
        'Body',
      ),
    );
    expect(email).toMatchObject({
      deliveredTo: ['orders@example.net', 'sales@example.com'],
      listId: 'Käufer <buyers.example.com>',
      inReplyTo: '<1@example.com>',
    });
  });
});
