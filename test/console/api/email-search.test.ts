/** How far one search goes, with bounds that a small table reaches. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findIds } from '../../console/api/search.ts';
import { textLiteral, timeBoxed } from '../../console/api/time-limited-query.ts';
import type { Database } from '../../shared/db/database.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

const BOUNDS = { walkedFirst: [8, 20], walkedAtMost: 60, mostGathered: 30, gatherMs: 10_000 };
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
                        case when n % 3 = 0 then 'common' end), now(), 1, 0, 1
       from generate_series(1, ${EMAILS}) n
       order by n
       returning id, sender, subject
     )
     insert into email_search (email_id, search_words)
     select id, email_search_words(sender, null, subject, null)
     from added`,
  );
});
afterAll(async () => await db.close());

/** Page by page to the end, as a person would. */
async function all(text: string, limit: number): Promise<{ ids: number[]; pages: number }> {
  const ids: number[] = [];
  for (let before: number | null = null, pages = 1; ; pages += 1) {
    const found = await findIds(db, text, { before, limit }, BOUNDS);
    ids.push(...(found?.ids ?? []));
    before = found?.ids.length === limit ? (ids.at(-1) ?? null) : (found?.lookedDownTo ?? null);
    if (before === null) return { ids, pages };
  }
}

async function real(pattern: string): Promise<number[]> {
  const { rows } = await db.query<{ id: number }>(
    'select id from incoming_emails where subject like $1::text order by id desc',
    [pattern],
  );
  return rows.map((row) => row.id);
}

describe('a search', () => {
  it.each([1, 7, 30, 1_000])('finds each email once and in order, %i at a time', async (limit) => {
    for (const word of ['bygone', 'scarce', 'common', 'nowhere'])
      expect([word, (await all(word, limit)).ids]).toEqual([word, await real(`%${word}%`)]);
    expect((await all('bygone common', limit)).ids).toEqual(await real('%bygone%common%'));
  });

  it('ends early for a frequent word that the newest do not have, and says how far it looked', async () => {
    const ask = { before: null, limit: 25 };
    expect(await findIds(db, 'bygone', ask, BOUNDS)).toEqual({ ids: [], lookedDownTo: EMAILS - 59 });
    // Half of what it goes through has some.
    expect(await findIds(db, 'bygone', { before: 141, limit: 99 }, BOUNDS)).toEqual({
      ids: Array.from({ length: 20 }, (_, n) => 100 - n),
      lookedDownTo: 81,
    });
  });

  it.each([
    ['of one page', 'common', 2, ['walk']],
    ['that the newest have often', 'common', 5, ['walk', 'walk']],
    ['that the newest have hardly', 'scarce', 8, ['walk', 'index']],
    ['of no email', 'nowhere', 8, ['walk', 'index']],
    ['that the newest lack and the index has too often', 'bygone', 8, ['walk', 'index', 'walk']],
    ['that is none', '!?', 8, ['walk']],
  ])('does for a word %s no more than it needs', async (_, word, limit, steps) => {
    const taken: string[] = [];
    const watched: Database = {
      ...db,
      query: async (sql, parameters) => {
        taken.push(typeof sql === 'string' && sql.includes('statement_timeout') ? 'index' : 'walk');
        return await db.query(sql, parameters);
      },
    };
    await findIds(watched, word, { before: null, limit }, BOUNDS);
    expect(taken).toEqual(steps);
  });

  it('goes to the end at once for a rare word', async () => {
    expect(await findIds(db, 'scarce', { before: null, limit: 25 }, BOUNDS)).toEqual({
      ids: await real('%scarce%'),
      lookedDownTo: null,
    });
  });

  it('of a table that is at its end has no next page', async () => {
    expect(await findIds(db, 'nowhere', { before: 21, limit: 25 }, BOUNDS)).toEqual({
      ids: [],
      lookedDownTo: null,
    });
  });
});

describe('a statement with a time limit', () => {
  it('is given up when it takes too long, and the next one has its own time', async () => {
    expect(await timeBoxed(db, 20, 'select pg_sleep(30)')).toBeNull();
    const { rows } = await db.query<{ statement_timeout: string }>('show statement_timeout');
    expect(rows).toEqual([{ statement_timeout: '30s' }]);
  });

  it('has its limit, and is not compiled', async () => {
    const settings = `select current_setting('statement_timeout') as limit, current_setting('jit') as jit`;
    expect(await timeBoxed(db, 10_000, settings)).toEqual([{ limit: '10s', jit: 'off' }]);
  });

  it('fails as any other', async () => {
    await expect(timeBoxed(db, 20, 'select 1 / 0')).rejects.toMatchObject({ code: 'unstorable' });
  });

  it.each(["'; select 1; --", "\\'", '\\x27', '$$ ü 漢 🙂', ''])('carries any text: %s', async (text) => {
    expect(await timeBoxed(db, 10_000, `select ${textLiteral(text)} as text`)).toEqual([{ text }]);
  });
});
