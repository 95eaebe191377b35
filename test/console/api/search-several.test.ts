/** The search for messages that are not stored, and their list, with several mailboxes. */
import { beforeEach, describe, expect, it } from 'vitest';
import { type ManyMailboxes, useManyMailboxes } from '../../helpers/many-mailboxes.ts';
import { mail } from '../../helpers/test-emails.ts';

const newSystem = useManyMailboxes();
const OWN = 'orders@example.com';

let system: ManyMailboxes;
beforeEach(async () => {
  system = await newSystem();
  await system.turnOn();
});

/** Delivers spam, which no run stores. */
const spam = (gmail: ManyMailboxes['gmail'], subject: string) =>
  gmail.deliver(mail(subject), { labelIds: ['SPAM'] }).id;

async function search(q: string, more: object = {}) {
  const body = { q, ...more };
  return (await system.call('console', { path: '/api/console/messages/search', body })).json;
}

const found = ({
  messages,
}: {
  messages: { email_address: string; headers: { subject: string } | null }[];
}) => messages.map((one) => [one.email_address, one.headers?.subject]);

describe('with several mailboxes', () => {
  it('the search finds the messages of each mailbox, and names the mailboxes', async () => {
    const { gmail } = await system.add('sales@example.com');
    await system.call('poll');
    spam(system.gmail, 'Zebra one');
    const id = spam(gmail, 'Zebra two');
    const json = await search('zebra');
    expect(found(json)).toEqual([
      [OWN, 'Zebra one'],
      ['sales@example.com', 'Zebra two'],
    ]);
    expect(json).toMatchObject({
      gmail: { error: null },
      searched: { mailboxes: [OWN, 'sales@example.com'], not_searched_count: 0 },
    });
    expect(found(await search(id))).toEqual([['sales@example.com', 'Zebra two']]);
  });

  it('the search of a chosen mailbox asks only its Gmail', async () => {
    const { gmail } = await system.add('sales@example.com');
    await system.call('poll');
    spam(system.gmail, 'Zebra one');
    spam(gmail, 'Zebra two');
    const json = await search('zebra', { mailbox: 'Sales@example.com' });
    expect(found(json)).toEqual([['sales@example.com', 'Zebra two']]);
    expect(json.searched).toEqual({ mailboxes: ['sales@example.com'], not_searched_count: 0 });
    expect(await search('zebra', { mailbox: 'other@example.com' })).toMatchObject({
      messages: [],
      gmail: { error: { code: 'not_found' } },
      searched: { mailboxes: [], not_searched_count: 1 },
    });
  });

  it('a mailbox whose Gmail does not answer is not among the searched ones, and the error names it', async () => {
    const { gmail } = await system.add('sales@example.com');
    await system.call('poll');
    spam(system.gmail, 'Zebra one');
    gmail.faults.add({ kind: 'status', status: 500, method: 'messages.list' });
    const json = await search('zebra');
    expect(found(json)).toEqual([[OWN, 'Zebra one']]);
    expect(json).toMatchObject({
      next_before: null,
      gmail: { error: { code: 'gmail_unavailable', detail: expect.stringContaining('sales@example.com: ') } },
      searched: { mailboxes: [OWN], not_searched_count: 1 },
    });
    system.deleteSecret('sales@example.com');
    expect((await search('zebra', { mailbox: OWN })).gmail).toEqual({ error: null });
  });

  it('an added mailbox that Gmail has not answered for is counted as not searched', async () => {
    await system.call('poll');
    await system.add('sales@example.com');
    const all = await search('zebra');
    expect(all).toMatchObject({
      gmail: { error: { code: 'account_unconfirmed' } },
      searched: { mailboxes: [OWN], not_searched_count: 1 },
    });
    expect((await search('zebra', { mailbox: 'sales@example.com' })).searched).toEqual({
      mailboxes: [],
      not_searched_count: 1,
    });
  });

  it('the next page continues in each mailbox where it ended', async () => {
    const { gmail } = await system.add('sales@example.com');
    await system.call('poll');
    for (const n of [1, 2, 3]) spam(system.gmail, `Okapi ${n}`);
    for (const n of [4, 5]) spam(gmail, `Okapi ${n}`);
    const pages: unknown[] = [];
    for (let before: string | null = null; ; ) {
      const json = await search('okapi', { limit: 2, ...(before !== null && { before }) });
      pages.push(found(json).map(([, subject]) => subject));
      expect(json.searched.not_searched_count).toBe(0);
      before = json.next_before;
      if (before === null) break;
    }
    expect(pages).toEqual([['Okapi 3', 'Okapi 5'], ['Okapi 2', 'Okapi 4'], ['Okapi 1']]);
  });

  it('a search asks ten mailboxes, and counts the others', async () => {
    for (let n = 1; n <= 11; n += 1) await system.add(`sales-${n}@example.com`);
    await system.call('poll');
    const { gmail, searched } = await search('zebra');
    expect([gmail, searched.mailboxes.length, searched.not_searched_count]).toEqual([{ error: null }, 10, 2]);
  });

  it('the list by state has sender and subject of messages of every mailbox', async () => {
    const { gmail } = await system.add('sales@example.com');
    await system.call('poll');
    spam(system.gmail, 'Zebra one');
    spam(gmail, 'Zebra two');
    await system.pass(60);
    await system.call('poll');
    const { json } = await system.call('console', {
      method: 'GET',
      path: '/api/console/messages',
      query: { state: 'ignored' },
    });
    expect(found(json).toSorted()).toEqual([
      [OWN, 'Zebra one'],
      ['sales@example.com', 'Zebra two'],
    ]);
    expect(json.gmail).toEqual({ error: null });
  });
});
