import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Claim,
  claimRetries,
  claimSuspect,
  claimUntried,
  releaseClaims,
  resolveClaim,
} from '../../shared/db/claims.ts';
import { openDatabase } from '../../shared/db/database.ts';
import { recordFailure, sweepOpenClaims } from '../../shared/db/failures.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { PRIORITY, upsertDiscovered } from '../../shared/db/ledger.ts';
import { startBreakingProxy } from '../helpers/breaking-proxy.ts';
import {
  addLiveMessages,
  changeMessages,
  discoveredMessage,
  expireLease,
  leasedMailbox,
  leaseOf,
  ledgerRow,
  takeOver,
} from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const LIVE = PRIORITY.live;
const FAILURE = { code: 'gmail_unavailable', detail: '503', isEarly: false, jitter: 1 };

const idsOf = (claims: readonly Claim[]) => claims.map((claim) => claim.gmailMessageId).sort();
const names = (count: number, prefix = 'm') => Array.from({ length: count }, (_, n) => `${prefix}${n}`);

async function untried(lease: Lease, limit = 100, priority: 0 | 1 = LIVE): Promise<string[]> {
  return idsOf((await claimUntried(db, lease, { priority, limit })).claims);
}

async function retries(
  lease: Lease,
  more: { limit?: number; runStartedAt?: Date; includesWaiting?: boolean } = {},
): Promise<Claim[]> {
  return await claimRetries(db, lease, {
    limit: 100,
    runStartedAt: new Date(),
    includesWaiting: false,
    ...more,
  });
}

async function enterBacklog({ mailboxId }: Lease, ...ids: string[]): Promise<void> {
  const messages = ids.map((id) => discoveredMessage(id, { labelsUnknown: true }));
  await upsertDiscovered(db, mailboxId, 'backfill', PRIORITY.backlog, messages);
}

/** Back-dates a failed attempt; the next one is due now. */
async function failedAgo(lease: Lease, id: string, seconds: number): Promise<void> {
  await changeMessages(
    db,
    lease,
    `attempt_count = 1, last_attempt_at = now() - interval '${seconds} seconds', next_attempt_at = now()`,
    [id],
  );
}

async function claimedCount({ mailboxId }: Lease): Promise<number> {
  const { rows } = await db.query(
    'select 1 from email_ledger where mailbox_id = $1 and claim_token is not null',
    [mailboxId],
  );
  return rows.length;
}

