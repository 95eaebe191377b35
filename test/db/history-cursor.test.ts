import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enterHistoryPage, type HistoryPageEntry, readHistoryStart } from '../../shared/db/history-cursor.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { PRIORITY, upsertDiscovered } from '../../shared/db/ledger.ts';
import {
  changeMailbox,
  discoveredMessage,
  hint,
  leasedMailbox,
  leaseOf,
  ledgerRow,
  mailboxRow,
} from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const SETTLE = 90;

async function startOf({ mailboxId }: Lease, settleSeconds = SETTLE) {
  return await readHistoryStart(db, mailboxId, settleSeconds);
}

/** One page with new messages at these records: the whole listing, unless `more` says otherwise. */
async function list(
  lease: Lease,
  answerHistoryId: string,
  records: readonly string[] = [],
  more: Partial<HistoryPageEntry> = {},
) {
  return await enterHistoryPage(db, lease, {
    start: more.start ?? (await startOf(lease)),
    discovered: records.map((id) => discoveredMessage(`m${id}`, { historyId: id })),
    unignored: [],
    isLabelMissing: false,
    answerHistoryId,
    lastRecordId: records.at(-1) ?? null,
    isLast: true,
    ...more,
  });
}

/** The first page of a listing that is cut after it. */
async function cut(lease: Lease, answerHistoryId: string, records: readonly string[] = []) {
  return await list(lease, answerHistoryId, records, { isLast: false });
}

/** As if the unconfirmed id had been answered so long ago. */
async function waited(lease: Lease, seconds: number): Promise<void> {
  await changeMailbox(db, lease, `unconfirmed_at = unconfirmed_at - interval '${seconds} seconds'`);
}

async function positions(lease: Lease) {
  const row = await mailboxRow(db, lease);
  return { cursor: row.cursor_history_id, unconfirmed: row.unconfirmed_history_id };
}

describe('where a listing begins', () => {
  test('is the cursor, and it confirms what is unconfirmed for the settle time', async () => {
    const lease = await leasedMailbox(db, '100');
    expect(await startOf(lease)).toEqual({ historyId: '100', confirmsTo: null });
    await list(lease, '150');
    await waited(lease, SETTLE - 30);
    expect(await startOf(lease)).toEqual({ historyId: '100', confirmsTo: null });
    await waited(lease, 30);
    expect(await startOf(lease)).toEqual({ historyId: '100', confirmsTo: '150' });
  });

  test('is not known of a mailbox that is gone', async () => {
    await expect(startOf(leaseOf(0))).rejects.toMatchObject({ code: 'lease_lost' });
  });
});

