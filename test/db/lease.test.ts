import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  claimRetries,
  claimSuspect,
  claimUntried,
  releaseClaims,
  resolveClaim,
} from '../../shared/db/claims.ts';
import { chargeFailures, recordFailure, sweepOpenClaims, wakeWaiting } from '../../shared/db/failures.ts';
import { enterHistoryPage } from '../../shared/db/history-cursor.ts';
import { assertLease, releaseLease, renewLease, takeLease } from '../../shared/db/lease.ts';
import { PRIORITY } from '../../shared/db/ledger.ts';
import {
  addLiveMessages,
  changeMailbox,
  changeMessages,
  discoveredMessage,
  expireLease,
  hint,
  insertMailbox,
  leasedMailbox,
  leaseOf,
  ledgerRow,
  mailboxRow,
  take,
  takeOver,
} from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

describe('takeLease', () => {
  test('gives the lease to one holder, with the cursor, even beyond 2^53', async () => {
    const first = leaseOf(await insertMailbox(db, '18446744073709551615'));
    const taken = await takeLease(db, first, { holder: 'a', trigger: 'schedule', settleSeconds: 90 });
    expect(taken?.start).toEqual({ historyId: '18446744073709551615', confirmsTo: null });
    expect(await take(db, leaseOf(first.mailboxId))).toBeNull();
    expect(await mailboxRow(db, first)).toMatchObject({ lease_holder: 'a', lease_token: first.token });
  });

  test.each([
    ['an unconfirmed id that is as old as the settle time', 90, '150'],
    ['no unconfirmed id that is younger', 60, null],
  ])('the first listing confirms %s', async (_, ageSeconds, confirmsTo) => {
    const lease = leaseOf(await insertMailbox(db));
    await changeMailbox(
      db,
      lease,
      `unconfirmed_history_id = 150, unconfirmed_at = now() - interval '${ageSeconds} seconds'`,
    );
    expect((await take(db, lease))?.start).toEqual({ historyId: '100', confirmsTo });
  });

  test('takeLease returns the label that was last resolved', async () => {
    const lease = leaseOf(await insertMailbox(db));
    expect(await take(db, lease)).toMatchObject({
      label: { setting: null, labelId: null, reopenedToId: null },
    });
    await changeMailbox(db, lease, "label_setting = 'Orders', label_id = 'Label_7'");
    expect(await take(db, lease)).toMatchObject({ label: { setting: 'Orders', labelId: 'Label_7' } });
  });

  test('records the start of a run, but not when another instance holds the lease', async () => {
    const lease = leaseOf(await insertMailbox(db, '77'));
    const taken = await takeLease(db, lease, { holder: 'a', trigger: 'push', settleSeconds: 90 });
    await take(db, leaseOf(lease.mailboxId));
    const { rows } = await db.query(
      'select id, trigger, outcome, cursor_before from ingest_runs where mailbox_id = $1',
      [lease.mailboxId],
    );
    expect(rows).toEqual([{ id: taken?.runId, trigger: 'push', outcome: null, cursor_before: '77' }]);
    const row = await mailboxRow(db, lease);
    expect(taken).toMatchObject({ takenAt: row.last_run_at, mailboxCreatedAt: row.created_at });
  });

  test('a repeated call after a lost answer finds its own lease and run', async () => {
    const lease = leaseOf(await insertMailbox(db));
    const first = await take(db, lease);
    expect(await take(db, lease)).toMatchObject({ runId: first?.runId });
    const { rows } = await db.query('select 1 from ingest_runs where mailbox_id = $1', [lease.mailboxId]);
    expect(rows).toHaveLength(1);
  });

  test('gives the lease to exactly one of many concurrent callers', async () => {
    const mailboxId = await insertMailbox(db);
    const taken = await Promise.all(
      Array.from({ length: 12 }, async () => await take(db, leaseOf(mailboxId))),
    );
    expect(taken.filter((state) => state !== null)).toHaveLength(1);
  });

  test('gives an expired lease to exactly one of many concurrent callers', async () => {
    const dead = await leasedMailbox(db);
    await expireLease(db, dead);
    const taken = await Promise.all(
      Array.from({ length: 12 }, async () => await take(db, leaseOf(dead.mailboxId))),
    );
    expect(taken.filter((state) => state !== null)).toHaveLength(1);
    await expect(assertLease(db, dead)).rejects.toMatchObject({ code: 'lease_lost' });
  });

  test('leases of two mailboxes do not affect each other', async () => {
    const one = await leasedMailbox(db);
    const other = await leasedMailbox(db);
    expect(await renewLease(db, one)).toBe(true);
    expect(await renewLease(db, other)).toBe(true);
  });

  test('takeLease reports whether an earlier lease left claims open', async () => {
    const old = await leasedMailbox(db);
    await addLiveMessages(db, old, 'a');
    await claimUntried(db, old, { priority: PRIORITY.live, limit: 1 });
    expect(await take(db, old)).toMatchObject({ hasOpenClaims: false });
    await expireLease(db, old);
    expect(await take(db, leaseOf(old.mailboxId))).toMatchObject({ hasOpenClaims: true });
  });

  test('takeLease returns null for a mailbox that is gone', async () => {
    expect(await take(db, leaseOf(0))).toBeNull();
  });
});

