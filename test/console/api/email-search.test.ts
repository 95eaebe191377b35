/** How many emails one search reads, with limits that a small table reaches. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EmailListRequest } from '../../../console/api/email-list-parameters.ts';
import { findEmails, type SearchLimits } from '../../../console/api/email-search.ts';
import { queryWithTimeout } from '../../../console/api/time-limited-query.ts';
import type { Database } from '../../../shared/db/database.ts';
import { createTestDatabase, type TestDatabase } from '../../helpers/test-database.ts';

const LIMITS = {
  initialScanSteps: [8, 20],
  maxScannedEmails: 60,
  maxFilteredEmails: 40,
  maxIndexMatches: 30,
  indexTimeoutMs: 10_000,
};
const EMAILS = 400;

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
  await db.query(`insert into mailboxes (email_address, cursor_history_id) values ('a@example.com', 1)`);
  await db.query(
    `with added as (
       insert into incoming_emails
         (mailbox_id, gmail_message_id, sender, subject, received_at, size_bytes, attachment_count, parser_version)
       select 1, 'm' || n, 'a@example.com',
              concat_ws(' ', case when n <= 100 then 'bygone' end, case when n % 50 = 0 then 'scarce' end,
                        case when n % 3 = 0 then 'common' end), '2026-11-01Z'::timestamptz + n / 2 * interval '1 hour', 1, 0, 1
       from generate_series(1, ${EMAILS}) n
       order by n
       returning id, sender, subject, received_at, mailbox_id
     )
     insert into email_search (email_id, received_at, mailbox_id, search_words)
     select id, received_at, mailbox_id, email_search_words(sender, null, subject, null)
     from added`,
  );
});
afterAll(async () => await db.close());

const NO_FILTERS = {
  from: null,
  mailbox: null,
  processed: null,
  hasAttachments: false,
  hasDefects: false,
};

function idOf(cursor: string): number {
  return Number(cursor.split('.')[1]);
}

async function find(
  text: string,
  { beforeId, limit }: { readonly beforeId: number | null; readonly limit: number },
  limits: SearchLimits = LIMITS,
  on: Database = db,
) {
  const { rows } = await db.query<{ before: EmailListRequest['before'] }>(
    'select email_cursor(received_at, id) as before from incoming_emails where id = $1::integer',
    [beforeId],
  );
  const request = { text, filters: NO_FILTERS, before: rows[0]?.before ?? null, limit };
  const { found, scannedDownTo } = await findEmails(on, request, limits);
  return { ids: found.map(idOf), scannedDownTo: scannedDownTo === null ? null : idOf(scannedDownTo) };
}

/** Reads all pages. */
async function allPages(text: string, limit: number): Promise<number[]> {
  const ids: number[] = [];
  for (let beforeId: number | null = null; ; ) {
    const page: Awaited<ReturnType<typeof find>> = await find(text, { beforeId, limit });
    ids.push(...page.ids);
    beforeId = page.ids.length === limit ? (ids.at(-1) ?? null) : page.scannedDownTo;
    if (beforeId === null) return ids;
  }
}

async function matching(pattern: string): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(
    'select id from incoming_emails where subject like $1::text order by id desc',
    [pattern],
  );
  return rows.map((row) => row.id);
}

