/** The routes for messages that are not stored. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type Answered,
  createTestSystem,
  type Instance,
  type TestSystem,
} from '../../helpers/test-system.ts';

const BASE = '/api/console/messages';

let system: TestSystem;
let console: Instance;
beforeAll(async () => {
  system = await createTestSystem();
  await system.turnOn();
  // Creates the mailbox.
  await system.ingest();
});
beforeEach(async () => {
  system.gmail.faults.clear();
  system.gmail.resetCounters();
  // Without the headers that an earlier test has read.
  console = system.instance({ K_SERVICE: 'console' });
});
afterAll(async () => await system.close());

async function get(path: string, query: Record<string, string> = {}): Promise<Answered> {
  return await console.call('console', { path: `${BASE}${path}`, method: 'GET', query });
}

async function post(path: string, body?: object): Promise<Answered> {
  return await console.call('console', { path: `${BASE}${path}`, body });
}

async function search(q: string, more: object = {}): Promise<Answered> {
  return await post('/search', { q, ...more });
}

function email(headers: readonly string[], body = 'Hello.'): Buffer {
  return Buffer.from([...headers, '', body, ''].join('\r\n'));
}

let delivered = 0;
/** Delivers an email with a subject of its own. @returns its id */
function deliver(subject: string, labelIds?: string[], more: { body?: string; from?: string } = {}): string {
  delivered += 1;
  const from = more.from ?? 'Ann Buyer <ann@example.com>';
  const raw = email(
    [
      `From: ${from}`,
      'To: orders@example.com',
      `Subject: ${subject}`,
      `Message-ID: <m${delivered}@example.com>`,
    ],
    more.body,
  );
  return system.gmail.deliver(raw, labelIds === undefined ? {} : { labelIds }).id;
}

function subjects({ json }: Answered): (string | null)[] {
  return json.messages.map((one: { headers: { subject: string } | null }) => one.headers?.subject ?? null);
}

const spentUnits = () => system.gmail.quota.spentUnits;