describe('renewLease', () => {
  test('renewLease extends a lease that is held', async () => {
    const lease = await leasedMailbox(db);
    await changeMailbox(db, lease, "lease_expires_at = now() + interval '1 second'");
    expect(await renewLease(db, lease)).toBe(true);
    const { rows } = await db.query(
      "select 1 from mailboxes where id = $1 and lease_expires_at > now() + interval '30 seconds'",
      [lease.mailboxId],
    );
    expect(rows).toHaveLength(1);
  });

  test('renewLease does not extend an expired lease', async () => {
    const lease = await leasedMailbox(db);
    await expireLease(db, lease);
    expect(await renewLease(db, lease)).toBe(false);
    expect(await take(db, leaseOf(lease.mailboxId))).not.toBeNull();
  });

  test('renewLease does not extend the lease of a successor', async () => {
    const late = await leasedMailbox(db);
    await takeOver(db, late);
    expect(await renewLease(db, late)).toBe(false);
  });
});

describe('releaseLease', () => {
  test('releaseLease releases the mailbox despite a newer hint, and may run twice', async () => {
    const lease = await leasedMailbox(db);
    await hint(db, lease, '999');
    await releaseLease(db, lease);
    await releaseLease(db, lease);
    expect(await take(db, leaseOf(lease.mailboxId))).not.toBeNull();
  });

  test('releaseLease does not release the lease of a successor', async () => {
    const late = await leasedMailbox(db);
    const next = await takeOver(db, late);
    await releaseLease(db, late);
    expect(await renewLease(db, next)).toBe(true);
  });
});

describe('late holder', () => {
  const attempt = { code: 'gmail_unavailable', detail: '503', isEarly: false, jitter: 1 };

  /** One message of each kind that a holder may write. */
  async function mailboxOfLateHolder() {
    const late = await leasedMailbox(db);
    await addLiveMessages(db, late, 'claimed', 'failed', 'suspect', 'untried');
    await changeMessages(db, late, "last_attempt_at = now(), error_code = 'x'", ['failed']);
    await changeMessages(db, late, 'is_crash_suspect = true', ['suspect']);
    await changeMessages(db, late, `claim_token = '${late.token}'`, ['claimed']);
    const rows = async () => [
      await mailboxRow(db, late),
      ...(await Promise.all(
        ['claimed', 'failed', 'suspect', 'untried'].map(async (id) => await ledgerRow(db, late, id)),
      )),
    ];
    return { late, rows };
  }

  test.each(['expired', 'replaced'])(
    'a holder whose lease is %s moves no cursor, claims nothing and charges nothing',
    async (how) => {
      const { late, rows } = await mailboxOfLateHolder();
      if (how === 'replaced') await takeOver(db, late);
      else await expireLease(db, late);
      const before = await rows();

      const page = {
        start: { historyId: '100', confirmsTo: '110' },
        discovered: [discoveredMessage('new', { historyId: '110' })],
        unignored: [],
        isLabelMissing: false,
        answerHistoryId: '120',
        lastRecordId: '110',
        isLast: true,
      };
      await expect(enterHistoryPage(db, late, page)).rejects.toMatchObject({ code: 'lease_lost' });
      const empty = { ...page, discovered: [] };
      await expect(enterHistoryPage(db, late, empty)).rejects.toMatchObject({ code: 'lease_lost' });
      expect((await claimUntried(db, late, { priority: PRIORITY.live, limit: 9 })).claims).toEqual([]);
      const all = { limit: 9, runStartedAt: new Date(Date.now() + 60_000), includesWaiting: true };
      expect(await claimRetries(db, late, all)).toEqual([]);
      expect(await claimSuspect(db, late, PRIORITY.live)).toEqual([]);
      expect(await chargeFailures(db, late, new Map([['failed', 0]]), 1)).toEqual([]);
      expect(await sweepOpenClaims(db, { ...late, token: leaseOf(0).token }, 1)).toEqual([]);
      await changeMessages(db, late, "next_attempt_at = now() + interval '1 hour'", ['failed']);
      expect(await wakeWaiting(db, late)).toBe(0);
      await changeMessages(db, late, 'next_attempt_at = discovered_at', ['failed']);

      expect(await ledgerRow(db, late, 'new')).toBeUndefined();
      expect(await rows()).toEqual(before);
    },
  );

  test('a late holder ends no claim that its successor has taken over', async () => {
    const { late, rows } = await mailboxOfLateHolder();
    await sweepOpenClaims(db, await takeOver(db, late), 1);
    const before = await rows();
    await resolveClaim(db, late, 'claimed', { state: 'gone' });
    await recordFailure(db, late, { gmailMessageId: 'claimed', ...attempt });
    await releaseClaims(db, late);
    expect(await rows()).toEqual(before);
  });
});
