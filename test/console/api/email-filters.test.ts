/** The order, the filters and the ids of the email list, through its routes. */
import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { order } from '../../helpers/test-emails.ts';
import { type Answered, createTestSystem, type TestSystem } from '../../helpers/test-system.ts';

const BASE = '/api/console';

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem();
});
afterAll(() => system.close());

async function search(body: object): Promise<Answered> {
  return await system.call('console', { path: `${BASE}/emails/search`, body });
}

async function subjects(body: object): Promise<string[]> {
  const { json, status } = await search(body);
  expect(status).toBe(200);
  return json.emails.map((email: { subject: string }) => email.subject);
}

/** Reads all pages. */
async function allSubjects(body: object): Promise<string[]> {
  const all: string[] = [];
  for (let before: string | null = null; ; ) {
    const { json }: Answered = await search({ ...body, before });
    all.push(...json.emails.map((email: { subject: string }) => email.subject));
    before = json.next_before;
    if (before === null) return all;
  }
}

async function store(...mails: readonly Buffer[]): Promise<void> {
  for (const one of mails) system.gmail.deliver(one);
  expect((await system.ingest()).outcome).toBe('completed');
}

describe('a stored email', () => {
  beforeAll(async () => {
    await store(
      Buffer.from(
        [
          'From: Änne Käufer <anne@kaeufer.example>',
          'To: Verkauf <verkauf@example.com>',
          'Cc: Lager <lager@example.net>',
          'Delivered-To: weiterleitung@example.org',
          'Subject: Anfrage',
          'Message-ID: <CAF+abc.123@mail.kaeufer.example>',
          'MIME-Version: 1.0',
          'Content-Type: multipart/mixed; boundary=b',
          '',
          '--b',
          'Content-Type: text/plain; charset=utf-8',
          '',
          'Bitte liefern Sie zwölf Stühle nach Århus. 至急、見積書をお願いします。',
          '--b',
          'Content-Type: application/pdf; name="order-4711.pdf"',
          'Content-Disposition: attachment; filename="order-4711.pdf"',
          '',
          '%PDF',
          '--b--',
        ].join('\r\n'),
      ),
      order('other'),
    );
  });

  it.each([
    ['anne', 'the name of the sender without its accent'],
    ['anne@kaeufer.example', 'the address of the sender'],
    ['verkauf@example.com', 'a recipient'],
    ['lager', 'the name of a recipient in Cc'],
    ['weiterleitung@example.org', 'Delivered-To'],
    ['anfrage', 'the subject'],
    ['stuhle zwolf arhus', 'words of the text without accents'],
    ['見積', 'a word inside a run of Japanese'],
    ['order-4711.pdf', 'a file name'],
    ['4711', 'a part of a file name'],
    ['<CAF+abc.123@mail.kaeufer.example>', 'the Message-ID with angle brackets'],
    ['CAF+abc.123@mail.kaeufer.example', 'the Message-ID without angle brackets'],
    ['  <CAF+abc.123@mail.kaeufer.example> ', 'the Message-ID between spaces'],
  ])('is found by %s: %s', async (q) => {
    expect(await subjects({ q })).toEqual(['Anfrage']);
  });

  it('is not found by a part of its Message-ID, or in another case', async () => {
    expect(await subjects({ q: 'abc.123@mail.kaeufer.example' })).toEqual([]);
    expect(await subjects({ q: '<caf+abc.123@mail.kaeufer.example>' })).toEqual([]);
  });

  it('is stored with a Message-ID that is longer than an entry of a B-tree', async () => {
    // PostgreSQL compresses an entry, so the text must not repeat itself.
    const id = `<${Array.from({ length: 60 }, (_, n) => hash('sha256', `part ${n}`)).join('.')}@example.com>`;
    await store(Buffer.from(`From: a@example.com\r\nSubject: Long id\r\nMessage-ID: ${id}\r\n\r\nx`));
    expect(await subjects({ q: 'long id' })).toEqual(['Long id']);
    const [stored] = await system.rows<{ length: number }>(
      "select length(rfc822_message_id) as length from incoming_emails where subject = 'Long id'",
    );
    expect(stored?.length).toBe(id.length);
  });
});