describe('claimUntried', () => {
  test.each([1, 2, 3, 4, 7, 16])(
    'untried messages are claimed %i at a time until a claim reports that none is left',
    async (limit) => {
      const lease = await leasedMailbox(db);
      await addLiveMessages(db, lease, ...names(23));
      let claimedTotal = 0;
      for (let isLast = false; !isLast; ) {
        const claimed = await claimUntried(db, lease, { priority: LIVE, limit });
        claimedTotal += claimed.claims.length;
        isLast = claimed.isLast;
        expect(isLast && claimedTotal < 23, `${claimedTotal} of 23`).toBe(false);
      }
      expect(claimedTotal).toBe(23);
    },
  );

  test('an untried message is claimed once, with the data that its fetch needs', async () => {
    const lease = await leasedMailbox(db);
    await enterBacklog(lease, 'a');
    const row = await ledgerRow(db, lease, 'a');
    expect((await claimUntried(db, lease, { priority: PRIORITY.backlog, limit: 2 })).claims).toEqual([
      {
        gmailMessageId: 'a',
        priority: 1,
        source: 'backfill',
        labelsUnknown: true,
        listedLabelId: null,
        attemptCount: 0,
        isEarly: false,
        isRetry: false,
        discoveredAt: row.discovered_at,
        hasHistoryRecord: false,
        isProbe: false,
      },
    ]);
    expect(await ledgerRow(db, lease, 'a')).toEqual({ ...row, claim_token: lease.token });
    expect(await untried(lease, 2, PRIORITY.backlog)).toEqual([]);
  });

  test('a claim reports whether a history record announced the message', async () => {
    const lease = await leasedMailbox(db);
    const messages = [discoveredMessage('shown', { historyId: '7' }), discoveredMessage('listed')];
    await upsertDiscovered(db, lease.mailboxId, 'newest', LIVE, messages);
    const { claims } = await claimUntried(db, lease, { priority: LIVE, limit: 10 });
    const shown = claims.filter((claim) => claim.hasHistoryRecord);
    expect(idsOf(shown)).toEqual(['shown']);
  });

  test('untried messages are claimed per priority', async () => {
    const lease = await leasedMailbox(db);
    await enterBacklog(lease, 'old');
    await addLiveMessages(db, lease, 'new');
    expect(await untried(lease)).toEqual(['new']);
    expect(await untried(lease)).toEqual([]);
    expect(await untried(lease, 100, PRIORITY.backlog)).toEqual(['old']);
  });

  test('half of a claim is the newest messages, and a claim never exceeds its limit', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, ...names(200));
    const claimed = await untried(lease, 10);
    expect(claimed).toEqual(expect.arrayContaining(['m195', 'm196', 'm197', 'm198', 'm199']));
    expect(claimed.length).toBeGreaterThanOrEqual(5);
    expect(claimed.length).toBeLessThanOrEqual(10);
    expect(new Set(claimed).size).toBe(claimed.length);
    expect(await claimedCount(lease)).toBe(claimed.length);
  });

  test('a claim with a limit of one takes the newest message', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, ...names(50));
    expect(await untried(lease, 1)).toEqual(['m49']);
    expect(await untried(lease, 1)).toEqual(['m48']);
  });

  test('a new message is claimed at once, even after a long import', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, ...names(500));
    await untried(lease, 10);
    await addLiveMessages(db, lease, 'order');
    expect(await untried(lease, 2)).toContain('order');
  });

  test('each claim takes at least one old message while newer ones keep arriving', async () => {
    const lease = await leasedMailbox(db);
    const old = names(20, 'old');
    await addLiveMessages(db, lease, ...old);
    const claimed = new Set<string>();
    // New messages fill the newest half of each claim, so old ones come from the random half.
    for (let round = 0; round < old.length; round += 1) {
      await addLiveMessages(db, lease, ...names(5, `new${round}-`));
      for (const id of await untried(lease, 10)) claimed.add(id);
    }
    expect(old.filter((id) => !claimed.has(id))).toEqual([]);
  });

  test('a single old message among many stored ones is claimed at once', async () => {
    const lease = await leasedMailbox(db);
    const stored = names(1_000);
    await addLiveMessages(db, lease, 'old', ...stored, ...names(5, 'new'));
    await changeMessages(db, lease, "state = 'stored', resolved_at = now()", stored);
    expect(await untried(lease, 10)).toEqual(['new0', 'new1', 'new2', 'new3', 'new4', 'old']);
  });

  test('all untried messages are claimed, even when most ids between them are stored', async () => {
    const lease = await leasedMailbox(db);
    const ids = names(300);
    await addLiveMessages(db, lease, ...ids);
    const left = ids.filter((_, n) => n % 37 === 0);
    await changeMessages(
      db,
      lease,
      "state = 'stored', resolved_at = now()",
      ids.filter((id) => !left.includes(id)),
    );
    const claimed: string[] = [];
    for (let next = await untried(lease, 4); next.length > 0; next = await untried(lease, 4))
      claimed.push(...next);
    expect(claimed.sort()).toEqual(left.sort());
  });

  test('a claim omits messages that failed, are claimed, are crash suspects, are final, or belong to another mailbox', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, 'failed', 'claimed', 'suspect', 'stored', 'fresh');
    await addLiveMessages(db, await leasedMailbox(db), 'foreign');
    await failedAgo(lease, 'failed', 60);
    await changeMessages(db, lease, 'claim_token = gen_random_uuid()', ['claimed']);
    await changeMessages(db, lease, 'is_crash_suspect = true', ['suspect']);
    await changeMessages(db, lease, "state = 'stored', resolved_at = now()", ['stored']);
    expect(await untried(lease)).toEqual(['fresh']);
  });
});

