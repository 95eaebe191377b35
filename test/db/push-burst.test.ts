/** A burst of mail causes a burst of pushes: many instances store hints and take the lease on one mailbox row. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../shared/db/database.ts';
import { recordHint } from '../../shared/db/hints.ts';
import { enterHistoryPage } from '../../shared/db/history-cursor.ts';
import { takeLease } from '../../shared/db/lease.ts';
import { discoveredMessage, finishRunOf, insertMailbox } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

const INSTANCES = 8;
const PUSHES_PER_INSTANCE = 3;
const PUSHES = 2_400;

let db: TestDatabase;
let instances: Database[] = [];
beforeAll(async () => {
  db = await createTestDatabase();
  instances = Array.from({ length: INSTANCES }, () =>
    openDatabase({ target: { kind: 'url', url: db.url }, poolSize: 4 }),
  );
});
afterAll(async () => {
  await Promise.all(instances.map(async (one) => await one.close()));
  await db.close();
});

test('concurrent pushes wait for each other at the mailbox row and never deadlock', async () => {
  const mailboxId = await insertMailbox(db, '100');
  const { rows } = await db.query<{ email_address: string }>(
    'select email_address from mailboxes where id = $1',
    [mailboxId],
  );
  const emailAddress = rows[0]?.email_address ?? '';
  let newest = 100;

  async function push(instance: Database): Promise<void> {
    newest += 1;
    const historyId = String(newest);
    await recordHint(instance, { emailAddress, historyId });
    const lease = { mailboxId, token: randomUUID() };
    const run = { holder: 'test', trigger: 'push', settleSeconds: 0 } as const;
    const taken = await takeLease(instance, lease, run);
    if (taken === null) return;
    await enterHistoryPage(instance, lease, {
      start: taken.start,
      discovered: [discoveredMessage(`m${historyId}`)],
      unignored: [],
      isLabelMissing: false,
      answerHistoryId: String(newest),
      lastRecordId: historyId,
      isLast: true,
    });
    await finishRunOf(instance, lease, { runId: taken.runId, releasesAnyway: true });
  }

  const errors: unknown[] = [];
  async function pushRepeatedly(instance: Database): Promise<void> {
    while (newest < 100 + PUSHES) await push(instance).catch((error: unknown) => errors.push(error));
  }
  await Promise.all(
    instances.flatMap((instance) =>
      Array.from({ length: PUSHES_PER_INSTANCE }, () => pushRepeatedly(instance)),
    ),
  );
  expect(errors.map(String)).toEqual([]);
  const [mailbox] = (
    await db.query<{ hint: string }>('select hint_history_id::text as hint from mailboxes where id = $1', [
      mailboxId,
    ])
  ).rows;
  expect(Number(mailbox?.hint)).toBe(newest);
}, 120_000);
