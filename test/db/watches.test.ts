import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../../shared/db/database.ts';
import {
  databaseTime,
  noteLateRun,
  readWatch,
  recordWatchFailure,
  saveWatch,
} from '../../shared/db/watches.ts';
import { startBreakingProxy } from '../helpers/breaking-proxy.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const LATE_MS = 60_001;
const ON_TIME_MS = 60_000;
const BEGAN = new Date('2026-11-02T08:00:00Z');
const BEGAN_LATER = new Date('2026-11-02T08:05:00Z');

let count = 0;
async function insertMailbox({ hasWatch = true } = {}): Promise<number> {
  count += 1;
  const { rows } = await db.query<{ id: number }>(
    `insert into mailboxes (email_address, cursor_history_id)
     values ('watched-' || $1::integer || '@example.com', 1)
     returning id`,
    [count],
  );
  const id = rows[0]?.id ?? 0;
  if (hasWatch) await db.query('insert into mailbox_watches (mailbox_id) values ($1::integer)', [id]);
  return id;
}

async function lateRuns(mailboxId: number) {
  const { rows } = await db.query(
    'select late_run_count, late_since from mailbox_watches where mailbox_id = $1::integer',
    [mailboxId],
  );
  return rows[0];
}

describe('noteLateRun', () => {
  test('counts runs that store late mail and keeps the start of the first one', async () => {
    const id = await insertMailbox();
    await noteLateRun(db, id, { startedAt: BEGAN, arrivalToStoredMaxMs: LATE_MS });
    await noteLateRun(db, id, { startedAt: BEGAN_LATER, arrivalToStoredMaxMs: LATE_MS });
    expect(await lateRuns(id)).toEqual({ late_run_count: 2, late_since: BEGAN });
  });

  test('resets the count after a run that stores mail in time', async () => {
    const id = await insertMailbox();
    await noteLateRun(db, id, { startedAt: BEGAN, arrivalToStoredMaxMs: LATE_MS });
    await noteLateRun(db, id, { startedAt: BEGAN_LATER, arrivalToStoredMaxMs: ON_TIME_MS });
    expect(await lateRuns(id)).toEqual({ late_run_count: 0, late_since: null });
  });

  test('keeps the count after a run that stores no mail', async () => {
    const id = await insertMailbox();
    await noteLateRun(db, id, { startedAt: BEGAN, arrivalToStoredMaxMs: LATE_MS });
    await noteLateRun(db, id, { startedAt: BEGAN_LATER, arrivalToStoredMaxMs: null });
    expect(await lateRuns(id)).toEqual({ late_run_count: 1, late_since: BEGAN });
  });

  test('restarts the count at one after a push', async () => {
    const id = await insertMailbox();
    for (let n = 0; n < 3; n += 1)
      await noteLateRun(db, id, { startedAt: BEGAN, arrivalToStoredMaxMs: LATE_MS });
    await db.query('update mailboxes set pushed_at = $2::timestamptz where id = $1::integer', [
      id,
      new Date('2026-11-02T08:01:00Z'),
    ]);
    await noteLateRun(db, id, { startedAt: BEGAN_LATER, arrivalToStoredMaxMs: LATE_MS });
    expect(await lateRuns(id)).toEqual({ late_run_count: 1, late_since: BEGAN_LATER });
  });

  test('counts a run once when the connection breaks after the statement took effect', async () => {
    const id = await insertMailbox();
    const proxy = await startBreakingProxy(db.url);
    const fragile = openDatabase({ target: { kind: 'url', url: proxy.url }, poolSize: 1 });
    await fragile.query('select 1');
    proxy.breakAfterNextStatement();
    const run = { startedAt: BEGAN, arrivalToStoredMaxMs: LATE_MS };
    await expect(noteLateRun(fragile, id, run)).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await lateRuns(id)).toEqual({ late_run_count: 1, late_since: BEGAN });
    await fragile.close();
    await proxy.close();
  });

  test('writes nothing while mail is stored in time', async () => {
    const id = await insertMailbox();
    const version = async () =>
      (
        await db.query('select xmin::text, ctid::text from mailbox_watches where mailbox_id = $1::integer', [
          id,
        ])
      ).rows;
    const before = await version();
    await noteLateRun(db, id, { startedAt: BEGAN, arrivalToStoredMaxMs: ON_TIME_MS });
    expect(await version()).toEqual(before);
  });
});

test('a watch is due for a mailbox without a watch row, and the first result inserts the row', async () => {
  for (const isSaved of [true, false]) {
    const id = await insertMailbox({ hasWatch: false });
    expect(await readWatch(db, id, 'projects/p/topics/t', 'f')).toEqual({
      topic: null,
      errorCode: null,
      isDue: true,
    });
    if (isSaved) {
      const expiresAt = new Date(Date.now() + 7 * 86_400_000);
      const registeredAt = await databaseTime(db);
      await saveWatch(db, id, { topic: 'projects/p/topics/t', registeredAt, expiresAt, fingerprint: 'f' });
    } else await recordWatchFailure(db, id, { code: 'watch_denied', detail: 'd', waitSeconds: 600 });
    expect(await readWatch(db, id, 'projects/p/topics/t', 'f')).toEqual({
      topic: isSaved ? 'projects/p/topics/t' : null,
      errorCode: isSaved ? null : 'watch_denied',
      isDue: false,
    });
  }
});