describe('claimRetries', () => {
  test('due retries are claimed live before backlog, then longest waiting first', async () => {
    const lease = await leasedMailbox(db);
    await enterBacklog(lease, 'old');
    await addLiveMessages(db, lease, 'b', 'a', 'waiting', 'fresh');
    await failedAgo(lease, 'old', 900);
    await failedAgo(lease, 'a', 600);
    await failedAgo(lease, 'b', 300);
    await failedAgo(lease, 'waiting', 700);
    await changeMessages(db, lease, "next_attempt_at = now() + interval '1 hour'", ['waiting']);
    for (const expected of ['a', 'b', 'old']) {
      const [claim, ...others] = await retries(lease, { limit: 1 });
      expect(others).toEqual([]);
      expect(claim).toMatchObject({
        gmailMessageId: expected,
        attemptCount: 1,
        isRetry: true,
        isEarly: false,
      });
    }
    expect(await retries(lease)).toEqual([]);
  });

  test('retries are claimed early once per run when includesWaiting is set', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, 'due', 'waiting');
    await failedAgo(lease, 'due', 60);
    await failedAgo(lease, 'waiting', 600);
    await changeMessages(db, lease, "next_attempt_at = now() + interval '1 hour'", ['waiting']);
    const runStartedAt = new Date(Date.now() - 30_000);
    const claims = await retries(lease, { runStartedAt, includesWaiting: true });
    expect(claims.map((claim) => [claim.gmailMessageId, claim.isEarly]).sort()).toEqual([
      ['due', false],
      ['waiting', true],
    ]);
    await recordFailure(db, lease, { ...FAILURE, gmailMessageId: 'waiting', isEarly: true });
    expect(await retries(lease, { runStartedAt, includesWaiting: true })).toEqual([]);
    const nextRun = new Date(Date.now() + 60_000);
    expect(idsOf(await retries(lease, { runStartedAt: nextRun, includesWaiting: true }))).toEqual([
      'waiting',
    ]);
  });

  test('retries include dead messages only when their daily attempt is due', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, 'due', 'tomorrow', 'no more', 'given up');
    await changeMessages(
      db,
      lease,
      "state = 'dead', attempt_count = 8, last_attempt_at = now() - interval '1 day', resolved_at = now()",
    );
    await changeMessages(db, lease, "next_attempt_at = now() + interval '1 hour'", ['tomorrow']);
    await changeMessages(db, lease, 'next_attempt_at = null', ['no more']);
    await changeMessages(db, lease, 'given_up_at = now()', ['given up']);
    const nextRun = new Date(Date.now() + 60_000);
    const claims = await retries(lease, { runStartedAt: nextRun, includesWaiting: true });
    expect(claims).toMatchObject([{ gmailMessageId: 'due', attemptCount: 8, isEarly: false }]);
  });

  test('retries omit messages that are claimed, are crash suspects, or belong to another mailbox', async () => {
    const [lease, other] = [await leasedMailbox(db), await leasedMailbox(db)];
    await addLiveMessages(db, lease, 'claimed', 'suspect');
    await addLiveMessages(db, other, 'foreign');
    for (const id of ['claimed', 'suspect']) await failedAgo(lease, id, 60);
    await failedAgo(other, 'foreign', 60);
    await changeMessages(db, lease, 'claim_token = gen_random_uuid()', ['claimed']);
    await changeMessages(db, lease, 'is_crash_suspect = true', ['suspect']);
    expect(await retries(lease)).toEqual([]);
  });
});

describe('claimSuspect', () => {
  test('crash suspects are claimed one at a time, live before backlog, fewest crashes first', async () => {
    const lease = await leasedMailbox(db);
    await enterBacklog(lease, 'old');
    await addLiveMessages(db, lease, 'killer', 'bystander', 'fresh');
    await changeMessages(db, lease, 'is_crash_suspect = true', ['old', 'killer', 'bystander']);
    await changeMessages(db, lease, 'crash_count = 2', ['killer']);
    const claims = [];
    for (let n = 0; n < 3; n += 1) claims.push(idsOf(await claimSuspect(db, lease, LIVE)));
    expect(claims).toEqual([['bystander'], ['killer'], []]);
    expect(idsOf(await claimSuspect(db, lease, PRIORITY.backlog))).toEqual(['old']);
  });

  test('crash suspects are claimed when they are due and not given up', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, 'waiting', 'given up', 'due');
    await changeMessages(db, lease, "is_crash_suspect = true, crash_count = 3, state = 'dead'");
    await changeMessages(db, lease, "next_attempt_at = now() + interval '1 hour'", ['waiting']);
    await changeMessages(db, lease, 'given_up_at = now()', ['given up']);
    expect(idsOf(await claimSuspect(db, lease, LIVE))).toEqual(['due']);
    expect(await claimSuspect(db, lease, LIVE)).toEqual([]);
  });

  test('a crash suspect stays one when its claim is released, until an attempt ends', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, 'a');
    await changeMessages(db, lease, 'is_crash_suspect = true, crash_count = 1');
    await claimSuspect(db, lease, LIVE);
    await releaseClaims(db, lease);
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({ is_crash_suspect: true, crash_count: 1 });
    await claimSuspect(db, lease, LIVE);
    await recordFailure(db, lease, { ...FAILURE, gmailMessageId: 'a' });
    expect(await ledgerRow(db, lease, 'a')).toMatchObject({ is_crash_suspect: false, crash_count: 0 });
  });
});

test.each(['expired', 'of another run'])('a claim with a lease that is %s claims nothing', async (how) => {
  const lease = await leasedMailbox(db);
  await addLiveMessages(db, lease, 'fresh', 'failed', 'suspect');
  await failedAgo(lease, 'failed', 60);
  await changeMessages(db, lease, 'is_crash_suspect = true', ['suspect']);
  if (how === 'expired') await expireLease(db, lease);
  const wrong = how === 'expired' ? lease : leaseOf(lease.mailboxId);
  expect(await untried(wrong)).toEqual([]);
  expect(await retries(wrong)).toEqual([]);
  expect(await claimSuspect(db, wrong, LIVE)).toEqual([]);
  expect(await claimedCount(lease)).toBe(0);
});

