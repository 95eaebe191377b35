/** The migration of the search: emails that were stored before it, and instances that still run the code before it. */
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { listEmails } from '../../../console/api/email-queries.ts';
import { type Database, openDatabase } from '../../../shared/db/database.ts';
import { migrate } from '../../../shared/db/schema/migrations.ts';

const MIGRATIONS = join(import.meta.dirname, '../../../sql/migrations');
const folder = mkdtempSync(join(tmpdir(), 'email-monitor-before-search-'));

const NO_FILTERS = {
  from: null,
  mailbox: null,
  processed: null,
  hasAttachments: false,
  hasDefects: false,
};

/** As the code before the migration stores an email. */
const PREVIOUS_STORE = `
with email as (
  insert into incoming_emails
    (mailbox_id, gmail_message_id, received_at, size_bytes, parser_version, sender, recipients, subject, attachment_count,
     plain_text, delivered_to)
  values (1, $1::text, $2::timestamptz, 1, 1, $3::text, '{"to": [{"address": "orders@example.com"}]}', $1::text, 1,
          $4::text, $5::text[])
  returning id
),
search as (
  insert into email_search (email_id, search_words)
  select id, email_search_words($3::text, null, $1::text, $6::text, '{"to": [{"address": "orders@example.com"}]}', $4::text)
  from email
  returning 1
)
insert into email_attachments (email_id, part_path, filename, content_type, file_data, file_size_bytes, sha256)
select id, '2', $6::text, 'application/pdf', '', 0, repeat('0', 64)
from email`;

