/**
 * Random schedules against a model of Gmail's history, on the real SQL. Records become visible late, listings are cut,
 * processes crash between pages, leases are taken over.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { seededRandom } from '../../emulators/seeded-random.ts';
import { enterHistoryPage, readHistoryStart } from '../../shared/db/history-cursor.ts';
import type { HistoryStart, Lease } from '../../shared/db/lease.ts';
import { discoveredMessage, insertMailbox, leaseOf, mailboxRow, take } from '../helpers/leased-mailbox.ts';
import { createTestDatabase } from '../helpers/test-database.ts';

const SETTLE_SECONDS = 90;
const SCHEDULES = 30;
const STEPS = 40;

const db = await createTestDatabase();
afterAll(async () => await db.close());

interface HistoryRecord {
  readonly id: number;
  readonly visibleAt: number;
}

/** Gmail and the time: a record can stay invisible for less than the settle time while newer ones are listed. */
class ModelGmail {
  readonly records: HistoryRecord[] = [];
  now = 0;
  readonly #random: () => number;
  #lastId = 100;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** The current history id, which an answer names although the record may not be visible yet. */
  get currentId(): number {
    return this.#lastId;
  }

  receive(count: number): void {
    for (let n = 0; n < count; n += 1) {
      this.#lastId += 1 + Math.floor(this.#random() * 4);
      const lag = this.#random() < 0.3 ? Math.floor(this.#random() * SETTLE_SECONDS) : 0;
      this.records.push({ id: this.#lastId, visibleAt: this.now + lag });
    }
  }

  page(after: number, size: number): HistoryRecord[] {
    return this.records.filter(({ id, visibleAt }) => id > after && visibleAt <= this.now).slice(0, size);
  }
}

async function pass(gmail: ModelGmail, mailboxId: number, seconds: number): Promise<void> {
  gmail.now += seconds;
  await db.query(
    `update mailboxes set unconfirmed_at = unconfirmed_at - $2::integer * interval '1 second' where id = $1::integer`,
    [mailboxId, seconds],
  );
}

/** Lists up to `maxPages` pages. @returns false when it was cut or the process ended before it entered a page */
async function list(
  gmail: ModelGmail,
  lease: Lease,
  options: {
    start: HistoryStart;
    maxPages: number;
    pageSize: number;
    random: () => number;
    crashes: boolean;
  },
): Promise<boolean> {
  let last = Number(options.start.historyId);
  for (let pages = 0; pages < options.maxPages; pages += 1) {
    await pass(gmail, lease.mailboxId, Math.floor(options.random() * 3));
    const records = gmail.page(last, options.pageSize);
    const answerHistoryId = String(gmail.currentId);
    last = records.at(-1)?.id ?? last;
    const isLast = gmail.page(last, 1).length === 0;
    if (options.crashes && options.random() < 0.15) return false;
    await enterHistoryPage(db, lease, {
      start: options.start,
      discovered: records.map(({ id }) => discoveredMessage(`m${id}`, { historyId: String(id) })),
      unignored: [],
      isLabelMissing: false,
      answerHistoryId,
      lastRecordId: records.at(-1) === undefined ? null : String(records.at(-1)?.id),
      isLast,
    });
    if (isLast) return true;
  }
  return false;
}

async function expectNothingSkipped(gmail: ModelGmail, lease: Lease, seed: number): Promise<number> {
  const cursor = Number((await mailboxRow(db, lease)).cursor_history_id);
  const { rows } = await db.query<{ id: string }>(
    'select gmail_message_id as id from email_ledger where mailbox_id = $1',
    [lease.mailboxId],
  );
  const known = new Set(rows.map((row) => row.id));
  const skipped = gmail.records.filter(({ id }) => id <= cursor && !known.has(`m${id}`));
  expect(skipped, `schedule ${seed}, cursor ${cursor}`).toEqual([]);
  return cursor;
}

test.each(Array.from({ length: SCHEDULES }, (_, seed) => seed + 1))(
  'the cursor skips no record and reaches the end in random schedule %i',
  async (seed) => {
    const random = seededRandom(seed);
    const gmail = new ModelGmail(random);
    let lease = leaseOf(await insertMailbox(db, '100'));
    await take(db, lease, SETTLE_SECONDS);
    for (let step = 0; step < STEPS; step += 1) {
      gmail.receive(random() < 0.2 ? 30 : Math.floor(random() * 4));
      await pass(gmail, lease.mailboxId, Math.floor(random() * 60));
      const start = await readHistoryStart(db, lease.mailboxId, SETTLE_SECONDS);
      const options = { start, maxPages: 1 + Math.floor(random() * 4), pageSize: 3, random, crashes: true };
      if (random() < 0.15) {
        // Another instance takes over in the middle of the listing: the database rejects later writes of the old holder.
        const old = lease;
        lease = { mailboxId: old.mailboxId, token: randomUUID() };
        await db.query('update mailboxes set lease_token = $2 where id = $1', [lease.mailboxId, lease.token]);
        const before = await mailboxRow(db, lease);
        await expect(list(gmail, old, { ...options, crashes: false })).rejects.toMatchObject({
          code: 'lease_lost',
        });
        expect((await mailboxRow(db, lease)).cursor_history_id).toBe(before.cursor_history_id);
      } else await list(gmail, lease, options);
      await expectNothingSkipped(gmail, lease, seed);
    }
    // Every run that begins the settle time after the last one moves the cursor, although each is cut after one page.
    let cursor = await expectNothingSkipped(gmail, lease, seed);
    for (let runs = 0; cursor < gmail.currentId; runs += 1) {
      expect(runs, `the cursor does not move in schedule ${seed}`).toBeLessThan(400);
      await pass(gmail, lease.mailboxId, SETTLE_SECONDS);
      const start = await readHistoryStart(db, lease.mailboxId, SETTLE_SECONDS);
      await list(gmail, lease, { start, maxPages: 1, pageSize: 3, random, crashes: false });
      const next = await expectNothingSkipped(gmail, lease, seed);
      if (start.confirmsTo !== null && Number(start.confirmsTo) > cursor)
        expect(next).toBeGreaterThan(cursor);
      cursor = next;
    }
    const { rows } = await db.query('select 1 from email_ledger where mailbox_id = $1', [lease.mailboxId]);
    expect(rows.length).toBe(gmail.records.length);
  },
);