describe('releaseClaims', () => {
  test('releasing restores every message as it was before the claim', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, 'fresh', 'failed', 'suspect');
    await failedAgo(lease, 'failed', 60);
    await changeMessages(db, lease, 'is_crash_suspect = true', ['suspect']);
    const rows = async () =>
      await Promise.all(['fresh', 'failed', 'suspect'].map(async (id) => await ledgerRow(db, lease, id)));
    const before = await rows();
    const claimAll = async () => [
      await untried(lease),
      idsOf(await retries(lease)),
      idsOf(await claimSuspect(db, lease, LIVE)),
    ];
    expect(await claimAll()).toEqual([['fresh'], ['failed'], ['suspect']]);
    await releaseClaims(db, lease);
    expect(await rows()).toEqual(before);
    expect(await claimAll()).toEqual([['fresh'], ['failed'], ['suspect']]);
  });

  test('releasing with ids ends only the claims of these messages, and may run twice', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, 'a', 'b');
    await untried(lease);
    await releaseClaims(db, lease, ['a', 'unknown']);
    await releaseClaims(db, lease, ['a']);
    expect((await ledgerRow(db, lease, 'a')).claim_token).toBeNull();
    expect((await ledgerRow(db, lease, 'b')).claim_token).toBe(lease.token);
  });
});

describe('resolveClaim', () => {
  test.each([
    [{ state: 'gone' }, { state: 'gone', ignored_rule: null }],
    [
      { state: 'ignored', rule: 'draft' },
      { state: 'ignored', ignored_rule: 'draft' },
    ],
  ] as const)('resolving as %j makes the message final and clears its error', async (end, expected) => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, 'a');
    await failedAgo(lease, 'a', 60);
    await changeMessages(db, lease, "error_code = 'x', error_detail = 'x', crash_count = 1");
    await retries(lease);
    await resolveClaim(db, lease, 'a', end);
    const row = await ledgerRow(db, lease, 'a');
    expect(row).toMatchObject({
      ...expected,
      claim_token: null,
      error_code: null,
      error_detail: null,
      crash_count: 0,
      is_crash_suspect: false,
    });
    expect(row.resolved_at).not.toBeNull();
    await resolveClaim(db, lease, 'a', { state: 'ignored', rule: 'chat' });
    expect(await ledgerRow(db, lease, 'a')).toEqual(row);
  });

  test('resolving does not change a message that is stored or claimed by a later run', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, 'stored', 'later');
    await untried(lease);
    await changeMessages(db, lease, "state = 'stored', resolved_at = now()", ['stored']);
    const next = await takeOver(db, lease);
    await sweepOpenClaims(db, next, 1);
    await claimSuspect(db, next, LIVE);
    for (const id of ['stored', 'later']) await resolveClaim(db, lease, id, { state: 'gone' });
    expect((await ledgerRow(db, lease, 'stored')).state).toBe('stored');
    expect(await ledgerRow(db, lease, 'later')).toMatchObject({ state: 'pending', claim_token: next.token });
  });
});

describe('broken connection', () => {
  async function throughProxy() {
    const proxy = await startBreakingProxy(db.url);
    return { proxy, fragile: openDatabase({ target: { kind: 'url', url: proxy.url }, poolSize: 1 }) };
  }

  test('a claim whose connection breaks fails and is not repeated, which would claim other messages', async () => {
    const lease = await leasedMailbox(db);
    await addLiveMessages(db, lease, ...names(10));
    for (const id of names(3)) await failedAgo(lease, id, 60);
    for (const id of ['m3', 'm4', 'm5']) await changeMessages(db, lease, 'is_crash_suspect = true', [id]);
    const { proxy, fragile } = await throughProxy();
    const claims = [
      async () => await claimUntried(fragile, lease, { priority: LIVE, limit: 1 }),
      async () =>
        await claimRetries(fragile, lease, { limit: 1, runStartedAt: new Date(), includesWaiting: false }),
      async () => await claimSuspect(fragile, lease, LIVE),
    ];
    for (const [done, claim] of claims.entries()) {
      await fragile.query('select 1');
      proxy.breakAfterNextStatement();
      await expect(claim()).rejects.toMatchObject({ code: 'database_unavailable' });
      expect(await claimedCount(lease)).toBe(done + 1);
    }
    await fragile.close();
    await proxy.close();
  });

  test('a repeatable statement whose connection breaks is repeated and succeeds', async () => {
    const lease = await leasedMailbox(db);
    const { proxy, fragile } = await throughProxy();
    await fragile.query('select 1');
    proxy.breakAfterNextStatement();
    const message = discoveredMessage('a');
    expect(await upsertDiscovered(fragile, lease.mailboxId, 'history', LIVE, [message])).toEqual({
      newCount: 0,
    });
    expect((await ledgerRow(db, lease, 'a')).state).toBe('pending');
    expect(proxy.connectionCount()).toBe(2);
    await fragile.close();
    await proxy.close();
  });
});
