import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readHintState, recordHint } from '../../shared/db/hints.ts';
import { changeMailbox, hint, leaseOf, mailboxRow, quietMailbox } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

describe('recordHint', () => {
  test('a first or newer hint is the newest, even beyond 2^53', async () => {
    const lease = await quietMailbox(db);
    expect(await hint(db, lease, '9007199254740992')).toEqual({
      mailboxId: lease.mailboxId,
      isNewest: true,
      isUnseen: true,
      owner: 'first',
    });
    await changeMailbox(db, lease, "hint_at = now() - interval '1 hour'");
    expect(await hint(db, lease, '9007199254740993')).toMatchObject({ isNewest: true });
    const { rows } = await db.query(
      "select hint_history_id from mailboxes where id = $1 and hint_at > now() - interval '1 minute'",
      [lease.mailboxId],
    );
    expect(rows).toEqual([{ hint_history_id: '9007199254740993' }]);
  });

  test.each(['120', '119'])(
    'a hint of %s after one of 120 changes only the time of the last push',
    async (historyId) => {
      const lease = await quietMailbox(db);
      await hint(db, lease, '120');
      await changeMailbox(
        db,
        lease,
        "hint_at = now() - interval '1 hour', pushed_at = now() - interval '1 hour'",
      );
      const before = await mailboxRow(db, lease);
      expect(await hint(db, lease, historyId)).toMatchObject({ isNewest: false });
      const after = await mailboxRow(db, lease);
      expect(after).toEqual({ ...before, pushed_at: after.pushed_at });
      expect(after.pushed_at.getTime()).toBeGreaterThan(before.pushed_at.getTime());
    },
  );

  test('a hint is unseen until a listing has shown it', async () => {
    const lease = await quietMailbox(db);
    await changeMailbox(db, lease, 'listed_history_id = 120, shown_history_id = 110');
    expect(await hint(db, lease, '105')).toMatchObject({ isUnseen: false });
    expect(await hint(db, lease, '115')).toMatchObject({ isNewest: true, isUnseen: true });
    await changeMailbox(db, lease, 'shown_history_id = 115');
    expect(await hint(db, lease, '115')).toMatchObject({ isNewest: false, isUnseen: false });
    expect(await hint(db, lease, '121')).toMatchObject({ isUnseen: true });
  });

  test('a hint is stored for an address in any letter case, but not for an unknown address', async () => {
    const lease = await quietMailbox(db);
    const { email_address: emailAddress } = await mailboxRow(db, lease);
    const pushed = { emailAddress: emailAddress.toUpperCase(), historyId: '120' };
    expect(await recordHint(db, pushed)).toMatchObject({ mailboxId: lease.mailboxId });
    expect(await recordHint(db, { ...pushed, emailAddress: 'unknown@example.com' })).toBeNull();
  });

  test.each([
    ['environment', 'first'],
    ['delegation', 'added'],
  ])('a hint for a mailbox whose settings say %s belongs to the %s', async (access, owner) => {
    const lease = await quietMailbox(db);
    const { email_address: emailAddress } = await mailboxRow(db, lease);
    await db.query('insert into mailbox_settings (email_address, mailbox_id, access) values ($1, $2, $3)', [
      emailAddress,
      lease.mailboxId,
      access,
    ]);
    expect(await hint(db, lease, '120')).toMatchObject({ owner });
  });

  test('readHintState reports a hint as newest until a newer one is stored', async () => {
    const lease = await quietMailbox(db);
    const { mailboxId } = lease;
    expect(await readHintState(db, mailboxId, '120')).toMatchObject({ isNewest: true });
    await hint(db, lease, '120');
    expect(await readHintState(db, mailboxId, '120')).toMatchObject({ isNewest: true });
    expect(await readHintState(db, mailboxId, '119')).toMatchObject({ isNewest: false });
    expect(await readHintState(db, leaseOf(0).mailboxId, '120')).toMatchObject({ isNewest: false });
  });

  test('concurrent pushes store the newest hint and report it as the newest', async () => {
    const lease = await quietMailbox(db);
    const recorded = await Promise.all(
      Array.from({ length: 16 }, async (_, n) => await hint(db, lease, `${200 + ((n * 5) % 16)}`)),
    );
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('215');
    // The fourth push announced 215.
    expect(recorded[3]).toMatchObject({ isNewest: true });
  });

  test('a hint is stored while a long transaction holds the key share lock of the mailbox, as a store does', async () => {
    const lease = await quietMailbox(db);
    const { email_address: emailAddress } = await mailboxRow(db, lease);
    await db.transaction(async (long) => {
      await long.query('select 1 from mailboxes where id = $1::integer for key share', [lease.mailboxId]);
      await db.transaction(async (push) => {
        await push.query("set local lock_timeout = '1s'");
        expect(await recordHint(push, { emailAddress, historyId: '120' })).toMatchObject({ isNewest: true });
      });
      // The long transaction has not ended.
      await long.query('select 1');
    });
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('120');
  });
});