describe('findEmails', () => {
  it.each([1, 7, 30, 1_000])(
    'finds each matching email once and in order with pages of %i',
    async (limit) => {
      for (const word of ['bygone', 'scarce', 'common', 'nowhere'])
        expect([word, await allPages(word, limit)]).toEqual([word, await matching(`%${word}%`)]);
      expect(await allPages('bygone common', limit)).toEqual(await matching('%bygone%common%'));
    },
  );

  it('ends early for a frequent word that the newest emails lack, and reports the oldest email that it scanned', async () => {
    const request = { beforeId: null, limit: 25 };
    expect(await find('bygone', request)).toEqual({
      ids: [],
      scannedDownTo: EMAILS - 59,
    });
    // Only the lower part of the scanned range has matches.
    expect(await find('bygone', { beforeId: 141, limit: 99 })).toEqual({
      ids: Array.from({ length: 20 }, (_, n) => 100 - n),
      scannedDownTo: 81,
    });
  });

  it.each([
    ['that fills the page at once', 'common', 2, ['scan']],
    ['that many of the newest emails have', 'common', 5, ['scan', 'scan']],
    ['that few of the newest emails have', 'scarce', 8, ['scan', 'index']],
    ['that no email has', 'nowhere', 8, ['scan', 'index']],
    ['that the newest emails lack and the index has too often', 'bygone', 8, ['scan', 'index', 'scan']],
    ['without a letter or digit, which every email matches', '!?', 8, ['scan']],
  ])('runs only the necessary queries for a word %s', async (_, word, limit, steps) => {
    const taken: string[] = [];
    const watched: Database = {
      ...db,
      query: async (sql, parameters) => {
        taken.push('scan');
        return await db.query(sql, parameters);
      },
      transaction: async (work) => {
        taken.push('index');
        return await db.transaction(work);
      },
    };
    await find(word, { beforeId: null, limit }, LIMITS, watched);
    expect(taken).toEqual(steps);
  });

  it.each([
    ['a frequent word and a rare one', 'common scarce', '%scarce%common%'],
    ['a word of the oldest emails and a frequent one', 'bygone common', '%bygone%common%'],
    ['a word of every email and one of none', 'example nowhere', 'none'],
  ])('asks the index for rare words only, and finds the emails with %s', async (_, words, matches) => {
    const asked: unknown[] = [];
    const watched: Database = {
      ...db,
      transaction: async (work) =>
        await db.transaction(
          async (tx) =>
            await work({
              query: async (sql, parameters) => {
                asked.push(...(parameters ?? []).slice(0, 1));
                return await tx.query(sql, parameters);
              },
            } as typeof tx),
        ),
    };
    const { ids } = await find(
      words,
      { beforeId: null, limit: 25 },
      { ...LIMITS, maxIndexMatches: 500 },
      watched,
    );
    expect(ids).toEqual((await matching(matches)).slice(0, 25));
    for (const pattern of asked) expect(pattern).not.toMatch(/common|example/);
  });

  it('asks the index for all words when the rare ones alone are in too many emails', async () => {
    const limits = { ...LIMITS, maxIndexMatches: 40 };
    expect(await find('bygone common', { beforeId: null, limit: 25 }, limits)).toEqual({
      ids: (await matching('%bygone%common%')).slice(0, 25),
      scannedDownTo: null,
    });
  });

  it('finds all matches of a rare word at once', async () => {
    expect(await find('scarce', { beforeId: null, limit: 25 })).toEqual({
      ids: await matching('%scarce%'),
      scannedDownTo: null,
    });
  });

  it('reports no next page when no emails are left', async () => {
    expect(await find('nowhere', { beforeId: 21, limit: 25 })).toEqual({
      ids: [],
      scannedDownTo: null,
    });
  });
});

describe('queryWithTimeout', () => {
  it('returns null when the query takes too long, and leaves the time limit of the next query unchanged', async () => {
    expect(await queryWithTimeout(db, 20, 'select pg_sleep(30)', [])).toBeNull();
    const { rows } = await db.query<{ statement_timeout: string }>('show statement_timeout');
    expect(rows).toEqual([{ statement_timeout: '30s' }]);
  });

  it('runs the query with its time limit and without JIT', async () => {
    const settings = `select current_setting('statement_timeout') as limit, current_setting('jit') as jit`;
    expect(await queryWithTimeout(db, 10_000, settings, [])).toEqual([{ limit: '10s', jit: 'off' }]);
  });

  it('throws any other error of the query', async () => {
    await expect(queryWithTimeout(db, 20, 'select 1 / 0', [])).rejects.toMatchObject({ code: 'unstorable' });
  });

  it.each(["'; select 1; --", "\\'", '\\x27', '$$ ü 漢 🙂', ''])(
    'passes any text to PostgreSQL unchanged: %s',
    async (text) => {
      expect(await queryWithTimeout(db, 10_000, 'select $1::text as text', [text])).toEqual([{ text }]);
    },
  );
});
