import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { enterHistoryPage } from '../../shared/db/cursor.ts';
import type { Fence } from '../../shared/db/lease.ts';
import { recordHint } from '../../shared/db/mailboxes.ts';
import { type LookFor, lookAhead } from '../../shared/db/outlook.ts';
import { enterLive, LOOK_FOR, leasedMailbox, mailboxRow, sighting } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const NOTHING = {
  hasPending: false,
  hasListing: false,
  hasVerdict: false,
  isProofDue: false,
  isWatchToTend: false,
};
const TOPIC = 'projects/orders-project/topics/gmail';

/** A mailbox whose last proof is judged and young: nothing is to be done for it. */
async function quietMailbox(): Promise<Fence> {
  const fence = await leasedMailbox(db);
  await db.query(
    `insert into listings (mailbox_id, purpose, query, finished_at, judged_at)
     values ($1, 'proof', 'after:0', now(), now())`,
    [fence.mailboxId],
  );
  return fence;
}

async function look({ mailboxId }: Fence, more: Partial<LookFor> = {}) {
  return await lookAhead(db, mailboxId, { ...LOOK_FOR, ...more });
}

describe('the look ahead', () => {
  test('sees nothing to do while all is settled', async () => {
    const fence = await quietMailbox();
    await enterLive(db, fence, 'a');
    await db.query("update email_ledger set state = 'stored' where mailbox_id = $1", [fence.mailboxId]);
    expect(await look(fence)).toEqual(NOTHING);
  });

  test('sees what waits in the ledger, also before its time and with an open attempt', async () => {
    const fence = await quietMailbox();
    await enterLive(db, fence, 'a');
    await db.query(
      `update email_ledger set next_attempt_at = now() + interval '1 hour', attempt_open = true, attempt_count = 8
       where mailbox_id = $1`,
      [fence.mailboxId],
    );
    expect(await look(fence)).toEqual({ ...NOTHING, hasPending: true });
  });

  test.each([
    [
      'a listing that is to be made',
      "insert into listings (mailbox_id, purpose, query) values ($1, 'initial', '')",
      { hasListing: true },
    ],
    [
      'no listing before its time',
      "insert into listings (mailbox_id, purpose, query, not_before) values ($1, 'backfill', '', now() + interval '1 hour')",
      {},
    ],
    [
      'a proof that is not listed',
      "insert into listings (mailbox_id, purpose, query) values ($1, 'proof', 'after:0')",
      { hasListing: true, hasVerdict: true },
    ],
    [
      'a proof that is not judged',
      "insert into listings (mailbox_id, purpose, query, finished_at) values ($1, 'proof', 'after:0', now())",
      { hasVerdict: true },
    ],
    [
      'an incident that lasts',
      "insert into incidents (mailbox_id, kind) values ($1, 'history_expired')",
      { hasVerdict: true },
    ],
    [
      'that the last proof is old',
      "update listings set created_at = now() - interval '901 seconds' where mailbox_id = $1",
      { isProofDue: true },
    ],
  ])('sees %s', async (_, change, seen) => {
    const fence = await quietMailbox();
    await db.query(change, [fence.mailboxId]);
    expect(await look(fence)).toEqual({ ...NOTHING, ...seen });
  });

  test.each([
    ['a topic without a watch', 'update mailboxes set watch_topic = null where id = $1', TOPIC],
    [
      'a watch on another topic',
      "update mailboxes set watch_topic = 'other', watch_expires_at = now() + interval '7 days' where id = $1",
      TOPIC,
    ],
    [
      'a watch that ends soon',
      `update mailboxes set watch_topic = '${TOPIC}', watch_expires_at = now() + interval '59 minutes' where id = $1`,
      TOPIC,
    ],
    ['a watch without a topic', `update mailboxes set watch_topic = '${TOPIC}' where id = $1`, null],
    ['a failure without a topic', "update mailboxes set watch_error_code = 'x' where id = $1", null],
  ])('sees %s', async (_, change, watchTopic) => {
    const fence = await quietMailbox();
    await db.query(change, [fence.mailboxId]);
    expect(await look(fence, { watchTopic })).toEqual({ ...NOTHING, isWatchToTend: true });
  });

  test.each([
    ['lasts', `watch_topic = '${TOPIC}', watch_expires_at = now() + interval '61 minutes'`],
    ['failed a moment ago', "watch_next_attempt_at = now() + interval '1 minute', watch_error_code = 'x'"],
  ])('leaves a watch alone that %s', async (_, set) => {
    const fence = await quietMailbox();
    await db.query(`update mailboxes set ${set} where id = $1`, [fence.mailboxId]);
    expect(await look(fence, { watchTopic: TOPIC })).toEqual(NOTHING);
  });

  test('does not see what is of another mailbox', async () => {
    const [one, other] = [await quietMailbox(), await leasedMailbox(db)];
    await enterLive(db, other, 'a');
    expect(await look(one)).toEqual(NOTHING);
  });
});

describe('the look at the end of the history', () => {
  async function end(fence: Fence, more: { records?: readonly string[]; end?: string; shown?: string } = {}) {
    const { atEnd } = await enterHistoryPage(db, fence, {
      sightings: (more.records ?? []).map((id) => sighting(`m${id}`, { historyId: id })),
      readmitted: [],
      resumeAt: null,
      end: more.end ?? '120',
      fromCursor: true,
      listedAt: new Date(),
      oldestNewHistoryId: null,
      shownHistoryId: more.shown ?? '120',
      settleSeconds: 90,
      lookFor: LOOK_FOR,
    });
    return atEnd;
  }

  test('sees the same, and that nothing is announced', async () => {
    expect(await end(await quietMailbox())).toEqual({ isHinted: false, outlook: NOTHING });
  });

  test('sees what the same page has entered', async () => {
    const atEnd = await end(await quietMailbox(), { records: ['110'] });
    expect(atEnd?.outlook).toEqual({ ...NOTHING, hasPending: true });
  });

  test('sees that a push has announced more than was listed, or than Gmail has shown', async () => {
    const fence = await quietMailbox();
    const { email_address: emailAddress } = await mailboxRow(db, fence);
    await recordHint(db, { emailAddress, historyId: '119' });
    expect(await end(fence)).toMatchObject({ isHinted: false });
    expect(await end(fence, { shown: '118' })).toMatchObject({ isHinted: true });
    expect(await end(fence, { end: '118', shown: '118' })).toMatchObject({ isHinted: true });
  });
});
