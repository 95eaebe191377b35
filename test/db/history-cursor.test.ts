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

/** Back-dates the answer with the unconfirmed id. */
async function backdate(lease: Lease, seconds: number): Promise<void> {
  await changeMailbox(db, lease, `unconfirmed_at = unconfirmed_at - interval '${seconds} seconds'`);
}

async function positions(lease: Lease) {
  const row = await mailboxRow(db, lease);
  return { cursor: row.cursor_history_id, unconfirmed: row.unconfirmed_history_id };
}

describe('readHistoryStart', () => {
  test('a listing begins at the cursor and confirms an id that is unconfirmed for the settle time', async () => {
    const lease = await leasedMailbox(db, '100');
    expect(await startOf(lease)).toEqual({ historyId: '100', confirmsTo: null });
    await list(lease, '150');
    await backdate(lease, SETTLE - 30);
    expect(await startOf(lease)).toEqual({ historyId: '100', confirmsTo: null });
    await backdate(lease, 30);
    expect(await startOf(lease)).toEqual({ historyId: '100', confirmsTo: '150' });
  });

  test('the start of a listing cannot be read for a mailbox that is gone', async () => {
    await expect(startOf(leaseOf(0))).rejects.toMatchObject({ code: 'lease_lost' });
  });
});

describe('complete listing', () => {
  test('the first listing moves no cursor, and its answer becomes unconfirmed', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150', ['120']);
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '150' });
    expect(await ledgerRow(db, lease, 'm120')).toMatchObject({ state: 'pending', history_id: '120' });
  });

  test('a listing that begins too early confirms nothing and keeps the older unconfirmed id with its time', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await backdate(lease, SETTLE - 30);
    const { unconfirmed_at: before } = await mailboxRow(db, lease);
    await list(lease, '170');
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '150' });
    expect((await mailboxRow(db, lease)).unconfirmed_at).toEqual(before);
  });

  test('a listing that begins the settle time later confirms the id, and its own answer becomes unconfirmed', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await backdate(lease, SETTLE);
    const { unconfirmed_at: before } = await mailboxRow(db, lease);
    await list(lease, '170', ['160']);
    expect(await positions(lease)).toEqual({ cursor: '150', unconfirmed: '170' });
    const { unconfirmed_at: after } = await mailboxRow(db, lease);
    expect(after.getTime()).toBeGreaterThan(before.getTime() + SETTLE * 1_000 - 1);
  });

  test('a listing enters a record that becomes visible late, and still confirms the id above it', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await backdate(lease, SETTLE);
    await list(lease, '170', ['130']);
    expect((await positions(lease)).cursor).toBe('150');
    expect(await ledgerRow(db, lease, 'm130')).toMatchObject({ state: 'pending' });
  });

  test('a listing that began before the settle time was over confirms nothing, however late it ends', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    const start = await startOf(lease);
    await backdate(lease, SETTLE);
    await list(lease, '170', [], { start });
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '150' });
  });

  test('a listing does not count a known id as new', async () => {
    const lease = await leasedMailbox(db, '100');
    expect((await list(lease, '150', ['130'])).newCount).toBe(1);
    expect((await list(lease, '150', ['130'])).newCount).toBe(0);
  });

  test('the last record becomes unconfirmed when the answer names an older id', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150', ['160']);
    expect((await positions(lease)).unconfirmed).toBe('160');
  });

  test('an answer older than the cursor does not move the cursor back', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '90');
    await backdate(lease, SETTLE);
    await list(lease, '120');
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '120' });
  });

  test('a listing without new history keeps the cursor', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '100');
    await backdate(lease, SETTLE);
    await list(lease, '100');
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '100' });
  });

  test('without a settle time a listing confirms the answer of the previous one', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150', [], { start: await startOf(lease, 0) });
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '150' });
    await list(lease, '170', [], { start: await startOf(lease, 0) });
    expect(await positions(lease)).toEqual({ cursor: '150', unconfirmed: '170' });
  });

  test('history ids beyond 2^53 keep every digit', async () => {
    const lease = await leasedMailbox(db, '18446744073709551000');
    await list(lease, '18446744073709551614', ['18446744073709551613']);
    await backdate(lease, SETTLE);
    await list(lease, '18446744073709551615');
    expect(await positions(lease)).toEqual({
      cursor: '18446744073709551614',
      unconfirmed: '18446744073709551615',
    });
    expect((await ledgerRow(db, lease, 'm18446744073709551613')).history_id).toBe('18446744073709551613');
  });
});