describe('order and filters', () => {
  const FACTS = [
    // Subject, day of November, mailbox, processed, attachments, defects; the ids are in this order.
    ['one', 5, 1, true, 2, []],
    ['two', 3, 1, false, 0, ['date_missing']],
    ['three', 9, 2, true, 0, []],
    ['four', 7, 2, false, 1, ['base64_junk']],
    ['five', 1, 1, true, 1, ['encrypted']],
    ['six', 7, 1, true, 0, []],
  ] as const;

  beforeAll(async () => {
    await system.rows('truncate incoming_emails cascade');
    await system.rows(
      `insert into mailboxes (email_address, cursor_history_id) values ('two@example.com', 1)`,
    );
    const [first, second] = await system.rows<{ id: number }>('select id from mailboxes order by id');
    for (const [subject, day, mailbox, processed, attachments, defects] of FACTS)
      await system.rows(
        `with added as (
           insert into incoming_emails
             (mailbox_id, gmail_message_id, sender, subject, received_at, size_bytes, attachment_count,
              parser_version, processed, defects)
           values ($1::integer, $2::text, 'Bücher', $2::text, $3::timestamptz, 1, $4::integer, 1, $5::boolean, $6::text[])
           returning id, received_at, mailbox_id, sender, subject
         )
         insert into email_search (email_id, received_at, mailbox_id, search_words)
         select id, received_at, mailbox_id, email_search_words(sender, null, subject, null)
         from added`,
        [
          (mailbox === 1 ? first : second)?.id,
          subject,
          `2026-11-0${day}T12:00:00Z`,
          attachments,
          processed,
          defects,
        ],
      );
  });

  const SECOND = { mailbox: 'two@example.com' };
  it.each([
    [{}, ['three', 'six', 'four', 'one', 'two', 'five']],
    [{ from: '2026-11-05T12:00:00Z' }, ['three', 'six', 'four', 'one']],
    [{ to: '2026-11-07T12:00:00Z' }, ['one', 'two', 'five']],
    [{ to: '2026-11-07T13:00:01+01:00' }, ['six', 'four', 'one', 'two', 'five']],
    [{ from: '2026-11-02T00:00:00Z', to: '2026-11-06T00:00:00Z' }, ['one', 'two']],
    [SECOND, ['three', 'four']],
    [{ mailbox: 'unknown@example.com' }, []],
    [{ processed: 'yes' }, ['three', 'six', 'one', 'five']],
    [{ processed: 'no' }, ['four', 'two']],
    [{ attachments: 'with' }, ['four', 'one', 'five']],
    [{ defects: 'with' }, ['four', 'two', 'five']],
    [{ processed: 'no', defects: 'with', ...SECOND }, ['four']],
    [{ processed: 'yes', defects: 'with' }, ['five']],
    [{ processed: 'yes', attachments: 'with', to: '2026-11-05T00:00:00Z' }, ['five']],
    [{ ...SECOND, attachments: 'with', defects: 'with' }, ['four']],
  ])('%j leaves the emails %j, also with a word and page by page', async (filters, expected) => {
    expect(await subjects(filters)).toEqual(expected);
    expect(await subjects({ ...filters, q: 'bucher' })).toEqual(expected);
    expect(await allSubjects({ ...filters, q: 'bucher', limit: 1 })).toEqual(expected);
    expect(await allSubjects({ ...filters, limit: 2 })).toEqual(expected);
    expect(await subjects({ ...filters, q: 'nowhere' })).toEqual([]);
    const { json } = await system.call('console', {
      path: `${BASE}/emails`,
      method: 'GET',
      query: filters as Record<string, string>,
    });
    expect(json.emails.map((email: { subject: string }) => email.subject)).toEqual(expected);
  });

  it('a filter also applies to an email that an id finds', async () => {
    await system.rows(
      `update incoming_emails set rfc822_message_id = '<same@example.com>' where subject <> 'six'`,
    );
    expect(await allSubjects({ q: '<same@example.com>', limit: 2 })).toEqual([
      'three',
      'four',
      'one',
      'two',
      'five',
    ]);
    expect(await subjects({ q: 'same@example.com', defects: 'with' })).toEqual(['four', 'two', 'five']);
  });

  it('each email has the address of its mailbox', async () => {
    const { json } = await search({ q: 'three' });
    expect(json.emails[0].mailbox).toBe('two@example.com');
  });

  it('an email of the year 9999 does not end the pages', async () => {
    await system.rows(
      `with changed as (
         update incoming_emails set received_at = '9999-12-31T12:00:00Z' where subject in ('one', 'two') returning id
       )
       update email_search set received_at = '9999-12-31T12:00:00Z' where email_id in (select id from changed)`,
    );
    expect(await allSubjects({ q: 'bucher', limit: 1 })).toEqual([
      'two',
      'one',
      'three',
      'six',
      'four',
      'five',
    ]);
  });

  it('has at most 1,000 characters of a sender and of a subject in the list', async () => {
    await system.rows(
      `update incoming_emails set subject = repeat('s', 200000), sender = repeat('a', 200000) where subject = 'six'`,
    );
    const { json } = await search({ from: '2026-11-06T00:00:00Z', to: '2026-11-07T12:00:00.001Z' });
    const lengths = json.emails.map(({ sender, subject }: { sender: string; subject: string }) => [
      sender.length,
      subject.length,
    ]);
    expect(lengths).toContainEqual([1_000, 1_000]);
  });
});