describe('a complete listing', () => {
  test('that is the first moves nothing, and its answer becomes unconfirmed', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150', ['120']);
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '150' });
    expect(await ledgerRow(db, lease, 'm120')).toMatchObject({ state: 'pending', history_id: '120' });
  });

  test('that begins too early confirms nothing and keeps the older unconfirmed id with its time', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await waited(lease, SETTLE - 30);
    const { unconfirmed_at: before } = await mailboxRow(db, lease);
    await list(lease, '170');
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '150' });
    expect((await mailboxRow(db, lease)).unconfirmed_at).toEqual(before);
  });

  test('that begins the settle time later confirms the id, and its own answer becomes unconfirmed', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await waited(lease, SETTLE);
    const { unconfirmed_at: before } = await mailboxRow(db, lease);
    await list(lease, '170', ['160']);
    expect(await positions(lease)).toEqual({ cursor: '150', unconfirmed: '170' });
    const { unconfirmed_at: after } = await mailboxRow(db, lease);
    expect(after.getTime()).toBeGreaterThan(before.getTime() + SETTLE * 1_000 - 1);
  });

  test('confirms the id also when a record below it becomes visible late, because it enters the record', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await waited(lease, SETTLE);
    await list(lease, '170', ['130']);
    expect((await positions(lease)).cursor).toBe('150');
    expect(await ledgerRow(db, lease, 'm130')).toMatchObject({ state: 'pending' });
  });

  test('that began before the settle time was over confirms nothing, however late it ends', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    const start = await startOf(lease);
    await waited(lease, SETTLE);
    await list(lease, '170', [], { start });
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '150' });
  });

  test('counts an id that the ledger has as nothing new', async () => {
    const lease = await leasedMailbox(db, '100');
    expect((await list(lease, '150', ['130'])).newCount).toBe(1);
    expect((await list(lease, '150', ['130'])).newCount).toBe(0);
  });

  test('makes its last record unconfirmed when the answer names an older id', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150', ['160']);
    expect((await positions(lease)).unconfirmed).toBe('160');
  });

  test('with an answer older than the cursor does not move the cursor back', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '90');
    await waited(lease, SETTLE);
    await list(lease, '120');
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '120' });
  });

  test('of a mailbox without news keeps the cursor and waits again', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '100');
    await waited(lease, SETTLE);
    await list(lease, '100');
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '100' });
  });

  test('without a settle time confirms what the listing before it was answered', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150', [], { start: await startOf(lease, 0) });
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '150' });
    await list(lease, '170', [], { start: await startOf(lease, 0) });
    expect(await positions(lease)).toEqual({ cursor: '150', unconfirmed: '170' });
  });

  test('keeps every digit of ids beyond 2^53', async () => {
    const lease = await leasedMailbox(db, '18446744073709551000');
    await list(lease, '18446744073709551614', ['18446744073709551613']);
    await waited(lease, SETTLE);
    await list(lease, '18446744073709551615');
    expect(await positions(lease)).toEqual({
      cursor: '18446744073709551614',
      unconfirmed: '18446744073709551615',
    });
    expect((await ledgerRow(db, lease, 'm18446744073709551613')).history_id).toBe('18446744073709551613');
  });
});

describe('a listing that is cut', () => {
  test('moves the cursor to the last record of each page, up to what it confirms', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await waited(lease, SETTLE);
    const start = await startOf(lease);
    await list(lease, '170', ['120', '130'], { start, isLast: false });
    expect(await positions(lease)).toEqual({ cursor: '130', unconfirmed: '150' });
    await list(lease, '170', ['160'], { start, isLast: false });
    expect(await positions(lease)).toEqual({ cursor: '150', unconfirmed: '170' });
  });

  test('does not use the unconfirmed id that one of its own pages set', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await waited(lease, SETTLE);
    const start = await startOf(lease);
    await list(lease, '400', ['160'], { start, isLast: false });
    await waited(lease, SETTLE);
    await list(lease, '410', ['300'], { start, isLast: false });
    await list(lease, '420', ['350'], { start });
    expect(await positions(lease)).toEqual({ cursor: '150', unconfirmed: '400' });
  });

  test('makes the answer of its first page unconfirmed when nothing is, and moves nothing', async () => {
    const lease = await leasedMailbox(db, '100');
    await cut(lease, '900', ['140']);
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '900' });
  });

  test('works off a history of any length when every listing is cut after a page', async () => {
    const lease = await leasedMailbox(db, '100');
    await cut(lease, '900', ['140']);
    await waited(lease, SETTLE);
    await cut(lease, '900', ['140']);
    await cut(lease, '900', ['180']);
    await cut(lease, '900', ['220']);
    expect(await positions(lease)).toEqual({ cursor: '220', unconfirmed: '900' });
    expect(await startOf(lease)).toEqual({ historyId: '220', confirmsTo: '900' });
  });

  test('keeps the cursor after a page without records', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await waited(lease, SETTLE);
    await cut(lease, '170');
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '150' });
  });
});

