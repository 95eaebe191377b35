import { describe, expect, it } from 'vitest';
import { EmulatedGmail } from '../../../emulators/gmail/emulated-gmail.ts';
import { listMessages } from '../../../emulators/gmail/message-listing.ts';
import { mail, mailboxUnderTest } from './mailbox-under-test.ts';

/** Fills a mailbox and returns a function that gives the names of the messages that a query finds. */
function searchFixture() {
  const nowMs = Date.UTC(2026, 10, 5, 12);
  const gmail = new EmulatedGmail({ clock: () => nowMs });
  const names = new Map<string, string>();
  const deliver = (name: string, raw: Buffer, day: number, labelIds?: string[]) => {
    const internalDate = new Date(Date.UTC(2026, 10, day, 12));
    names.set(gmail.deliver(raw, { internalDate, ...(labelIds && { labelIds }) }).id, name);
  };
  const pdf = [
    'Content-Type: multipart/mixed; boundary=b',
    'Cc: Carl Clerk <carl@example.com>',
    'Subject: =?utf-8?Q?Invoice_f=C3=BCr_Amy?=',
  ];
  const pdfBody =
    '--b\r\n\r\nsee the file\r\n--b\r\nContent-Type: application/pdf; name="order-7.pdf"\r\n\r\nx\r\n--b--';
  deliver('order', mail('Purchase order 42'), 4);
  deliver(
    'file',
    Buffer.from(`From: ben@example.com\r\nTo: orders@example.com\r\n${pdf.join('\r\n')}\r\n\r\n${pdfBody}`),
    3,
    ['INBOX'],
  );
  deliver('big', mail('big', { body: 'pallet '.repeat(5000) }), 2, [
    'STARRED',
    gmail.createLabel('To Do/Now'),
  ]);
  deliver('spam', mail('win a purchase order'), 1, ['SPAM']);
  deliver('sent', mail('our answer'), 1, ['SENT']);
  return (q: string) => {
    const request = { ids: [], query: new URLSearchParams({ q }), body: {} };
    const response = listMessages(gmail.mailbox, gmail.indexLag, request, nowMs);
    const found = JSON.parse(Buffer.concat([...response.body()]).toString()) as {
      messages?: { id: string }[];
    };
    return (found.messages ?? []).map(({ id }) => names.get(id)).join(' ');
  };
}

const find = searchFixture();

describe('search', () => {
  it.each([
    ['', 'order file big sent'],
    ['in:inbox is:unread', 'order'],
    ['in:inbox is:read', 'file'],
    ['in:anywhere purchase', 'order spam'],
    ['in:spam', 'spam'],
    ['-in:spam purchase', 'order'],
    ['in:sent', 'sent'],
    ['is:starred', 'big'],
    ['label:to-do-now', 'big'],
    ['from:ben', 'file'],
    ['from:ben@example.com', 'file'],
    ['-from:ben -in:sent', 'order big'],
    ['to:orders cc:carl', 'file'],
    ['subject:"purchase order"', 'order'],
    ['subject:"order purchase"', ''],
    ['subject:für', 'file'],
    ['has:attachment', 'file'],
    ['filename:pdf', 'file'],
    ['order-7', 'file'],
    ['larger:10k', 'big'],
    ['smaller:10k in:inbox', 'order file'],
    ['rfc822msgid:Purchase-order-42@example.com', 'order'],
    ['pallet', 'big'],
    ['pallet OR boxes', 'order sent big'],
    ['from:(ben OR carl)', 'file'],
    ['{subject:big subject:answer}', 'big sent'],
    ['in:inbox -(from:ben OR subject:big)', 'order'],
    ['after:2026/11/03', 'order file'],
    ['before:2026/11/03', 'big sent'],
    ['after:1793793600', 'order'],
    ['newer_than:2d', 'order file'],
    ['older_than:2d', 'big sent'],
    ['purch', ''],
    ['label:nowhere', ''],
  ])('finds for the query %j: %j', (query, expected) => {
    expect(find(query).split(' ').sort()).toEqual(expected.split(' ').sort());
  });

  it('includes spam and trash in a listing if requested, and requires all given label ids', async () => {
    const { gmail, call } = await mailboxUnderTest();
    gmail.trash(gmail.deliver(mail('thrown away')).id);
    const count = async (query: string) =>
      ((await (await call(`messages?${query}`)).json()) as { resultSizeEstimate: number }).resultSizeEstimate;
    expect(await count('')).toBe(0);
    expect(await count('includeSpamTrash=true')).toBe(1);
    expect(await count('labelIds=TRASH&labelIds=UNREAD')).toBe(1);
    expect(await count('labelIds=TRASH&labelIds=INBOX')).toBe(0);
  });

  it('lists messages in trash but no spam or drafts, after a given second, page by page', async () => {
    const { gmail, call } = await mailboxUnderTest();
    const now = Date.now();
    const deliver = (name: string, labelIds: string[], agoMs = 0) =>
      gmail.deliver(mail(name), { labelIds, internalDate: new Date(now - agoMs) }).id;
    const received = [
      deliver('received', ['INBOX']),
      deliver('sent', ['SENT']),
      deliver('deleted', ['TRASH']),
    ];
    deliver('spam', ['SPAM']);
    deliver('draft', ['DRAFT']);
    deliver('deleted draft', ['DRAFT', 'TRASH']);
    deliver('earlier', ['INBOX'], 60_000);
    const after = Math.floor(now / 1_000) - 10;
    const found: string[] = [];
    let pageToken: string | undefined;
    do {
      const query = new URLSearchParams({
        q: `-in:spam -in:drafts after:${after}`,
        includeSpamTrash: 'true',
        maxResults: '2',
        ...(pageToken !== undefined && { pageToken }),
      });
      const page = (await (await call(`messages?${query}`)).json()) as {
        messages: { id: string }[];
        nextPageToken?: string;
      };
      found.push(...page.messages.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
    expect(found.toSorted()).toEqual(received.toSorted());
  });

  it('hides a message from the list until the index lag has passed, in trash too', async () => {
    const nowMs = Date.UTC(2026, 10, 5, 12);
    const gmail = new EmulatedGmail({ clock: () => nowMs });
    gmail.indexLag.listMs = 30_000;
    gmail.trash(gmail.deliver(mail('late')).id);
    const query = new URLSearchParams({ q: '-in:spam', includeSpamTrash: 'true' });
    const listedAt = (ms: number) => {
      const response = listMessages(gmail.mailbox, gmail.indexLag, { ids: [], query, body: {} }, ms);
      return JSON.parse(Buffer.concat([...response.body()]).toString()).resultSizeEstimate;
    };
    expect(listedAt(nowMs + 29_000)).toBe(0);
    expect(listedAt(nowMs + 30_000)).toBe(1);
  });
});
