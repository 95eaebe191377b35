import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enterHistoryPage, type HistoryPageEntry } from '../../shared/db/cursor.ts';
import type { Fence } from '../../shared/db/lease.ts';
import { findScanStart } from '../../shared/db/scan-start.ts';
import { LOOK_FOR, leasedMailbox, ledgerRow, mailboxRow, sighting } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const SETTLE = 90;

/** One listing of one page, from where the mailbox says, with new messages at these records. */
async function list(
  fence: Fence,
  end: string,
  records: readonly string[] = [],
  more: Partial<HistoryPageEntry> = {},
) {
  const start = await findScanStart(db, fence.mailboxId);
  return await enterHistoryPage(db, fence, {
    sightings: records.map((id) => sighting(`m${id}`, { historyId: id })),
    readmitted: [],
    resumeAt: null,
    end,
    fromCursor: start.fromCursor,
    listedAt: start.listedAt,
    oldestNewHistoryId: null,
    shownHistoryId: records.at(-1) ?? start.historyId,
    settleSeconds: SETTLE,
    lookFor: LOOK_FOR,
    ...more,
  });
}

async function cut(fence: Fence, resumeAt: string | null, records: readonly string[] = []) {
  return await list(fence, '', records, { end: null, resumeAt });
}

/** As if the end had begun to settle so long ago. */
async function waited({ mailboxId }: Fence, seconds: number): Promise<void> {
  await db.query(
    "update mailboxes set settling_since = settling_since - $2::integer * interval '1 second' where id = $1",
    [mailboxId, seconds],
  );
}

async function places(fence: Fence) {
  const row = await mailboxRow(db, fence);
  return { cursor: row.cursor_history_id, settling: row.settling_history_id, scan: row.scan_history_id };
}

describe('without a settle time', () => {
  test('the cursor moves to the end of each listing', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '150', ['120'], { settleSeconds: 0 });
    expect(await places(fence)).toEqual({ cursor: '150', settling: null, scan: null });
    expect(await ledgerRow(db, fence, 'm120')).toMatchObject({ state: 'pending', history_id: '120' });
  });

  test('the cursor never goes back', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '90', [], { settleSeconds: 0 });
    expect((await places(fence)).cursor).toBe('100');
  });

  test('ids beyond 2^53 keep every digit', async () => {
    const fence = await leasedMailbox(db, '18446744073709551000');
    await list(fence, '18446744073709551615', ['18446744073709551613'], { settleSeconds: 0 });
    expect((await places(fence)).cursor).toBe('18446744073709551615');
    expect((await ledgerRow(db, fence, 'm18446744073709551613')).history_id).toBe('18446744073709551613');
  });
});

