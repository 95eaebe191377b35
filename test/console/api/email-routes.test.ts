/** The routes that list, search, show and download emails. */
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { mail, order } from '../../helpers/test-emails.ts';
import { type Answered, createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

const BASE = '/api/console';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

async function get(path: string, query: Record<string, string> = {}): Promise<Answered> {
  return await system.call('console', { path: `${BASE}/${path}`, method: 'GET', query });
}

async function search(body: unknown): Promise<Answered> {
  return await system.call('console', { path: `${BASE}/emails/search`, body });
}

async function store(...mails: readonly Buffer[]): Promise<string[]> {
  const ids = mails.map((one) => system.gmail.deliver(one).id);
  expect((await system.ingest()).outcome).toBe('completed');
  return ids;
}

const subjects = (answered: Answered): string[] =>
  answered.json.emails.map((email: { subject: string }) => email.subject);

async function found(q: string): Promise<string[]> {
  return subjects(await search({ q }));
}

async function bytesOf({ body }: Answered): Promise<Buffer> {
  return await buffer(body as Readable);
}

async function idOf(gmailId: string): Promise<number> {
  const [row] = await system.rows<{ id: number }>(
    'select id from incoming_emails where gmail_message_id = $1::text',
    [gmailId],
  );
  return row?.id ?? 0;
}

describe('GET emails', () => {
  it('lists the newest emails first, each with its attachments', async () => {
    const [first] = await store(order(1));
    const [second] = await store(order(2));
    const { json, headers } = await get('emails', { limit: '2' });
    expect(headers['cache-control']).toBe('no-store');
    expect(json.emails.map((email: { id: number }) => email.id)).toEqual([
      await idOf(second ?? ''),
      await idOf(first ?? ''),
    ]);
    expect(json.emails[0]).toMatchObject({
      subject: 'Order 2',
      sender: 'Alice Buyer <alice@example.com>',
      sender_address: 'alice@example.com',
      attachment_count: 1,
      processed: false,
      defects: [],
      attachments: [
        {
          filename: 'order-2.pdf',
          content_type: 'application/pdf',
          is_inline: false,
          id: expect.any(Number),
        },
      ],
    });
    expect(json.emails[0].attachments[0].file_size_bytes).toBeGreaterThan(40);
    expect(Date.parse(json.emails[0].stored_at)).toBeGreaterThanOrEqual(
      Date.parse(json.emails[0].received_at) - 60_000,
    );
  });

  it('returns each email once over all pages while new emails arrive', async () => {
    await store(...Array.from({ length: 9 }, (_, n) => order(`paged-${n}`)));
    // Some in the same microsecond, and in another order than their ids.
    await system.rows(
      `with moved as (
         update incoming_emails set received_at = '2026-11-02Z'::timestamptz + (id % 3) * interval '1 microsecond'
         where subject like 'Order paged-%' returning id, received_at
       )
       update email_search s set received_at = m.received_at from moved m where m.id = s.email_id`,
    );
    const all = (
      await system.rows<{ id: number }>('select id from incoming_emails order by received_at desc, id desc')
    ).map((row) => row.id);
    for (const read of [get.bind(null, 'emails'), async (q: object) => await search({ ...q, q: 'order' })]) {
      const seen: number[] = [];
      let before: string | null = null;
      do {
        const { json }: Answered = await read({ limit: '4', ...(before === null ? {} : { before }) });
        seen.push(...json.emails.map((email: { id: number }) => email.id));
        before = json.next_before;
        await store(order('new'));
      } while (before !== null);
      expect(seen.filter((id) => all.includes(id))).toEqual(all);
      expect(new Set(seen).size).toBe(seen.length);
    }
  });

  it.each([
    [{ limit: 'abc' }, '"limit" must be a whole number from 1 to 100.'],
    [{ limit: '0' }, '"limit" must be a whole number from 1 to 100.'],
    [{ limit: '101' }, '"limit" must be a whole number from 1 to 100.'],
    [{ limit: '' }, '"limit" must be a whole number from 1 to 100.'],
    [{ from: '2026-11-28' }, '"from" must be a time with a time zone, as in 2026-11-28T00:00:00Z.'],
    [{ to: '2026-13-28T00:00:00Z' }, '"to" must be a time with a time zone, as in 2026-11-28T00:00:00Z.'],
    [{ mailbox: 'x'.repeat(321) }, '"mailbox" must be the address of a mailbox.'],
    [{ processed: 'true' }, '"processed" must be "yes" or "no". Leave it out for all emails.'],
    [{ attachments: 'no' }, '"attachments" must be "with". Leave it out for all emails.'],
    [{ defects: '' }, '"defects" must be "with". Leave it out for all emails.'],
    [{ q: 'x'.repeat(501) }, '"q" must be text of at most 500 characters.'],
  ])('rejects the parameters %o and says what is valid', async (query, detail) => {
    expect(await get('emails', query as Record<string, string>)).toMatchObject({
      status: 400,
      json: { code: 'bad_request', detail },
    });
  });
});

test.each(['', '42', '1.', '1e3.1', "1.1'", '1.99999999999', '1234567890123456789.1'])(
  'rejects the position %j and says what to do',
  async (before) => {
    const detail =
      '"before" must be the "next_before" of the previous page. Leave it out to start at the newest email.';
    expect(await get('emails', { before })).toMatchObject({
      status: 400,
      json: { code: 'bad_request', detail },
    });
    expect(await search({ q: 'order', before: 42 })).toMatchObject({ status: 400, json: { detail } });
  },
);

test.each(['0.0', '-999999.1', '99999999999999999.9999999999'])(
  'the position %s may be before or after all emails',
  async (before) => {
    expect((await get('emails', { before })).status).toBe(200);
  },
);

describe('POST emails/search', () => {
  beforeAll(async () => {
    await store(
      mail('Bestellung =?utf-8?Q?M=C3=BCller_?=Nr. 88-1234', [
        'MIME-Version: 1.0',
        'Content-Type: application/pdf; name="lieferschein_2026-11.pdf"',
        'Content-Disposition: attachment',
        '',
        '%PDF',
      ]),
      mail("O'Brien & Söhne (100% wool) \\ | ! <-> :*"),
    );
  });

  it.each([
    ['88', 'the prefix of a number'],
    ['1234', 'a number after a hyphen'],
    ['müller', 'a word with an umlaut'],
    ['MÜLLER bestell', 'the prefixes of two words, ignoring case'],
    ['mu\u0308ller', 'a decomposed letter'],
    ['１２３４', 'full-width digits'],
    ['lieferschein', "a word of an attachment's name"],
    ['2026-11.pdf', "the end of an attachment's name"],
    ['alice@example.com 1234', 'the sender and the subject together'],
    ['example.com lieferschein 88', 'sender, subject and attachment together'],
  ])('finds an email with %s, which is %s', async (q) => {
    expect(await found(q)).toEqual(['Bestellung Müller Nr. 88-1234']);
  });

  it.each(["O'Brien", 'wool)', '100% (wool', "'brien", '\\', 'söhne | nothing', "brien' & !", 'brien:*'])(
    'treats %s as plain words, without any query syntax',
    async (q) => {
      const { status, json } = await search({ q });
      expect(status).toBe(200);
      const isFound = json.emails.some((email: { subject: string }) => email.subject.startsWith("O'Brien"));
      expect(isFound).toBe(!q.includes('nothing'));
    },
  );

  it.each(["'; drop table incoming_emails; --", "') or 1=1 --", '$1', 'a\0b', '\ud800', '🧾', '<->', "''::"])(
    'answers the hostile or unusual text %j and keeps all emails',
    async (q) => {
      expect((await search({ q })).status).toBe(200);
      expect((await get('emails')).json.emails.length).toBeGreaterThan(0);
    },
  );

  it('finds no email when one of the words is missing', async () => {
    expect(await found('müller nowhere')).toEqual([]);
  });

  it('finds an email by its whole Gmail message id', async () => {
    const [gmailId = ''] = await store(mail('By id'));
    expect(await found(` ${gmailId.toUpperCase()} `)).toEqual(['By id']);
  });

  it('finds old emails beyond the initial scan, in order and page by page', async () => {
    const before = (await system.rows<{ max: number }>('select max(id) from incoming_emails'))[0]?.max ?? 0;
    await system.rows(
      `with added as (
         insert into incoming_emails
           (mailbox_id, gmail_message_id, sender, subject, received_at, size_bytes, attachment_count, parser_version)
         select m.id, 'bulk-' || n, 'bulk@example.com',
                case when n <= 40 then 'rarity ' || n else 'bulk ' || n end, now(), 1, 0, 1
         from mailboxes m, generate_series(1, 3500) n
         order by n
         returning id, sender, subject, received_at, mailbox_id
       )
       insert into email_search (email_id, received_at, mailbox_id, search_words)
       select id, received_at, mailbox_id, email_search_words(sender, null, subject, null)
       from added`,
    );
    const first = await search({ q: 'rarity', limit: 30 });
    expect(subjects(first)).toEqual(Array.from({ length: 30 }, (_, n) => `rarity ${40 - n}`));
    const second = await search({ q: 'rarity', limit: 30, before: first.json.next_before });
    expect(subjects(second)).toEqual(Array.from({ length: 10 }, (_, n) => `rarity ${10 - n}`));
    expect(second.json.next_before).toBeNull();
    await system.rows('delete from incoming_emails where id > $1::integer', [before]);
  });

  it('treats null parameters as absent', async () => {
    const none = { q: null, before: null, limit: null, from: null, to: null, mailbox: null };
    expect(
      (await search({ ...none, processed: null, attachments: null, defects: null })).json.emails.length,
    ).toBeGreaterThan(0);
  });

  it.each([undefined, 'q=order', [], null])('rejects the body %j', async (body) => {
    expect(await search(body)).toMatchObject({ status: 400, json: { code: 'bad_request' } });
  });

  it('writes no search word to the log', async () => {
    const { call, log } = system.instance();
    await call('console', { path: `${BASE}/emails/search`, body: { q: 'verysecretword', limit: 'x' } });
    await call('console', { path: `${BASE}/emails/search`, body: { q: 'verysecretword' } });
    expect(JSON.stringify(log)).not.toContain('verysecretword');
  });
});

describe('GET emails/ID', () => {
  it('returns the text and the recipients of an email, and whether it has HTML', async () => {
    const [gmailId = ''] = await store(order('shown'));
    expect((await get(`emails/${await idOf(gmailId)}`)).json).toMatchObject({
      subject: 'Order shown',
      gmail_message_id: gmailId,
      rfc822_message_id: expect.stringContaining('reused@example.com'),
      sent_at: '2026-11-02T08:00:00.000Z',
      recipients: { to: [{ address: 'orders@example.com' }] },
      body_text: expect.stringContaining('Please find order shown attached.'),
      body_text_truncated: false,
      has_html: false,
      attachments: [{ filename: 'order-shown.pdf' }],
    });
  });

  it('truncates a long text and reports it', async () => {
    const [gmailId = ''] = await store(mail('Long', ['', 'x'.repeat(990).concat('\r\n').repeat(300)]));
    const { json } = await get(`emails/${await idOf(gmailId)}`);
    expect([json.body_text.length, json.body_text_truncated]).toEqual([200_000, true]);
  });

  it('serves the HTML of an email as a sandboxed document, without anything that loads or runs', async () => {
    const html = '<script>alert(1)</script><img src="https://example.com/track.gif" onerror="alert(2)">ü';
    const [gmailId = ''] = await store(
      mail('Hostile', ['MIME-Version: 1.0', 'Content-Type: text/html; charset=utf-8', '', html]),
    );
    const { body, headers, status } = await get(`emails/${await idOf(gmailId)}/html`);
    expect(status).toBe(200);
    expect(body).toBe('<!doctype html>\n<img>ü\n');
    expect(headers).toMatchObject({
      'content-security-policy':
        "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'",
      'content-type': 'text/html; charset=utf-8',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
  });

  it('shows the images of an email in its HTML, and leaves out those beyond 8 MiB', async () => {
    const image = (id: string) => [
      '--b',
      'Content-Type: image/png',
      `Content-ID: <${id}>`,
      'Content-Transfer-Encoding: base64',
      '',
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
    ];
    const [gmailId = ''] = await store(
      mail('Images', [
        'MIME-Version: 1.0',
        'Content-Type: multipart/related; boundary=b',
        '',
        '--b',
        'Content-Type: text/html',
        '',
        '<img src="cid:one"><img src="cid:two">',
        ...image('one'),
        ...image('two'),
        '--b--',
      ]),
    );
    const path = `emails/${await idOf(gmailId)}/html`;
    const shown = async () => String((await get(path)).body).match(/<img( src="data:image\/png;base64,)?/g);
    expect(await shown()).toEqual(Array(2).fill('<img src="data:image/png;base64,'));
    await system.rows(
      `update email_attachments
       set file_data = convert_to(repeat('x', 8 * 1048576), 'UTF8'), file_size_bytes = 8 * 1048576
       where content_id like '%two%' and email_id = $1::integer`,
      [await idOf(gmailId)],
    );
    expect(await shown()).toEqual(['<img src="data:image/png;base64,', '<img']);
  });

  it('shows HTML that refers to an image with an encoded NUL', async () => {
    const [gmailId = ''] = await store(
      mail('NUL', [
        'MIME-Version: 1.0',
        'Content-Type: text/html',
        '',
        '<p>Ten chairs</p><img src="cid:%00">',
      ]),
    );
    const { body, status } = await get(`emails/${await idOf(gmailId)}/html`);
    expect([status, body]).toEqual([200, expect.stringContaining('Ten chairs')]);
  });

  it('downloads an email with the exact bytes that Gmail returned', async () => {
    const sent = Buffer.concat([order('raw'), Buffer.from([0x80, 0xff, 0x0d, 0x0a])]);
    const [gmailId = ''] = await store(sent);
    const raw = await get(`emails/${await idOf(gmailId)}/raw`);
    expect(await bytesOf(raw)).toEqual(sent);
    expect(raw.headers).toMatchObject({
      'content-type': 'message/rfc822',
      'content-length': String(sent.length),
      'content-disposition': expect.stringContaining(
        `attachment; filename="email-${await idOf(gmailId)}.eml"`,
      ),
      'content-security-policy': 'sandbox',
    });
  });
});

test.each([
  'emails/2147483647',
  'emails/2147483648',
  'emails/9007199254740991/html',
  'emails/2147483648/raw',
  'attachments/99999999999',
])('answers %s with 404', async (path) => {
  expect(await get(path)).toMatchObject({ status: 404, json: { code: 'not_found' } });
});

test.each([
  'emails/abc',
  'emails/0/html',
  'emails/9007199254740992/raw',
  'attachments/-1',
  'attachments/99999999999999999',
])('rejects %s and says what a valid id is', async (path) => {
  expect(await get(path)).toMatchObject({
    status: 400,
    json: { code: 'bad_request', detail: '"id" must be a whole number from 1 to 9007199254740991.' },
  });
});

test('answers 404 for the HTML of an email without HTML', async () => {
  const [gmailId = ''] = await store(order('plain'));
  expect((await get(`emails/${await idOf(gmailId)}/html`)).status).toBe(404);
});