describe('cut listing', () => {
  test('a cut listing moves the cursor to the last record of each page, up to the id that it confirms', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await backdate(lease, SETTLE);
    const start = await startOf(lease);
    await list(lease, '170', ['120', '130'], { start, isLast: false });
    expect(await positions(lease)).toEqual({ cursor: '130', unconfirmed: '150' });
    await list(lease, '170', ['160'], { start, isLast: false });
    expect(await positions(lease)).toEqual({ cursor: '150', unconfirmed: '170' });
  });

  test('a listing does not confirm the id that one of its own pages set', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await backdate(lease, SETTLE);
    const start = await startOf(lease);
    await list(lease, '400', ['160'], { start, isLast: false });
    await backdate(lease, SETTLE);
    await list(lease, '410', ['300'], { start, isLast: false });
    await list(lease, '420', ['350'], { start });
    expect(await positions(lease)).toEqual({ cursor: '150', unconfirmed: '400' });
  });

  test('the first page of a cut listing makes its answer unconfirmed when no id is, and moves no cursor', async () => {
    const lease = await leasedMailbox(db, '100');
    await cut(lease, '900', ['140']);
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '900' });
  });

  test('the cursor moves through a history of any length although every listing is cut after a page', async () => {
    const lease = await leasedMailbox(db, '100');
    await cut(lease, '900', ['140']);
    await backdate(lease, SETTLE);
    await cut(lease, '900', ['140']);
    await cut(lease, '900', ['180']);
    await cut(lease, '900', ['220']);
    expect(await positions(lease)).toEqual({ cursor: '220', unconfirmed: '900' });
    expect(await startOf(lease)).toEqual({ historyId: '220', confirmsTo: '900' });
  });

  test('a page without records keeps the cursor', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await backdate(lease, SETTLE);
    await cut(lease, '170');
    expect(await positions(lease)).toEqual({ cursor: '100', unconfirmed: '150' });
  });
});

describe('listed and shown history ids', () => {
  test('the mailbox stores the last record of each page and the answer of the last page', async () => {
    const lease = await leasedMailbox(db, '100');
    const start = await startOf(lease);
    await list(lease, '150', ['120'], { start, isLast: false });
    expect(await mailboxRow(db, lease)).toMatchObject({ listed_history_id: null, shown_history_id: '120' });
    await list(lease, '151', ['140'], { start });
    expect(await mailboxRow(db, lease)).toMatchObject({ listed_history_id: '151', shown_history_id: '140' });
  });

  test('the listed and shown history ids never decrease', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150', ['140']);
    await list(lease, '145', ['120']);
    expect(await mailboxRow(db, lease)).toMatchObject({ listed_history_id: '150', shown_history_id: '140' });
  });

  test('the shown history id is the start when a listing shows no record', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    expect(await mailboxRow(db, lease)).toMatchObject({ listed_history_id: '150', shown_history_id: '100' });
  });
});

describe('hint', () => {
  test('a hint from during the run is not lowered by an answer that took long to enter', async () => {
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

  test('a hint is newer until a complete listing has reached it', async () => {
    const lease = await leasedMailbox(db, '100');
    await hint(db, lease, '119');
    expect(await list(lease, '118', ['118'])).toMatchObject({ hasNewerHint: true });
    expect(await cut(lease, '120', ['119'])).toMatchObject({ hasNewerHint: true });
    expect(await list(lease, '120', ['120'])).toMatchObject({ hasNewerHint: false });
  });

  test('a hint is newer for ten seconds while its record has not been listed', async () => {
    const lease = await leasedMailbox(db, '100');
    await hint(db, lease, '119');
    expect(await list(lease, '120', ['118'])).toMatchObject({ hasNewerHint: true });
    await changeMailbox(db, lease, "hint_at = now() - interval '11 seconds'");
    expect(await list(lease, '120', ['118'])).toMatchObject({ hasNewerHint: false });
  });

  test('a hint that Gmail does not reach within ten seconds is lowered to the answer of a complete listing', async () => {
    const lease = await leasedMailbox(db, '100');
    await hint(db, lease, '500');
    await changeMailbox(db, lease, "hint_at = now() - interval '11 seconds'");
    expect(await cut(lease, '150', ['140'])).toMatchObject({ hasNewerHint: true });
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('500');
    expect(await list(lease, '150', ['140'])).toMatchObject({ hasNewerHint: false });
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('150');
  });

  test('a hint is neither lowered within ten seconds nor raised by an answer', async () => {
    const lease = await leasedMailbox(db, '100');
    await hint(db, lease, '500');
    await list(lease, '150');
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('500');
    await changeMailbox(db, lease, "hint_at = now() - interval '11 seconds'");
    await list(lease, '600');
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('500');
  });
});

describe('enterHistoryPage', () => {
  test('a page enters its ids and moves the cursor, both or neither', async () => {
    const lease = await leasedMailbox(db, '100');
    await list(lease, '150');
    await backdate(lease, SETTLE);
    const discovered = [
      discoveredMessage('fine', { historyId: '110' }),
      discoveredMessage('bad', { historyId: 'not a number' }),
    ];
    await expect(list(lease, '170', [], { discovered })).rejects.toMatchObject({ code: 'unstorable' });
    expect(await ledgerRow(db, lease, 'fine')).toBeUndefined();
    expect((await positions(lease)).cursor).toBe('100');
  });

  test('a page makes ignored ids pending after a label change and counts them as new', async () => {
    const lease = await leasedMailbox(db, '100');
    const spam = discoveredMessage('spam', { ignoredRule: 'spam' });
    await upsertDiscovered(db, lease.mailboxId, 'history', PRIORITY.live, [spam]);
    expect(await list(lease, '150', ['130'], { unignored: ['spam', 'unknown'] })).toMatchObject({
      newCount: 2,
    });
    expect(await ledgerRow(db, lease, 'spam')).toMatchObject({ state: 'pending', ignored_rule: null });
  });
});