describe('with a settle time', () => {
  test('the first listing moves nothing', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '150');
    expect(await places(fence)).toEqual({ cursor: '100', settling: '150', scan: null });
  });

  test('a later listing too early settles nothing and keeps the older end', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '150');
    await waited(fence, SETTLE - 5);
    await list(fence, '170');
    expect(await places(fence)).toEqual({ cursor: '100', settling: '150', scan: null });
  });

  test('a later listing that finds nothing older settles the end, and the next end begins to settle', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '150');
    await waited(fence, SETTLE + 1);
    await list(fence, '170', ['160']);
    expect(await places(fence)).toEqual({ cursor: '150', settling: '170', scan: null });
  });

  test('an end with nothing behind it settles to rest', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '150');
    await waited(fence, SETTLE + 1);
    await list(fence, '150');
    expect(await places(fence)).toEqual({ cursor: '150', settling: null, scan: null });
  });

  test.each(['130', '150'])(
    'a record that turns up late at %s, in an end of 150, starts the wait again',
    async (late) => {
      const fence = await leasedMailbox(db, '100');
      await list(fence, '150');
      await waited(fence, SETTLE + 1);
      await list(fence, '170', [late]);
      expect(await places(fence)).toEqual({ cursor: '100', settling: '170', scan: null });
      expect(await ledgerRow(db, fence, `m${late}`)).toMatchObject({ state: 'pending' });
      await list(fence, '170');
      expect((await places(fence)).cursor).toBe('100');
    },
  );

  test('a repeat of what the ledger has is not late', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '150', ['130']);
    await waited(fence, SETTLE + 1);
    expect((await list(fence, '150', ['130'])).newCount).toBe(0);
    expect((await places(fence)).cursor).toBe('150');
  });

  test('a late record on an earlier page of the same listing counts', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '150');
    await waited(fence, SETTLE + 1);
    const { fromCursor, listedAt } = await findScanStart(db, fence.mailboxId);
    const first = await cut(fence, '140', ['130']);
    await list(fence, '170', ['160'], { fromCursor, listedAt, oldestNewHistoryId: first.oldestNewHistoryId });
    expect((await places(fence)).cursor).toBe('100');
  });

  test('a listing that began before the wait was over settles nothing, however late it ends', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '150');
    await waited(fence, SETTLE + 1);
    await list(fence, '170', [], { listedAt: new Date(Date.now() - 30_000) });
    expect(await places(fence)).toEqual({ cursor: '100', settling: '150', scan: null });
  });

  test('an end of zero length moves neither back nor into the future', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '100');
    expect(await places(fence)).toEqual({ cursor: '100', settling: null, scan: null });
    await list(fence, '90');
    expect(await places(fence)).toEqual({ cursor: '100', settling: null, scan: null });
  });
});

describe('a listing that is cut', () => {
  test('moves the place to go on with the page it covers, not the cursor', async () => {
    const fence = await leasedMailbox(db, '100');
    await cut(fence, '140', ['130']);
    expect(await places(fence)).toEqual({ cursor: '100', settling: null, scan: '140' });
    expect(await findScanStart(db, fence.mailboxId)).toMatchObject({ historyId: '140', fromCursor: false });
  });

  test('stays where it was after an empty page', async () => {
    const fence = await leasedMailbox(db, '100');
    await cut(fence, '140', ['130']);
    await cut(fence, null);
    expect((await places(fence)).scan).toBe('140');
  });

  test('settles nothing when it is resumed, and the next one starts at the cursor again', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '150');
    await cut(fence, '140');
    await waited(fence, SETTLE + 1);
    await list(fence, '170');
    expect(await places(fence)).toEqual({ cursor: '100', settling: '150', scan: null });
    expect(await findScanStart(db, fence.mailboxId)).toMatchObject({ historyId: '100', fromCursor: true });
    await list(fence, '170');
    expect((await places(fence)).cursor).toBe('150');
  });

  test('remembers for the next run that it found the index late', async () => {
    const fence = await leasedMailbox(db, '100');
    await list(fence, '150');
    await waited(fence, SETTLE + 1);
    await cut(fence, '140', ['130']);
    await list(fence, '170');
    await list(fence, '170');
    expect((await places(fence)).cursor).toBe('100');
  });

  test('moves the cursor at its end without a settle time, however often it was cut', async () => {
    const fence = await leasedMailbox(db, '100');
    await cut(fence, '140', ['130']);
    await list(fence, '170', ['160'], { settleSeconds: 0 });
    expect(await places(fence)).toEqual({ cursor: '170', settling: null, scan: null });
  });
});

test('enters a page and moves along it, both or neither', async () => {
  const fence = await leasedMailbox(db, '100');
  const bad = [sighting('fine', { historyId: '110' }), sighting('bad', { historyId: 'not a number' })];
  await expect(list(fence, '150', [], { sightings: bad, settleSeconds: 0 })).rejects.toMatchObject({
    code: 'unstorable',
  });
  expect(await ledgerRow(db, fence, 'fine')).toBeUndefined();
  expect((await places(fence)).cursor).toBe('100');
});
