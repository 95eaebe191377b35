import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lease } from '../../shared/db/lease.ts';
import {
  type DiscoveredMessage,
  type LedgerSource,
  PRIORITY,
  type Priority,
  unignore,
  upsertDiscovered,
} from '../../shared/db/ledger.ts';
import {
  addLiveMessages,
  changeMessages,
  discoveredMessage,
  leasedMailbox,
  ledgerRow,
} from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

async function enter(
  { mailboxId }: Lease,
  source: LedgerSource,
  priority: Priority,
  ...entries: DiscoveredMessage[]
) {
  return await upsertDiscovered(db, mailboxId, source, priority, entries);
}

/** As a listing shows a message: by its id alone. */
const listed = (id: string) => discoveredMessage(id, { labelsUnknown: true });

/** A message that a rule excluded when the history showed it with these labels. */
async function enterIgnored(lease: Lease, id: string, rule: string): Promise<void> {
  await enter(lease, 'history', PRIORITY.live, discoveredMessage(id, { ignoredRule: rule }));
}

describe('upsertDiscovered', () => {
  test('enters an id once, with its first history record, even when other sources show it again', async () => {
    const lease = await leasedMailbox(db);
    const first = discoveredMessage('a', { historyId: '7' });
    expect(await enter(lease, 'history', PRIORITY.live, first, discoveredMessage('b'))).toEqual({
      newCount: 2,
    });
    const again = discoveredMessage('a', { historyId: '9' });
    expect(await enter(lease, 'history', PRIORITY.live, again)).toEqual({ newCount: 0 });
    expect(await enter(lease, 'backfill', PRIORITY.backlog, listed('a'))).toEqual({ newCount: 0 });
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({
      state: 'pending',
      history_id: '7',
      source: 'history',
      labels_unknown: false,
    });
  });

  test('gives higher ledger ids to messages that come later in the list', async () => {
    const lease = await leasedMailbox(db);
    const ids = Array.from({ length: 300 }, (_, n) => `m${(n * 7919) % 300}`);
    await addLiveMessages(db, lease, ...ids);
    const { rows } = await db.query<{ id: string }>(
      'select gmail_message_id as id from email_ledger where mailbox_id = $1 order by email_ledger.id',
      [lease.mailboxId],
    );
    expect(rows.map((row) => row.id)).toEqual(ids);
  });

  test('adds the history record to a message that a listing found first, even when it is stored', async () => {
    const lease = await leasedMailbox(db);
    await enter(lease, 'newest', PRIORITY.live, listed('a'));
    await changeMessages(db, lease, "state = 'stored', resolved_at = now()");
    await enter(lease, 'history', PRIORITY.live, discoveredMessage('a', { historyId: '7' }));
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({ state: 'stored', history_id: '7' });
  });

  test('treats the same message id in two mailboxes as two messages', async () => {
    const [one, other] = [await leasedMailbox(db), await leasedMailbox(db)];
    await addLiveMessages(db, one, 'same');
    await changeMessages(db, one, "state = 'gone'");
    await addLiveMessages(db, other, 'same');
    await enter(other, 'backfill', PRIORITY.backlog, listed('same'));
    expect((await ledgerRow(db, other, 'same')).state).toBe('pending');
    expect((await ledgerRow(db, one, 'same')).state).toBe('gone');
  });

  test.each(['stored', 'dead'])('does not change a message that is %s', async (state) => {
    const lease = await leasedMailbox(db);
    await enter(lease, 'history', PRIORITY.live, discoveredMessage('a', { historyId: '7' }));
    await changeMessages(db, lease, `state = '${state}', resolved_at = now(), attempt_count = 8`);
    const before = await ledgerRow(db, lease, 'a');
    await enter(lease, 'history', PRIORITY.live, discoveredMessage('a', { historyId: '9' }));
    for (const source of ['newest', 'backfill', 'gap', 'reconciliation'] as const)
      await enter(lease, source, PRIORITY.backlog, listed('a'));
    await unignore(db, lease.mailboxId, ['a'], false);
    expect(await ledgerRow(db, lease, 'a')).toEqual(before);
  });

  test.each(['newest', 'initial', 'backfill', 'gap', 'reconciliation'] as const)(
    'makes a gone message pending when %s lists it, but not when the history shows it again',
    async (source) => {
      const lease = await leasedMailbox(db);
      await addLiveMessages(db, lease, 'a');
      await changeMessages(
        db,
        lease,
        "state = 'gone', attempt_count = 3, last_attempt_at = now(), resolved_at = now()",
      );
      await enter(lease, 'history', PRIORITY.live, discoveredMessage('a', { historyId: '9' }));
      expect((await ledgerRow(db, lease, 'a')).state).toBe('gone');
      expect(await enter(lease, source, PRIORITY.backlog, listed('a'))).toEqual({ newCount: 1 });
      expect(await ledgerRow(db, lease, 'a')).toMatchObject({
        state: 'pending',
        source,
        priority: 1,
        attempt_count: 0,
        last_attempt_at: null,
        resolved_at: null,
      });
    },
  );

  test('turns a pending message that a listing found first into live mail and keeps its attempts', async () => {
    const lease = await leasedMailbox(db);
    await enter(lease, 'initial', PRIORITY.backlog, listed('a'));
    await changeMessages(db, lease, 'attempt_count = 1, last_attempt_at = now()');
    await enter(lease, 'history', PRIORITY.live, discoveredMessage('a', { historyId: '9' }));
    const live = { priority: 0, labels_unknown: false, attempt_count: 1, source: 'initial' };
    expect(await ledgerRow(db, lease, 'a')).toMatchObject(live);
    await enter(lease, 'backfill', PRIORITY.backlog, listed('a'));
    expect(await ledgerRow(db, lease, 'a')).toMatchObject(live);
  });

  test('records backfill as the source of a message that a listing by date found first', async () => {
    const lease = await leasedMailbox(db);
    await enter(lease, 'reconciliation', PRIORITY.backlog, listed('a'));
    await enter(lease, 'gap', PRIORITY.backlog, listed('a'));
    expect((await ledgerRow(db, lease, 'a')).source).toBe('reconciliation');
    await enter(lease, 'backfill', PRIORITY.backlog, listed('a'));
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({ source: 'backfill', labels_unknown: true });
  });
});

