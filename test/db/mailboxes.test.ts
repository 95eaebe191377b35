import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimUntried } from '../../shared/db/claims.ts';
import { readHintState, recordHint } from '../../shared/db/hints.ts';
import type { Lease } from '../../shared/db/lease.ts';
import { PRIORITY } from '../../shared/db/ledger.ts';
import {
  findMailbox,
  listMailboxes,
  type MailboxState,
  readAddedMailbox,
  readFirstMailbox,
} from '../../shared/db/mailboxes.ts';
import {
  addLiveMessages,
  changeMailbox,
  changeMessages,
  hint,
  insertMailbox,
  leasedMailbox,
  leaseOf,
  mailboxRow,
} from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

const fingerprintOf = ({ mailboxId }: Lease) => `fingerprint ${mailboxId}`;

/** A mailbox with known credentials after a poll: the next poll is due in a day, and the last run began a minute ago. */
async function quietMailbox(): Promise<Lease> {
  const lease = await leasedMailbox(db, '100');
  await changeMailbox(
    db,
    lease,
    `credential_fingerprint = '${fingerprintOf(lease)}', lease_token = null, lease_expires_at = null,
     next_poll_at = now() + interval '86400 seconds', last_run_at = now() - interval '1 minute',
     listed_history_id = 100, shown_history_id = 100`,
  );
  return lease;
}

/** The mailbox, on which all queries must agree. */
async function read(lease: Lease): Promise<MailboxState> {
  const { mailbox } = await readFirstMailbox(db, fingerprintOf(lease));
  if (mailbox === null) throw new Error('The mailbox was not found.');
  const { id, emailAddress } = mailbox;
  expect(await findMailbox(db, fingerprintOf(lease))).toEqual({ id, emailAddress });
  expect(await listMailboxes(db)).toContainEqual({ id, emailAddress });
  expect((await readAddedMailbox(db, await settingsOf(lease), fingerprintOf(lease)))?.mailbox).toEqual(
    mailbox,
  );
  return mailbox;
}

/** The id of its settings, which are created at the first call. */
async function settingsOf({ mailboxId }: Lease): Promise<number> {
  const { rows } = await db.query<{ id: number }>(
    `insert into mailbox_settings (mailbox_id, email_address, access, secret_name)
     select id, email_address, 'refresh_token', 'secret-' || id
     from mailboxes
     where id = $1::integer
     on conflict (mailbox_id) do update
       set mailbox_id = excluded.mailbox_id
     returning id`,
    [mailboxId],
  );
  return rows[0]?.id ?? 0;
}

describe('mailbox lookup', () => {
  test('a mailbox is found by its credentials, with the is_running flag', async () => {
    const lease = await quietMailbox();
    const row = await mailboxRow(db, lease);
    expect(await read(lease)).toEqual({
      id: lease.mailboxId,
      emailAddress: row.email_address,
      isPollDue: false,
      isPushDue: true,
      lastRunAt: row.last_run_at,
    });
    for (const isRunning of [true, false]) {
      await db.query('update email_monitor_status set is_running = $1::boolean', [isRunning]);
      expect(await readFirstMailbox(db, fingerprintOf(lease))).toMatchObject({ isRunning });
    }
  });

  test('credentials that were never used find no mailbox', async () => {
    await quietMailbox();
    expect(await findMailbox(db, 'unknown')).toBeNull();
    expect(await readFirstMailbox(db, 'unknown')).toMatchObject({ mailbox: null });
  });

  test('a missing status row is reported as schema_outdated', async () => {
    const other = await createTestDatabase(1);
    await other.query('delete from email_monitor_status');
    await expect(readFirstMailbox(other, 'any')).rejects.toMatchObject({ code: 'schema_outdated' });
    await other.close();
  });

  test('mailboxes are listed oldest first', async () => {
    const ids = [await insertMailbox(db), await insertMailbox(db)];
    const listed = (await listMailboxes(db)).map((mailbox) => mailbox.id);
    expect(listed.filter((id) => ids.includes(id))).toEqual(ids);
  });
});