describe('what the mailbox keeps of a listing', () => {
  test('is the last record of each page, and the answer of the last page', async () => {
    const lease = await leasedMailbox(db, '100');
    const start = await startOf(lease);
    await list(lease, '150', ['120'], { start, isLast: false });
    expect(await mailboxRow(db, lease)).toMatchObject({ listed_history_id: null, shown_history_id: '120' });
    await list(lease, '151', ['140'], { start });
    expect(await mailboxRow(db, lease)).toMatchObject({ listed_history_id: '151', shown_history_id: '140' });
  });

  test('never becomes older', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150', ['140']);
    await list(lease, '145', ['120']);
    expect(await mailboxRow(db, lease)).toMatchObject({ listed_history_id: '150', shown_history_id: '140' });
  });

  test('is the start where a listing shows no record', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    expect(await mailboxRow(db, lease)).toMatchObject({ listed_history_id: '150', shown_history_id: '100' });
  });
});

describe('the hint of a push', () => {
  test('that came after the answer of a listing which took long to be entered stays', async () => {
    const lease = await leasedMailbox(db);
    await hint(db, lease, '500');
    await changeMailbox(
      db,
      lease,
      "last_run_at = now() - interval '13 seconds', hint_at = now() - interval '12 seconds'",
    );
    await list(lease, '150');
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('500');
  });

  test('is newer while no complete listing has reached it', async () => {
    const lease = await leasedMailbox(db, '100');
    await hint(db, lease, '119');
    expect(await list(lease, '118', ['118'])).toMatchObject({ hasNewerHint: true });
    expect(await cut(lease, '120', ['119'])).toMatchObject({ hasNewerHint: true });
    expect(await list(lease, '120', ['120'])).toMatchObject({ hasNewerHint: false });
  });

  test('is newer for ten seconds while the record that it names has not been listed', async () => {
    const lease = await leasedMailbox(db, '100');
    await hint(db, lease, '119');
    expect(await list(lease, '120', ['118'])).toMatchObject({ hasNewerHint: true });
    await changeMailbox(db, lease, "hint_at = now() - interval '11 seconds'");
    expect(await list(lease, '120', ['118'])).toMatchObject({ hasNewerHint: false });
  });

  test('that Gmail has not reached after ten seconds is lowered to what a complete listing has answered', async () => {
    const lease = await leasedMailbox(db, '100');
    await hint(db, lease, '500');
    await changeMailbox(db, lease, "hint_at = now() - interval '11 seconds'");
    expect(await cut(lease, '150', ['140'])).toMatchObject({ hasNewerHint: true });
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('500');
    expect(await list(lease, '150', ['140'])).toMatchObject({ hasNewerHint: false });
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('150');
  });

  test('is not lowered within ten seconds, nor raised by an answer', async () => {
    const lease = await leasedMailbox(db, '100');
    await hint(db, lease, '500');
    await list(lease, '150');
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('500');
    await changeMailbox(db, lease, "hint_at = now() - interval '11 seconds'");
    await list(lease, '600');
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('500');
  });
});

describe('a page', () => {
  test('enters its ids and moves the cursor, both or neither', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await waited(lease, SETTLE);
    const discovered = [
      discoveredMessage('fine', { historyId: '110' }),
      discoveredMessage('bad', { historyId: 'not a number' }),
    ];
    await expect(list(lease, '170', [], { discovered })).rejects.toMatchObject({ code: 'unstorable' });
    expect(await ledgerRow(db, lease, 'fine')).toBeUndefined();
    expect((await positions(lease)).cursor).toBe('100');
  });

  test('makes ignored ids pending that a change of labels lets in, and counts them as new', async () => {
    const lease = await leasedMailbox(db, '100');
    const spam = discoveredMessage('spam', { ignoredRule: 'spam' });
    await upsertDiscovered(db, lease.mailboxId, 'history', PRIORITY.live, [spam]);
    expect(await list(lease, '150', ['130'], { unignored: ['spam', 'unknown'] })).toMatchObject({
      newCount: 2,
    });
    expect(await ledgerRow(db, lease, 'spam')).toMatchObject({ state: 'pending', ignored_rule: null });
  });
});
