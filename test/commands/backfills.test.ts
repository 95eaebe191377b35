import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  planBackfill,
  readBackfillOutcome,
  readBackfillProgress,
} from '../../commands/backfill/backfills.ts';
import { enterListPage } from '../../shared/db/list-jobs.ts';
import { insertLeasedMailbox, insertMessage, nextListJob } from '../helpers/listing-rows.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

describe('backfills', () => {
  test('a repeated backfill continues the open one, even when several calls are concurrent', async () => {
    const { mailboxId } = await insertLeasedMailbox(db);
    const asked = await Promise.all(
      Array.from({ length: 6 }, async () => await planBackfill(db, mailboxId, 'in:inbox')),
    );
    expect(new Set(asked.map(({ id }) => id)).size).toBe(1);
    expect(asked.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(await planBackfill(db, mailboxId, 'in:sent')).toMatchObject({ isNew: true });
  });

  test('a backfill counts messages that are due, waiting and in each final state', async () => {
    const lease = await insertLeasedMailbox(db);
    const { id } = await planBackfill(db, lease.mailboxId, 'in:inbox');
    await enterListPage(db, lease, await nextListJob(db, lease), {
      ids: ['due', 'waits', 'stored', 'draft', 'gone', 'dead'],
      nextPageToken: null,
      labelId: null,
      settleSeconds: 0,
    });
    const set = async (message: string, columns: string) =>
      await db.query(`update email_ledger set ${columns} where mailbox_id = $1 and gmail_message_id = $2`, [
        lease.mailboxId,
        message,
      ]);
    await set('waits', "next_attempt_at = now() + interval '1 minute'");
    await set('stored', "state = 'stored', resolved_at = clock_timestamp()");
    await set('draft', "state = 'ignored', ignored_rule = 'draft', resolved_at = clock_timestamp()");
    await set('gone', "state = 'gone', resolved_at = clock_timestamp()");
    await set('dead', "state = 'dead', resolved_at = clock_timestamp()");
    await insertMessage(db, lease, 'earlier', {
      state: 'stored',
      source: 'backfill',
      resolvedSecondsAgo: 3_600,
    });
    expect(await readBackfillProgress(db, id)).toEqual({
      isListed: true,
      listedCount: 6,
      newCount: 6,
      rejection: null,
      dueCount: 1,
      waitingCount: 1,
    });
    expect(await readBackfillOutcome(db, id)).toEqual({
      storedCount: 1,
      goneCount: 1,
      deadCount: 1,
      failingCount: 1,
      ignoredCounts: new Map([['draft', 1]]),
    });
  });
});