describe('ignored messages', () => {
  test('a message that matches a rule is ignored with the rule, and pending when the history shows it without one', async () => {
    const lease = await leasedMailbox(db);
    await enterIgnored(lease, 'a', 'spam');
    const { resolved_at: resolvedAt, ...row } = await ledgerRow(db, lease, 'a');
    expect(row).toMatchObject({ state: 'ignored', ignored_rule: 'spam' });
    expect(resolvedAt).not.toBeNull();
    await enterIgnored(lease, 'a', 'spam');
    expect((await ledgerRow(db, lease, 'a')).state).toBe('ignored');
    expect(await enter(lease, 'history', PRIORITY.live, discoveredMessage('a'))).toEqual({ newCount: 1 });
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({
      state: 'pending',
      ignored_rule: null,
      resolved_at: null,
    });
  });

  test('a pending message stays pending when the history later shows labels that match a rule', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, 'a');
    await enterIgnored(lease, 'a', 'trash');
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({ state: 'pending', ignored_rule: null });
  });

  test.each([
    ['newest', ['draft', 'label', 'spam', 'trash']],
    ['gap', ['draft', 'label', 'spam']],
    ['initial', ['before_start', 'chat', 'draft', 'label', 'sent', 'spam', 'trash']],
    ['backfill', ['before_start', 'chat', 'draft', 'label', 'sent', 'spam', 'trash']],
  ] as const)(
    'an ignored message becomes pending with unknown labels when %s lists it and its rule is one of %j',
    async (source, expected) => {
      const lease = await leasedMailbox(db);
      const rules = ['before_start', 'chat', 'draft', 'label', 'sent', 'spam', 'trash'];
      for (const rule of rules) await enterIgnored(lease, rule, rule);
      await enter(lease, source, PRIORITY.backlog, ...rules.map(listed));
      const { rows } = await db.query<{ id: string; labels_unknown: boolean; priority: number }>(
        `select gmail_message_id as id, labels_unknown, priority
       from email_ledger
       where mailbox_id = $1 and state = 'pending'
       order by gmail_message_id`,
        [lease.mailboxId],
      );
      expect(rows).toEqual(expected.map((id) => ({ id, labels_unknown: true, priority: 1 })));
    },
  );

  test('an ignored message is not fetched again when its history record without labels is listed again', async () => {
    const lease = await leasedMailbox(db);
    const unknown = discoveredMessage('a', { historyId: '7', labelsUnknown: true });
    await enter(lease, 'history', PRIORITY.live, unknown);
    await changeMessages(db, lease, "state = 'ignored', ignored_rule = 'draft', resolved_at = now()");
    await enter(lease, 'history', PRIORITY.live, unknown);
    expect((await ledgerRow(db, lease, 'a')).state).toBe('ignored');
    await enter(lease, 'history', PRIORITY.live, discoveredMessage('a', { historyId: '8' }));
    expect((await ledgerRow(db, lease, 'a')).state).toBe('pending');
  });

  test('an ignored message becomes pending with known labels when a label change makes it eligible', async () => {
    const lease = await leasedMailbox(db);
    await enterIgnored(lease, 'spam', 'spam');
    await enterIgnored(lease, 'old', 'before_start');
    await addLiveMessages(db, lease, 'other');
    await changeMessages(db, lease, 'labels_unknown = true', ['spam']);
    expect(await unignore(db, lease.mailboxId, ['spam', 'old', 'other', 'unknown'], false)).toBe(1);
    expect(await ledgerRow(db, lease, 'spam')).toMatchObject({ state: 'pending', labels_unknown: false });
    expect((await ledgerRow(db, lease, 'old')).state).toBe('ignored');
    expect(await ledgerRow(db, lease, 'unknown')).toBeUndefined();
  });
});