describe('scheduled poll', () => {
  test.each([
    ['the interval is over', "next_poll_at = now() - interval '1 second'"],
    ['the mailbox was never polled, or its last listing was cut', 'next_poll_at = null'],
    [
      'a push has announced history that no complete listing has reached',
      "hint_history_id = 101, hint_at = now() - interval '1 hour'",
    ],
    [
      'a fresh hint names a record that has not been listed',
      'hint_history_id = 100, hint_at = now(), shown_history_id = 99',
    ],
    ['a backoff is over', "failure_count = 3, next_poll_at = now() - interval '1 second'"],
  ])('a scheduled poll is due when %s', async (_, set) => {
    const lease = await quietMailbox();
    await changeMailbox(db, lease, set);
    expect(await read(lease)).toMatchObject({ isPollDue: true, isPushDue: true });
  });

  test.each([
    ['there is no work', 'pushed_at = now()'],
    ['the hint was listed', 'hint_history_id = 100, hint_at = now()'],
    [
      'Gmail does not show the record of a hint after ten seconds',
      "hint_history_id = 100, hint_at = now() - interval '11 seconds', shown_history_id = 99",
    ],
    [
      'a backoff is not over, despite a newer hint',
      "failure_count = 1, next_poll_at = now() + interval '1 minute', hint_history_id = 101, hint_at = now()",
    ],
  ])('a scheduled poll is not due when %s', async (_, set) => {
    const lease = await quietMailbox();
    await changeMailbox(db, lease, set);
    expect((await read(lease)).isPollDue).toBe(false);
  });

  test.each([
    ['was never tried', 'priority = 1', true],
    ['failed and is due', 'last_attempt_at = now()', true],
    ['failed and waits', "last_attempt_at = now(), next_attempt_at = now() + interval '1 minute'", false],
    ['may have crashed a process', 'is_crash_suspect = true', true],
    [
      'may have crashed a process and waits for its daily retry',
      "is_crash_suspect = true, state = 'dead', last_attempt_at = now(), next_attempt_at = now() + interval '1 day'",
      false,
    ],
    [
      'crashed a process for 14 days',
      "is_crash_suspect = true, state = 'dead', last_attempt_at = now(), next_attempt_at = null",
      false,
    ],
    ['is dead and due for its daily retry', "state = 'dead', last_attempt_at = now()", true],
    ['is dead and was given up', "state = 'dead', last_attempt_at = now(), given_up_at = now()", false],
    ['is stored', "state = 'stored', resolved_at = now()", false],
  ])('a message that %s (%s) makes a scheduled poll due: %j', async (_, set, isDue) => {
    const lease = await quietMailbox();
    await addLiveMessages(db, lease, 'a');
    await changeMessages(db, lease, set);
    expect((await read(lease)).isPollDue).toBe(isDue);
  });

  test('a scheduled poll is due when a run ended with an open claim', async () => {
    const lease = await quietMailbox();
    await changeMailbox(
      db,
      lease,
      `lease_token = '${lease.token}', lease_expires_at = now() + interval '1 minute'`,
    );
    await addLiveMessages(db, lease, 'a');
    await claimUntried(db, lease, { priority: PRIORITY.live, limit: 1 });
    expect((await read(lease)).isPollDue).toBe(true);
  });

  test.each([
    ['can be continued', 'now()', 'null', true],
    ['waits', "now() + interval '1 hour'", 'null', false],
    ['is finished', 'now()', 'now()', false],
  ])('a scheduled poll considers whether a list job %s', async (_, notBefore, finishedAt, isDue) => {
    const lease = await quietMailbox();
    await db.query(
      `insert into list_jobs (mailbox_id, purpose, query, not_before, finished_at)
       values ($1, 'backfill', '', ${notBefore}, ${finishedAt})`,
      [lease.mailboxId],
    );
    expect((await read(lease)).isPollDue).toBe(isDue);
  });

  test('a scheduled poll waits for the end of a backoff, despite pending work', async () => {
    const lease = await quietMailbox();
    await addLiveMessages(db, lease, 'a');
    await db.query("insert into list_jobs (mailbox_id, purpose, query) values ($1, 'gap', '')", [
      lease.mailboxId,
    ]);
    expect((await read(lease)).isPollDue).toBe(true);
    await changeMailbox(db, lease, "failure_count = 1, next_poll_at = now() + interval '5 seconds'");
    expect(await read(lease)).toMatchObject({ isPollDue: false, isPushDue: false });
  });

  test('a scheduled poll of one mailbox does not depend on work of another', async () => {
    const [lease, other] = [await quietMailbox(), await quietMailbox()];
    await addLiveMessages(db, other, 'a');
    await hint(db, other, '500');
    expect((await read(lease)).isPollDue).toBe(false);
    expect((await read(other)).isPollDue).toBe(true);
  });
});