let db: Database;
beforeAll(async () => {
  for (const file of readdirSync(MIGRATIONS))
    if (file < '0008') copyFileSync(join(MIGRATIONS, file), join(folder, file));
  const url = new URL(inject('postgresUrl'));
  const admin = new pg.Client({
    connectionString: Object.assign(new URL(url), { pathname: '/postgres' }).href,
  });
  await admin.connect();
  await admin.query('create database before_search');
  await admin.end();
  url.pathname = '/before_search';
  const target = { kind: 'url', url: url.href } as const;
  await migrate(target, [], folder);
  db = openDatabase({ target, poolSize: 2 });
  await db.query(`insert into mailboxes (email_address, cursor_history_id) values ('orders@example.com', 1)`);
  await store('Plain order', '2026-11-03Z', 'Alice', 'Ten chairs', ['alias@example.org'], 'order.pdf');
  await store('Bestellung', '2026-11-04Z', 'Jürgen Groß', 'Zehn Stühle', ['alias@example.net'], 'größe.pdf');
  await store('注文書送付', '2026-11-02Z', '山田', '椅子を十脚お願いします', [], '見積書.pdf');
  await store('Without words', '2026-11-01Z', 'Bob', 'Old', [], 'old.pdf');
  await store(
    'Mixed',
    '2026-10-31Z',
    'Ærø ŁÓDŹ',
    '„Straße“ – ½ £5 Ελλάδας Йод ısı №7',
    ['ü@example.org'],
    'naïve.pdf',
  );
  await store('Split', '2026-10-30Z', 'Zoë', 'Auf\u00adträge für Iz\u200bmir', ['a@example.org'], 'b.pdf');
  await db.query(
    `delete from email_search where email_id = (select id from incoming_emails where subject = 'Without words')`,
  );
  expect(await found('十脚', PREVIOUS_SEARCH)).toEqual([]);
  expect(await migrate(target)).toContain('0008_search-and-list');
});
afterAll(async () => {
  await db?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function store(...values: readonly [string, string, string, string, readonly string[], string]) {
  await db.query(PREVIOUS_STORE, values);
}

/** As the code before the migration searches. */
const PREVIOUS_SEARCH = `
with parsed_query as materialized (
  select string_agg('''' || word || ''':*', ' & ')::tsquery as pattern
  from unnest(tsvector_to_array(email_words($1::text))) word
)
select e.subject
from email_search s
join incoming_emails e on e.id = s.email_id
where search_words @@ (select pattern from parsed_query)
order by email_id desc`;

async function found(text: string, sql: string): Promise<string[]> {
  return (await db.query<{ subject: string }>(sql, [text])).rows.map(({ subject }) => subject);
}

async function list(text: string | null): Promise<(string | null)[]> {
  const { rows } = await listEmails(db, { text, filters: NO_FILTERS, before: null, limit: 25 });
  return rows.map(({ subject }) => subject);
}

describe('an email that was stored before the migration', () => {
  test.each([
    ['jurgen gross', ['Bestellung']],
    ['JÜRGEN GROSS', ['Bestellung']],
    ['stuhle', ['Bestellung']],
    ['grosse.pdf', ['Bestellung']],
    ['alias@example.net', ['Bestellung']],
    ['alias@example.org', ['Plain order']],
    ['ten chairs alice order.pdf', ['Plain order']],
    ['十脚', ['注文書送付']],
    ['見積', ['注文書送付']],
    ['書送', ['注文書送付']],
    ['old', ['Without words']],
  ])('is found by %s', async (text, expected) => {
    expect(await list(text)).toEqual(expected);
  });

  test('is listed in the order of its receipt', async () => {
    expect(await list(null)).toEqual([
      'Bestellung',
      'Plain order',
      '注文書送付',
      'Without words',
      'Mixed',
      'Split',
    ]);
  });

  test('has the words that it would have if it was stored now', async () => {
    const { rows } = await db.query(
      `select e.subject, s.search_words::text as words,
              email_search_words(e.sender, e.sender_address, e.subject, a.filename, e.recipients, e.plain_text,
                                 array_to_string(e.delivered_to, ' '))::text as words_now
       from incoming_emails e
       join email_search s on s.email_id = e.id
       join email_attachments a on a.email_id = e.id`,
    );
    expect(rows).toHaveLength(6);
    for (const { subject, words, words_now } of rows as Record<string, string>[])
      expect([subject, words]).toEqual([subject, words_now]);
  });
});

test('a database with another encoding than UTF-8 keeps its words, and has the list', async () => {
  const url = new URL(inject('postgresUrl'));
  const admin = new pg.Client({
    connectionString: Object.assign(new URL(url), { pathname: '/postgres' }).href,
  });
  await admin.connect();
  await admin.query(`create database latin1 encoding 'LATIN1' locale 'C' template template0`);
  await admin.end();
  url.pathname = '/latin1';
  const target = { kind: 'url', url: url.href } as const;
  await migrate(target);
  const latin = openDatabase({ target, poolSize: 1 });
  try {
    await latin.query(`insert into mailboxes (email_address, cursor_history_id) values ('a@example.com', 1)`);
    await latin.query(PREVIOUS_STORE, ['Order', '2026-11-03Z', 'Müller', 'Ten chairs', [], 'order-4711.pdf']);
    for (const [text, count] of [
      ['4711 chairs Müller', 1],
      ['muller', 0],
      [null, 1],
    ] as const) {
      const { rows } = await listEmails(latin, { text, filters: NO_FILTERS, before: null, limit: 25 });
      expect([text, rows.length]).toEqual([text, count]);
    }
    await expect(
      listEmails(latin, { text: '注文書', filters: NO_FILTERS, before: null, limit: 25 }),
    ).rejects.toMatchObject({ code: 'bad_request', message: expect.stringContaining('encoding') });
  } finally {
    await latin.close();
  }
});

describe('an instance that still runs the code before the migration', () => {
  test('stores emails that the list and the search have', async () => {
    await store('Später', '2026-11-02T12:00:00Z', 'Jörg', '見積書', [], 'a.pdf');
    expect(await list('jorg 見積')).toEqual(['Später']);
    expect((await list(null)).slice(0, 4)).toEqual(['Bestellung', 'Plain order', 'Später', '注文書送付']);
    await db.query(`delete from incoming_emails where subject = 'Später'`);
  });

  test('finds emails with the words of the new index', async () => {
    expect(await found('jürgen stühle', PREVIOUS_SEARCH)).toEqual(['Bestellung']);
    expect(await found('注文書', PREVIOUS_SEARCH)).toEqual(['注文書送付']);
    expect(await found('chairs', PREVIOUS_SEARCH)).toEqual(['Plain order']);
  });
});
