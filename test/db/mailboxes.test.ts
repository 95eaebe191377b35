import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimUntried } from '../../shared/db/claims.ts';
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
  fingerprintOf,
  hint,
  insertMailbox,
  mailboxRow,
  quietMailbox,
} from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());

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
    const lease = await quietMailbox(db);
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
    await quietMailbox(db);
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
    const lease = await quietMailbox(db);
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
    const lease = await quietMailbox(db);
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
    const lease = await quietMailbox(db);
    await addLiveMessages(db, lease, 'a');
    await changeMessages(db, lease, set);
    expect((await read(lease)).isPollDue).toBe(isDue);
  });

  test('a scheduled poll is due when a run ended with an open claim', async () => {
    const lease = await quietMailbox(db);
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
    const lease = await quietMailbox(db);
    await db.query(
      `insert into list_jobs (mailbox_id, purpose, query, not_before, finished_at)
       values ($1, 'backfill', '', ${notBefore}, ${finishedAt})`,
      [lease.mailboxId],
    );
    expect((await read(lease)).isPollDue).toBe(isDue);
  });

  test('a scheduled poll waits for the end of a backoff, despite pending work', async () => {
    const lease = await quietMailbox(db);
    await addLiveMessages(db, lease, 'a');
    await db.query("insert into list_jobs (mailbox_id, purpose, query) values ($1, 'gap', '')", [
      lease.mailboxId,
    ]);
    expect((await read(lease)).isPollDue).toBe(true);
    await changeMailbox(db, lease, "failure_count = 1, next_poll_at = now() + interval '5 seconds'");
    expect(await read(lease)).toMatchObject({ isPollDue: false, isPushDue: false });
  });

  test('a scheduled poll of one mailbox does not depend on work of another', async () => {
    const [lease, other] = [await quietMailbox(db), await quietMailbox(db)];
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
    const lease = await quietMailbox(db);
    await hint(db, lease, historyId);
    await changeMailbox(db, lease, `${backingOff}, last_run_at = now() - interval '${ago}'`);
    expect(await read(lease)).toMatchObject({ isPushDue, isPollDue: false });
  });

  test('a newer hint may ignore the backoff before the first run', async () => {
    const lease = await quietMailbox(db);
    await hint(db, lease, '101');
    await changeMailbox(db, lease, `${backingOff}, last_run_at = null`);
    expect((await read(lease)).isPushDue).toBe(true);
  });
});