describe('backoff', () => {
  const backingOff = "failure_count = 1, next_poll_at = now() + interval '1 minute'";

  test.each([
    ['yields to a newer hint when the last run began more than ten seconds ago', '101', '11 seconds', true],
    ['delays a newer hint when the last run began within ten seconds', '101', '1 second', false],
    ['delays a hint that was listed', '100', '11 seconds', false],
  ])('a backoff %s', async (_, historyId, ago, isPushDue) => {
    const lease = await quietMailbox();
    await hint(db, lease, historyId);
    await changeMailbox(db, lease, `${backingOff}, last_run_at = now() - interval '${ago}'`);
    expect(await read(lease)).toMatchObject({ isPushDue, isPollDue: false });
  });

  test('a newer hint may ignore the backoff before the first run', async () => {
    const lease = await quietMailbox();
    await hint(db, lease, '101');
    await changeMailbox(db, lease, `${backingOff}, last_run_at = null`);
    expect((await read(lease)).isPushDue).toBe(true);
  });
});

describe('recordHint', () => {
  test('a first or newer hint is the newest, even beyond 2^53', async () => {
    const lease = await quietMailbox();
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
      const lease = await quietMailbox();
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
    const lease = await quietMailbox();
    await changeMailbox(db, lease, 'listed_history_id = 120, shown_history_id = 110');
    expect(await hint(db, lease, '105')).toMatchObject({ isUnseen: false });
    expect(await hint(db, lease, '115')).toMatchObject({ isNewest: true, isUnseen: true });
    await changeMailbox(db, lease, 'shown_history_id = 115');
    expect(await hint(db, lease, '115')).toMatchObject({ isNewest: false, isUnseen: false });
    expect(await hint(db, lease, '121')).toMatchObject({ isUnseen: true });
  });

  test('a hint is stored for an address in any letter case, but not for an unknown address', async () => {
    const lease = await quietMailbox();
    const { email_address: emailAddress } = await mailboxRow(db, lease);
    const pushed = { emailAddress: emailAddress.toUpperCase(), historyId: '120' };
    expect(await recordHint(db, pushed)).toMatchObject({ mailboxId: lease.mailboxId });
    expect(await recordHint(db, { ...pushed, emailAddress: 'unknown@example.com' })).toBeNull();
  });

  test('readHintState reports a hint as newest until a newer one is stored', async () => {
    const lease = await quietMailbox();
    const { mailboxId } = lease;
    expect(await readHintState(db, mailboxId, '120')).toMatchObject({ isNewest: true });
    await hint(db, lease, '120');
    expect(await readHintState(db, mailboxId, '120')).toMatchObject({ isNewest: true });
    expect(await readHintState(db, mailboxId, '119')).toMatchObject({ isNewest: false });
    expect(await readHintState(db, leaseOf(0).mailboxId, '120')).toMatchObject({ isNewest: false });
  });

  test('concurrent pushes store the newest hint and report it as the newest', async () => {
    const lease = await quietMailbox();
    const recorded = await Promise.all(
      Array.from({ length: 16 }, async (_, n) => await hint(db, lease, `${200 + ((n * 5) % 16)}`)),
    );
    expect((await mailboxRow(db, lease)).hint_history_id).toBe('215');
    // The fourth push announced 215.
    expect(recorded[3]).toMatchObject({ isNewest: true });
  });

  test('a hint is stored while a long transaction holds the key share lock of the mailbox, as a store does', async () => {
    const lease = await quietMailbox();
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