test('an ignored message becomes pending with unknown labels when the configured label is missing', async () => {
  const lease = await leasedMailbox(db);
  await enterIgnored(lease, 'a', 'label');
  expect(await unignore(db, lease.mailboxId, ['a'], true)).toBe(1);
  expect(await ledgerRow(db, lease, 'a')).toMatchObject({ state: 'pending', labels_unknown: true });
});

describe('known ids', () => {
  async function nextIdentityValue(): Promise<{ last_value: number; is_called: boolean } | undefined> {
    const { rows } = await db.query<{ last_value: number; is_called: boolean }>(
      'select last_value, is_called from email_ledger_id_seq',
    );
    return rows[0];
  }

  async function rowVersions({ mailboxId }: Lease): Promise<object[]> {
    const { rows } = await db.query(
      'select id, ctid::text, xmin::text from email_ledger where mailbox_id = $1 order by id',
      [mailboxId],
    );
    return rows;
  }

  test('entering 600 known ids four times takes no identity value and writes no row', async () => {
    const lease = await leasedMailbox(db);
    const messages = Array.from({ length: 600 }, (_, n) =>
      discoveredMessage(`m${n}`, { historyId: `${1_000 + n}` }),
    );
    await enter(lease, 'history', PRIORITY.live, ...messages);
    await changeMessages(
      db,
      lease,
      "state = 'stored', resolved_at = now()",
      messages.slice(0, 300).map((message) => message.gmailMessageId),
    );
    const before = [await nextIdentityValue(), await rowVersions(lease)];
    for (const source of ['history', 'history', 'backfill', 'reconciliation'] as const)
      expect(await enter(lease, source, PRIORITY.live, ...messages)).toEqual({ newCount: 0 });
    expect([await nextIdentityValue(), await rowVersions(lease)]).toEqual(before);
  });

  test('entering known ids with one new id takes one identity value', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, 'a', 'b');
    const before = await nextIdentityValue();
    await addLiveMessages(db, lease, 'a', 'b', 'c');
    expect(await nextIdentityValue()).toEqual({ ...before, last_value: (before?.last_value ?? 0) + 1 });
  });
});
