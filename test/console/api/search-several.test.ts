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
      gmail: {
        error: {
          code: 'not_found',
          detail: 'other@example.com is not monitored, so its Gmail cannot be searched.',
          remediation: 'Choose another mailbox in the filters, or press “Add a mailbox”.',
        },
      },
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

  it('an error of an added mailbox names it, the reason and its own command, also when it was chosen', async () => {
    const { gmail } = await system.add("o'neil@example.com");
    await system.call('poll');
    gmail.revokeRefreshToken();
    const error = {
      code: 'reauth_required',
      detail: "o'neil@example.com: Gmail rejected the refresh token: OAuth token: 400 invalid_grant.",
      remediation: expect.stringContaining("add --mailbox 'o'\\''neil@example.com'."),
    };
    expect((await search('zebra')).gmail.error).toEqual(error);
    expect((await search('zebra', { mailbox: "o'neil@example.com" })).gmail.error).toEqual(error);
    system.gmail.revokeRefreshToken();
    expect((await search('zebra', { mailbox: OWN })).gmail.error).toMatchObject({
      detail: expect.stringMatching(/^orders@example\.com: Gmail rejected the refresh token: /),
      remediation: expect.stringContaining('add --mailbox ADDRESS.'),
    });
  });

  it('the error of a mailbox that no run has reached has the reason of the last run and what to do', async () => {
    await system.add('sales@example.com');
    system.deleteSecret('sales@example.com');
    const errorNow = async () => (await search('zebra', { mailbox: 'sales@example.com' })).gmail.error;
    expect(await errorNow()).toEqual({
      code: 'account_unconfirmed',
      detail: 'sales@example.com: No run has reached this mailbox yet.',
      remediation: 'Press “Poll now”.',
    });
    await system.pause('sales@example.com');
    expect((await errorNow()).remediation).toBe('Press “Resume” of this mailbox.');
    await system.pause('sales@example.com', false);
    await system.call('poll');
    expect(await errorNow()).toEqual({
      code: 'mailbox_secret_missing',
      detail: expect.stringMatching(/^sales@example\.com: The added mailbox has no credentials: \S/),
      remediation: expect.stringMatching(/^Run `npm run authorize -- --mailbox sales@example\.com --secret-/),
    });
    expect((await search('zebra')).gmail.error).toEqual(await errorNow());
  });

  it('the error of a chosen first mailbox without credentials says so', async () => {
    await system.add('sales@example.com');
    await system.call('poll');
    const { call } = system.instance({ GMAIL_REFRESH_TOKEN: '' });
    const body = { q: 'zebra', mailbox: OWN };
    const { json } = await call('console', { path: '/api/console/messages/search', body });
    expect(json.gmail.error).toEqual({
      code: 'not_configured',
      detail:
        'orders@example.com is not monitored: it was removed, or it is the first mailbox, which has no credentials.',
      remediation:
        'Choose another mailbox in the filters, or press “Add a mailbox”. For the first mailbox, run `npm run authorize`.',
    });
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

  it('the list by state names the mailbox whose Gmail does not answer, with its own command', async () => {
    const { gmail } = await system.add('sales@example.com');
    await system.call('poll');
    spam(gmail, 'Zebra two');
    await system.pass(60);
    await system.call('poll');
    gmail.revokeRefreshToken();
    const { json } = await system.call('console', {
      method: 'GET',
      path: '/api/console/messages',
      query: { state: 'ignored' },
    });
    expect(json.gmail.error).toMatchObject({
      detail: expect.stringMatching(/^sales@example\.com: Gmail rejected the refresh token: /),
      remediation: expect.stringContaining('add --mailbox sales@example.com.'),
    });
  });
});
