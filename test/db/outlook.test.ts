import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lookAhead } from '../../shared/db/outlook.ts';
import { enterLive, leasedMailbox } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const NOTHING = { hasPending: false, hasVerdict: false };

describe('the look ahead', () => {
  test('sees nothing to do while all is settled', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a');
    await db.query("update email_ledger set state = 'stored' where mailbox_id = $1", [fence.mailboxId]);
    expect(await lookAhead(db, fence.mailboxId)).toEqual(NOTHING);
  });

  test('sees what waits in the ledger, also before its time and with an open attempt', async () => {
    const fence = await leasedMailbox(db);
    await enterLive(db, fence, 'a');
    await db.query(
      `update email_ledger set next_attempt_at = now() + interval '1 hour', attempt_open = true, attempt_count = 8
       where mailbox_id = $1`,
      [fence.mailboxId],
    );
    expect(await lookAhead(db, fence.mailboxId)).toEqual({ ...NOTHING, hasPending: true });
  });

  test.each([
    [
      'a proof that is not judged',
      "insert into listings (mailbox_id, purpose, query) values ($1, 'proof', 'after:0')",
    ],
    ['an incident that lasts', "insert into incidents (mailbox_id, kind) values ($1, 'history_expired')"],
  ])('sees %s', async (_, insert) => {
    const fence = await leasedMailbox(db);
    await db.query(insert, [fence.mailboxId]);
    expect(await lookAhead(db, fence.mailboxId)).toEqual({ ...NOTHING, hasVerdict: true });
  });

  test('does not see what is of another mailbox', async () => {
    const [one, other] = [await leasedMailbox(db), await leasedMailbox(db)];
    await enterLive(db, other, 'a');
    expect(await lookAhead(db, one.mailboxId)).toEqual(NOTHING);
  });
});