describe('the search', () => {
  let spam: string;
  let sent: string;
  let draft: string;
  let failing: string;
  let gone: string;
  beforeAll(async () => {
    deliver('Zebra stored');
    spam = deliver('Zebra spam', ['SPAM'], { from: '"Grüne Möbel" <info@gruen.example>' });
    sent = deliver('Zebra sent', ['SENT']);
    draft = system.gmail.saveDraft(email(['From: orders@example.com', 'Subject: Zebra draft'])).id;
    failing = deliver('Zebra failing', undefined, { body: 'The rareword is in the text.' });
    system.gmail.faults.add({ kind: 'status', status: 500, method: 'messages.get', messageId: failing });
    await system.ingest();
    gone = deliver('Zebra gone');
    await system.rows(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, resolved_at)
       select id, $1::text, 'history', 'gone', now() from mailboxes`,
      [gone],
    );
    system.gmail.delete(gone);
    deliver('Zebra chat', ['CHAT']);
  });

  it('finds what is not stored by words, with its state, rule, error and headers', async () => {
    const { json } = await search('zebra');
    const unknown = deliver('Later');
    expect(json.gmail).toEqual({ error: null });
    expect(json.next_before).toBeNull();
    const byId = new Map(
      json.messages.map((one: { gmail_message_id: string }) => [one.gmail_message_id, one]),
    );
    expect([...byId.keys()].sort()).toEqual([spam, sent, draft, failing].sort());
    expect(byId.get(spam)).toMatchObject({
      state: 'ignored',
      ignored_rule: 'spam',
      is_failing: false,
      email_address: 'orders@example.com',
      resolved_at: expect.any(String),
      headers: {
        from: '"Grüne Möbel" <info@gruen.example>',
        to: 'orders@example.com',
        subject: 'Zebra spam',
        message_id: expect.stringMatching(/^<m\d+@example\.com>$/),
        received_at: expect.any(String),
      },
      headers_missing: null,
    });
    expect(byId.get(sent)).toMatchObject({ state: 'ignored', ignored_rule: 'sent' });
    expect(byId.get(draft)).toMatchObject({ state: 'ignored', ignored_rule: 'draft' });
    expect(byId.get(failing)).toMatchObject({
      state: 'pending',
      is_failing: true,
      error_code: 'gmail_unavailable',
      error_title: 'Gmail did not return a valid response',
      error_detail: expect.stringContaining('500'),
      remediation: expect.stringContaining('next attempt'),
      next_attempt_at: expect.any(String),
    });
    system.gmail.delete(unknown);
  });

  it.each([
    ['the sender', 'Möbel'],
    ['an address', 'info@gruen.example'],
    ['an address in angle brackets', '<info@gruen.example>'],
  ])('finds spam by %s', async (_, q) => {
    expect(subjects(await search(q))).toEqual(['Zebra spam']);
  });

  it('finds a message by its Message-ID, and by a word of its text', async () => {
    const { json } = await search('zebra spam');
    expect(subjects(await search(json.messages[0].headers.message_id))).toEqual(['Zebra spam']);
    expect((await search('rareword')).json.messages).toMatchObject([{ gmail_message_id: failing }]);
  });

  it('finds a deleted message by its Gmail id in the ledger', async () => {
    const { json } = await search(` ${gone.toUpperCase()} `);
    expect(json.messages).toMatchObject([
      { gmail_message_id: gone, state: 'gone', headers: null, headers_missing: 'gone' },
    ]);
    expect(json.gmail).toEqual({ error: null });
  });

  it('finds a message that the monitor has never seen, by words and by its Gmail id', async () => {
    const id = deliver('Quagga order');
    for (const q of ['quagga', id])
      expect((await search(q)).json.messages).toMatchObject([
        { ledger_id: null, gmail_message_id: id, state: 'unknown', ignored_rule: null, discovered_at: null },
      ]);
    const older = system.gmail.deliver(email(['From: a@example.com', 'Subject: Quagga of old']), {
      internalDate: new Date('2020-01-01'),
    });
    const spam = deliver('Quagga spam', ['SPAM']);
    expect((await search('quagga')).json.messages).toMatchObject([
      { gmail_message_id: spam, state: 'unknown', ignored_rule: 'spam' },
      { gmail_message_id: id, state: 'unknown', ignored_rule: null },
      { gmail_message_id: older.id, state: 'unknown', ignored_rule: 'before_start' },
    ]);
    await system.ingest();
    expect((await search('quagga order')).json.messages).toEqual([]);
  });

  it('searches an order number that looks like a Gmail id as a word too', async () => {
    const id = deliver('Order 4500012345', ['SPAM']);
    expect((await search('4500012345')).json.messages).toMatchObject([{ gmail_message_id: id }]);
  });

  it.each([
    '-zebra',
    'zebra -spam',
    'in:anywhere',
    'zebra in:spam',
    'from:info',
    'OR',
    'zebra OR Möbel',
    '{zebra Möbel}',
    'zebra" OR "Möbel',
    '(zebra',
  ])('takes %j as words, not as an operator of Gmail', async (q) => {
    const { json, status } = await search(q);
    expect([status, json.messages, json.gmail]).toEqual([200, [], { error: null }]);
  });

  it('leaves out stored messages, and continues where a page ends', async () => {
    for (const n of [1, 2, 3]) deliver(`Okapi ${n}`, ['SPAM']);
    deliver('Okapi stored');
    deliver('Okapi 4', ['SPAM']);
    await system.ingest();
    const first = await search('okapi', { limit: 2 });
    expect(subjects(first)).toEqual(['Okapi 4', 'Okapi 3']);
    const second = await search('okapi', { limit: 2, before: first.json.next_before });
    expect(subjects(second)).toEqual(['Okapi 2', 'Okapi 1']);
    expect(second.json.next_before).toBeNull();
  });

  it('continues at the same place after Gmail has not answered', async () => {
    for (const n of [1, 2, 3]) deliver(`Gnu ${n}`, ['SPAM']);
    const first = await search('gnu', { limit: 2 });
    system.gmail.faults.add({ kind: 'status', status: 500, method: 'messages.list' });
    const failed = await search('gnu', { limit: 2, before: first.json.next_before });
    expect(failed.json).toMatchObject({
      messages: [],
      next_before: first.json.next_before,
      gmail: { error: { code: 'gmail_unavailable' } },
    });
    system.gmail.faults.clear();
    expect(subjects(await search('gnu', { limit: 2, before: failed.json.next_before }))).toEqual(['Gnu 1']);
  });

  it.each(['"', '-', '?!…'])('says that Gmail was not searched for %j, which has no word', async (q) => {
    expect((await search(q)).json).toMatchObject({
      messages: [],
      gmail: { error: { code: 'bad_request', detail: 'The search has no letter and no digit.' } },
    });
  });

  it('says of an erased email that it was erased, and when', async () => {
    const id = deliver('Tapir order');
    await system.ingest();
    await system.rows(`delete from incoming_emails where gmail_message_id = '${id}'`);
    await system.rows(
      `update email_ledger set erased_at = '2026-11-20T08:00:00Z' where gmail_message_id = '${id}'`,
    );
    for (const q of ['tapir', id])
      expect((await search(q)).json.messages).toMatchObject([
        {
          gmail_message_id: id,
          state: 'erased',
          is_failing: false,
          resolved_at: '2026-11-20T08:00:00.000Z',
          remediation: null,
        },
      ]);
  });

  it('returns the first 1,000 characters of a header, so that hostile ones fill no memory', async () => {
    const to = Array.from({ length: 100 }, (_, i) => `recipient-${i}@example.com`).join(', ');
    const id = system.gmail.deliver(
      email([`From: ${'Long '.repeat(300)}<a@example.com>`, `To: ${to}`, `Subject: Yak ${'😀'.repeat(600)}`]),
      { labelIds: ['SPAM'] },
    ).id;
    const { json } = await search('yak');
    const [{ headers }] = json.messages;
    const lengths = [headers.from, headers.to, headers.subject].map((value: string) => value.length);
    expect([lengths, headers.subject.isWellFormed()]).toEqual([[1_000, 1_000, 1_000], true]);
    system.gmail.delete(id);
  });

  it('rejects a position that no page returned, without repeating it', async () => {
    const { json, status } = await search('okapi', { before: 'secretword' });
    expect([status, json.code]).toEqual([400, 'bad_request']);
    expect(JSON.stringify(json)).not.toContain('secretword');
  });

  it.each([
    ['an outage', { kind: 'status', status: 500, method: 'messages.list' }, 'gmail_unavailable'],
    ['a broken connection', { kind: 'reset', method: 'messages.list' }, 'gmail_unavailable'],
    [
      'a daily limit',
      { kind: 'status', status: 403, reason: 'dailyLimitExceeded', method: 'messages.list' },
      'gmail_daily_limit',
    ],
  ] as const)('says why Gmail was not searched after %s', async (_, fault, code) => {
    system.gmail.faults.add(fault);
    const { json, status } = await search('secretzebra');
    expect([status, json.messages]).toEqual([200, []]);
    expect(json.gmail.error).toMatchObject({
      code,
      detail: expect.stringContaining('users.messages.list'),
      remediation: expect.stringMatching(/\w/),
    });
    expect(JSON.stringify([json, console.log])).not.toMatch(/secretzebra/i);
    // The ledger still finds a Gmail id.
    expect((await search(gone)).json.messages).toMatchObject([{ state: 'gone' }]);
  });

  it('says that the units are used up, and does not wait for more than eight seconds', async () => {
    await system.rows(
      "update mailbox_quota set available_units = 0, refilled_at = now() + interval '1 minute'",
    );
    const { json } = await search('zebra');
    expect(json.gmail.error).toMatchObject({
      code: 'quota_used_up',
      remediation: expect.stringContaining('use the quota'),
    });
    expect(spentUnits()).toBe(0);
    await system.rows('update mailbox_quota set available_units = 5900, refilled_at = now()');
  });

  it('says that no credentials are configured', async () => {
    console = system.instance({ GMAIL_REFRESH_TOKEN: '' });
    const { json } = await search('zebra');
    expect(json.gmail.error).toMatchObject({
      code: 'not_configured',
      detail: expect.stringContaining('GMAIL_REFRESH_TOKEN'),
    });
    expect((await search(gone)).json.messages).toMatchObject([
      { state: 'gone', headers_missing: 'not_asked' },
    ]);
  });

  it('says that no run has reached the mailbox of new credentials', async () => {
    console = system.instance({ GMAIL_REFRESH_TOKEN: 'another' });
    expect((await search('zebra')).json.gmail.error).toMatchObject({ code: 'account_unconfirmed' });
  });

  it('says that Google rejects the refresh token', async () => {
    const token = system.env['GMAIL_REFRESH_TOKEN'] ?? '';
    system.gmail.revokeRefreshToken();
    try {
      expect((await search('zebra')).json.gmail.error).toMatchObject({
        code: 'reauth_required',
        remediation: expect.stringContaining('npm run authorize'),
      });
    } finally {
      system.gmail.reauthorize(token);
    }
  });

  it('records the account and the messages of a search before it is sent, without its words', async () => {
    const claims = Buffer.from('{"email":"ann@example.com"}').toString('base64url');
    const headers = { 'sec-fetch-site': 'same-origin', authorization: `Bearer e30.${claims}.removed` };
    await console.call('console', { path: `${BASE}/search`, headers, body: { q: 'zebra spam' } });
    await search('zebra spam');
    const line = { is_search: true, message_count: 1, gmail_message_ids: spam };
    expect(console.log.filter(({ event }) => event === 'messages_listed')).toMatchObject([
      { ...line, severity: 'INFO', account: 'ann@example.com' },
      { ...line, severity: 'WARNING', account: 'unknown' },
    ]);
    expect(JSON.stringify(console.log)).not.toMatch(/zebra|gruen/i);
  });
});

describe('the list by state', () => {
  beforeEach(async () => {
    await system.rows('delete from email_ledger');
  });

  /** Inserts ledger rows of messages that Gmail does not have. */
  async function insert(state: string, ids: readonly string[], columns: Record<string, string> = {}) {
    const names = Object.keys(columns).map((name) => `, ${name}`);
    const values = Object.values(columns).map((value) => `, ${value}`);
    for (const id of ids)
      await system.rows(
        `insert into email_ledger (mailbox_id, gmail_message_id, source, state${names.join('')})
         select id, $1::text, 'history', $2::text${values.join('')} from mailboxes`,
        [id, state],
      );
  }
  const ids = ({ json }: Answered) =>
    json.messages.map((one: { gmail_message_id: string }) => one.gmail_message_id);
  const FAILED = { error_code: "'gmail_refused'", last_attempt_at: 'now()', attempt_count: '3' };

  it('separates failing, waiting, given up, ignored and gone messages', async () => {
    await insert('pending', ['waiting']);
    await insert('pending', ['claimed'], { claim_token: 'gen_random_uuid()' });
    await insert('pending', ['requeued'], { error_code: "'gmail_refused'" });
    await insert('pending', ['failing'], FAILED);
    await insert('dead', ['dead'], FAILED);
    await insert('dead', ['given-up'], { ...FAILED, given_up_at: 'now()' });
    await insert('ignored', ['spam'], { ignored_rule: "'spam'", resolved_at: "now() - interval '1 minute'" });
    await insert('ignored', ['sent'], {
      ignored_rule: "'sent'",
      resolved_at: "now() - interval '2 minutes'",
    });
    await insert('gone', ['gone'], { resolved_at: 'now()' });
    await insert('stored', ['stored'], { resolved_at: 'now()' });
    const states = ['failing', 'waiting', 'dead', 'given_up', 'ignored', 'gone'];
    expect(
      Object.fromEntries(
        await Promise.all(states.map(async (state) => [state, ids(await get('', { state }))])),
      ),
    ).toEqual({
      failing: ['dead', 'failing'],
      waiting: ['requeued', 'claimed', 'waiting'],
      dead: ['given-up', 'dead'],
      given_up: ['given-up'],
      ignored: ['spam', 'sent'],
      gone: ['gone'],
    });
    expect(ids(await get('', { state: 'ignored', rule: 'sent' }))).toEqual(['sent']);
    expect((await get('', { state: 'waiting' })).json.messages[1]).toMatchObject({ is_claimed: true });
    expect((await get('', { state: 'stored' })).json).toMatchObject({
      code: 'bad_request',
      detail: expect.stringContaining('failing, waiting'),
    });
    expect((await get('', { state: 'gone', rule: 'spam' })).status).toBe(400);
  });

  it.each(['failing', 'waiting', 'ignored', 'gone'])('returns %s messages page by page', async (state) => {
    const row = { failing: 'pending', waiting: 'pending' }[state] ?? state;
    const more = {
      failing: FAILED,
      ignored: { ignored_rule: "'spam'", resolved_at: 'now()' },
      gone: { resolved_at: 'now()' },
    };
    await insert(row, ['a', 'b', 'c', 'd', 'e'], more[state as keyof typeof more] ?? {});
    const pages: string[][] = [];
    let before: number | null = null;
    do {
      const page: Answered = await get('', {
        state,
        limit: '2',
        ...(before === null ? {} : { before: String(before) }),
      });
      pages.push(ids(page));
      before = page.json.next_before;
    } while (before !== null);
    expect(pages).toEqual([['e', 'd'], ['c', 'b'], ['a']]);
  });

  it.each(['spam\0', "spam' or true", 'SPAM', ''])('rejects the rule %j', async (rule) => {
    const { json, status } = await get('', { state: 'ignored', rule });
    expect([status, json.code]).toEqual([400, 'bad_request']);
  });

  it('shows the newest ignored messages of all rules in one order', async () => {
    for (const [index, rule] of ['spam', 'sent', 'draft', 'spam', 'label'].entries())
      await insert('ignored', [`${rule}-${index}`], {
        ignored_rule: `'${rule}'`,
        resolved_at: `now() - ${index} * interval '1 minute'`,
      });
    const first = await get('', { state: 'ignored', limit: '3' });
    expect(ids(first)).toEqual(['spam-0', 'sent-1', 'draft-2']);
    expect(ids(await get('', { state: 'ignored', before: String(first.json.next_before) }))).toEqual([
      'spam-3',
      'label-4',
    ]);
  });

  it('reads the headers of a message once', async () => {
    const id = deliver('Read once');
    await insert('pending', [id], FAILED);
    await insert('gone', ['0123456789abcdef'], { resolved_at: 'now()' });
    for (let n = 0; n < 3; n += 1) {
      expect((await get('', { state: 'failing' })).json.messages).toMatchObject([
        { headers: { subject: 'Read once' }, headers_missing: null },
      ]);
      expect((await get('', { state: 'gone' })).json.messages).toMatchObject([
        { headers: null, headers_missing: 'gone' },
      ]);
    }
    expect(spentUnits()).toBe(40);
    await system.rows("delete from email_ledger where state = 'pending'");
  });

  it('asks Gmail for 25 messages per request, and for the others with the next', async () => {
    const all = Array.from({ length: 30 }, (_, n) => deliver(`Many ${n}`));
    await insert('pending', all, FAILED);
    const missing = async () =>
      (await get('', { state: 'failing', limit: '50' })).json.messages.filter(
        (one: { headers_missing: string | null }) => one.headers_missing === 'not_asked',
      ).length;
    expect([await missing(), spentUnits(), await missing(), spentUnits()]).toEqual([5, 500, 0, 600]);
    await system.rows('delete from email_ledger');
  });

  it('does not ask Gmail for the messages of a backlog', async () => {
    const all = Array.from({ length: 26 }, (_, n) => deliver(`Backlog ${n}`));
    await insert('pending', all);
    const { json } = await get('', { state: 'waiting' });
    expect(json.messages.map((one: { headers_missing: string }) => one.headers_missing)).toEqual(
      Array.from({ length: 25 }, () => 'not_asked'),
    );
    expect([json.gmail, spentUnits()]).toEqual([{ error: null }, 0]);
  });

  it('returns the list without headers when Gmail does not answer', async () => {
    const id = deliver('Unanswered');
    await insert('pending', [id], FAILED);
    system.gmail.faults.add({ kind: 'hang', method: 'messages.get' });
    const { json } = await get('', { state: 'failing' });
    expect(json.messages).toMatchObject([{ gmail_message_id: id, headers: null, headers_missing: 'failed' }]);
    expect(json.gmail.error).toMatchObject({ detail: expect.stringContaining('messages.get') });
    system.gmail.faults.clear();
  });

  it('asks for the headers again when there are units again', async () => {
    const id = deliver('Units');
    await insert('pending', [id], FAILED);
    await system.rows(
      "update mailbox_quota set available_units = 0, refilled_at = now() + interval '1 minute'",
    );
    const { json } = await get('', { state: 'failing' });
    expect(json.gmail.error).toMatchObject({ code: 'quota_used_up' });
    await system.rows('update mailbox_quota set available_units = 5900, refilled_at = now()');
    expect(subjects(await get('', { state: 'failing' }))).toEqual(['Units']);
    await system.rows('delete from email_ledger');
  });

  it('lets one rejected message hide neither the others nor itself', async () => {
    const [bad, good] = [deliver('Rejected'), deliver('Good')];
    await insert('dead', [bad, good], FAILED);
    system.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'failedPrecondition',
      method: 'messages.get',
      messageId: bad,
    });
    const { json } = await get('', { state: 'failing' });
    expect(json.messages).toMatchObject([
      { gmail_message_id: good, headers: { subject: 'Good' } },
      { gmail_message_id: bad, headers_missing: 'failed' },
    ]);
    expect(json.gmail).toEqual({ error: null });
    const spent = spentUnits();
    await get('', { state: 'failing' });
    expect(spentUnits(), 'a rejected message is not asked for again at once').toBe(spent);
  });

  it('does not ask with the credentials of one mailbox for messages of another', async () => {
    await system.rows(
      `with other as (
         insert into mailboxes (email_address, cursor_history_id) values ('sales@example.com', 1) returning id
       )
       insert into email_ledger (mailbox_id, gmail_message_id, source, state, ignored_rule, resolved_at)
       select id, '0123456789abcdef', 'history', 'ignored', 'spam', now() from other`,
    );
    expect((await get('', { state: 'ignored' })).json.messages).toMatchObject([
      { email_address: 'sales@example.com', headers_missing: 'other_mailbox' },
    ]);
    expect(spentUnits()).toBe(0);
    await system.rows('delete from email_ledger');
    await system.rows("delete from mailboxes where email_address = 'sales@example.com'");
  });

  it('counts the ignored messages of the last seven days by rule', async () => {
    expect((await get('/counts')).json).toEqual({ since: expect.any(String), ignored: [] });
    await insert('ignored', ['a', 'b'], { ignored_rule: "'sent'", resolved_at: "now() - interval '6 days'" });
    await insert('ignored', ['c'], { ignored_rule: "'spam'", resolved_at: 'now()' });
    await insert('ignored', ['d'], { ignored_rule: "'of_newer_code'", resolved_at: 'now()' });
    await insert('ignored', ['e'], { ignored_rule: "'trash'", resolved_at: "now() - interval '8 days'" });
    expect((await get('/counts')).json.ignored).toEqual([
      { rule: 'sent', count: 2, is_capped: false },
      { rule: 'of_newer_code', count: 1, is_capped: false },
      { rule: 'spam', count: 1, is_capped: false },
    ]);
    await system.rows(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, ignored_rule, resolved_at)
       select m.id, 'x' || n, 'history', 'ignored', 'sent', now() from mailboxes m, generate_series(1, 1000) n`,
    );
    expect((await get('/counts')).json.ignored[0]).toEqual({ rule: 'sent', count: 1_000, is_capped: true });
  });

  it('makes a failing message due without charging an attempt, and requeues a dead one with all its attempts', async () => {
    const waits = { ...FAILED, next_attempt_at: "now() + interval '3 hours'" };
    await insert('pending', ['failing'], waits);
    await insert('dead', ['dead'], waits);
    await insert('dead', ['given-up'], { ...waits, given_up_at: 'now()' });
    await insert('ignored', ['ignored'], { ignored_rule: "'spam'" });
    const ledgerId = async (id: string) =>
      (await system.rows<{ id: number }>('select id from email_ledger where gmail_message_id = $1', [id]))[0]
        ?.id;
    const retried: Record<string, number> = {};
    for (const id of ['failing', 'dead', 'ignored', 'given-up'])
      retried[id] = (await post(`/${await ledgerId(id)}/retry`)).json.retried;
    expect(retried).toEqual({ failing: 1, dead: 1, ignored: 0, 'given-up': 1 });
    expect(
      await system.rows(
        `select gmail_message_id, state, attempt_count, next_attempt_at <= now() as is_due from email_ledger
         where state <> 'ignored' order by id`,
      ),
    ).toEqual([
      { gmail_message_id: 'failing', state: 'pending', attempt_count: 3, is_due: true },
      { gmail_message_id: 'dead', state: 'pending', attempt_count: 0, is_due: true },
      { gmail_message_id: 'given-up', state: 'pending', attempt_count: 0, is_due: true },
    ]);
  });

  it('retries all failing and dead messages, except those that are given up', async () => {
    const waits = { ...FAILED, next_attempt_at: "now() + interval '3 hours'" };
    await insert('pending', ['failing'], waits);
    await insert('pending', ['untried']);
    await insert('dead', ['dead'], waits);
    await insert('dead', ['given-up'], { ...waits, given_up_at: 'now()' });
    expect((await post('/retry')).json).toEqual({ retried: 2 });
    expect(await system.rows("select gmail_message_id from email_ledger where state = 'dead'")).toEqual([
      { gmail_message_id: 'given-up' },
    ]);
    expect((await post('/retry')).json).toEqual({ retried: 1 });
  });

  it('gives up a dead message once', async () => {
    await insert('dead', ['dead'], FAILED);
    await insert('pending', ['failing'], FAILED);
    const [failing, dead] = (await get('', { state: 'failing' })).json.messages;
    expect([failing.gmail_message_id, dead.gmail_message_id]).toEqual(['failing', 'dead']);
    expect((await post(`/${dead.ledger_id}/give-up`)).json).toEqual({ given_up: 1 });
    expect((await post(`/${dead.ledger_id}/give-up`)).json).toEqual({ given_up: 0 });
    expect((await post(`/${failing.ledger_id}/give-up`)).json).toEqual({ given_up: 0 });
    for (const verb of ['retry', 'give-up'])
      expect((await post(`/9007199254740991/${verb}`)).json.code).toBe('not_found');
    expect((await post('/x/retry')).json.code).toBe('bad_request');
  });

  it('never lets a browser keep an answer', async () => {
    for (const answer of [await get('', { state: 'gone' }), await get('/counts'), await search('zebra')])
      expect(answer.headers['cache-control']).toBe('no-store');
  });
});
