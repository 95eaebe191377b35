/** Which added mailboxes a poll finds, compared with `is_poll_due`, and its plan with thousands of idle ones. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { declaredStatements } from '../../shared/db/statement.ts';
import { findPollWork, listActiveMailboxes, listDueMailboxes } from '../../shared/mailboxes/due-mailboxes.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await createTestDatabase();
});
afterEach(async () => await db.close());

/** Mailboxes that are idle: their next poll is in an hour. */
async function addMailboxes(count: number): Promise<void> {
  await db.query(
    `with added as (
       insert into mailboxes (email_address, cursor_history_id, credential_fingerprint, next_poll_at, last_run_at,
                              hint_history_id, listed_history_id, shown_history_id)
       select 'box-' || n || '@example.com', 100, 'fingerprint ' || n, now() + interval '1 hour',
              now() - n * interval '1 second', 100, 100, 100
       from generate_series(1, $1::integer) n
       returning id, email_address
     )
     insert into mailbox_settings (email_address, mailbox_id, access, secret_name)
     select email_address, id, 'refresh_token', 'secret of ' || email_address
     from added`,
    [count],
  );
}

async function due(): Promise<string[]> {
  return (await listDueMailboxes(db)).map(({ emailAddress }) => emailAddress);
}

const change = async (number: number, set: string) =>
  await db.query(`update mailboxes set ${set} where email_address = 'box-${number}@example.com'`);

const addMessage = async (number: number, columns: string, values: string) =>
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, priority, ${columns})
     select id, 'm', 'history', 0, ${values}
     from mailboxes
     where email_address = 'box-${number}@example.com'`,
  );

test('an idle mailbox is not due', async () => {
  await addMailboxes(3);
  expect(await due()).toEqual([]);
});

describe('is due', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['when its next poll is', async () => await change(2, 'next_poll_at = now()')],
    ['when no next poll is planned', async () => await change(2, 'next_poll_at = null')],
    [
      'when a push announced something',
      async () => await change(2, 'hint_history_id = 101, hint_at = now()'),
    ],
    ['with an untried message', async () => await addMessage(2, 'state', "'pending'")],
    [
      'with a dead message whose next attempt is due',
      async () => await addMessage(2, 'state, last_attempt_at, next_attempt_at', "'dead', now(), now()"),
    ],
    [
      'with a planned listing',
      async () =>
        await db.query(
          `insert into list_jobs (mailbox_id, purpose, query)
           select id, 'backfill', 'x' from mailboxes where email_address = 'box-2@example.com'`,
        ),
    ],
    [
      'before it is identified',
      async () =>
        await db.query(
          "update mailbox_settings set mailbox_id = null where email_address = 'box-2@example.com'",
        ),
    ],
  ])('a mailbox is due %s', async (_case, make) => {
    await addMailboxes(3);
    await make();
    expect(await due()).toEqual(['box-2@example.com']);
  });
});

describe('is not due', () => {
  test.each([
    ['paused', "update mailbox_settings set is_paused = true where email_address = 'box-2@example.com'"],
    ['worked on', "update mailboxes set lease_expires_at = now() + interval '1 minute'"],
    ['backing off', "update mailboxes set failure_count = 1, next_poll_at = now() + interval '1 minute'"],
    [
      'waiting for its next attempt to be identified',
      `update mailbox_settings set mailbox_id = null, next_attempt_at = now() + interval '1 minute'
       where email_address = 'box-2@example.com'`,
    ],
    [
      'the first one',
      "update mailbox_settings set access = 'environment', secret_name = null where email_address = 'box-2@example.com'",
    ],
  ])('a mailbox is not due while it is %s', async (_case, sql) => {
    await addMailboxes(2);
    await change(2, 'next_poll_at = null, hint_history_id = 101, hint_at = now()');
    await addMessage(2, 'state', "'pending'");
    expect(await due()).toEqual(['box-2@example.com']);
    await db.query(sql);
    expect(await due()).toEqual([]);
  });
});

describe('unpublished emails', () => {
  const due = 'update mailboxes set next_poll_at = null';
  const paused = 'update mailbox_settings set is_paused = true';

  test.each<[string, string, { readonly isManual: boolean; readonly isFound: boolean }]>([
    ['is not due', '', { isManual: false, isFound: true }],
    ['is due', due, { isManual: false, isFound: false }],
    ['is due and paused', `${due}; ${paused}`, { isManual: false, isFound: true }],
    [
      'is due while the monitor is stopped',
      `${due}; update email_monitor_status set is_running = false`,
      { isManual: false, isFound: true },
    ],
    ['is removed', 'delete from mailbox_settings', { isManual: true, isFound: true }],
    [
      'is due and belonged to other credentials of the environment',
      `${due}; update mailbox_settings set access = 'environment', secret_name = null`,
      { isManual: false, isFound: true },
    ],
    [
      'is due and belongs to the credentials of the environment',
      `${due}; update mailbox_settings set access = 'environment', secret_name = null;
       update mailboxes set credential_fingerprint = 'fingerprint of the first' where email_address = 'box-2@example.com'`,
      { isManual: false, isFound: false },
    ],
    [
      'has a holder of its lease',
      "update mailboxes set lease_expires_at = now() + interval '1 minute'",
      { isManual: false, isFound: false },
    ],
    ['runs because an operator asked for it', '', { isManual: true, isFound: false }],
    ['is paused while an operator asks for runs', paused, { isManual: true, isFound: true }],
  ])('of a mailbox that %s', async (_, change, { isManual, isFound }) => {
    await addMailboxes(3);
    await db.query('update email_monitor_status set is_running = true');
    await db.query(
      `with email as (
         insert into incoming_emails (gmail_message_id, mailbox_id, received_at, size_bytes, attachment_count, parser_version)
         select 'm', id, now(), 1, 0, 1 from mailboxes where email_address = 'box-2@example.com'
         returning id, mailbox_id
       )
       insert into email_outbox (mailbox_id, email_id) select mailbox_id, id from email`,
    );
    if (change !== '') await db.query(change);
    const { rows } = await db.query<{ id: number }>(
      "select id from mailboxes where email_address = 'box-2@example.com'",
    );
    const { unpublishedIds } = await findPollWork(db, 'fingerprint of the first', isManual);
    expect(unpublishedIds).toEqual(isFound ? rows.map(({ id }) => id) : []);
  });
});

test('the longest waiting mailbox is first, and paused ones are not active', async () => {
  await addMailboxes(3);
  await db.query('update mailboxes set next_poll_at = null');
  expect(await due()).toEqual(['box-3@example.com', 'box-2@example.com', 'box-1@example.com']);
  await db.query("update mailbox_settings set is_paused = true where email_address = 'box-3@example.com'");
  const active = await listActiveMailboxes(db);
  expect(active.map(({ emailAddress }) => emailAddress)).toEqual(['box-2@example.com', 'box-1@example.com']);
});

test('agrees with is_poll_due in 500 random states', async () => {
  await addMailboxes(500);
  await db.query('select setseed(0.5)');
  await db.query(
    `update mailboxes
     set failure_count = case when random() < 0.3 then 1 else 0 end,
         next_poll_at = case when random() < 0.2 then null else now() + (floor(random() * 4) - 0.5) * interval '1 hour' end,
         hint_history_id = case when random() < 0.3 then null else 100 + floor(random() * 3) end,
         listed_history_id = case when random() < 0.2 then null else 100 + floor(random() * 3) end,
         shown_history_id = case when random() < 0.2 then null else 100 + floor(random() * 3) end,
         hint_at = now() - floor(random() * 2) * interval '1 minute'`,
  );
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, priority, state, last_attempt_at, next_attempt_at,
                               given_up_at)
     select id, 'm' || n, 'history', floor(random() * 2), (array['pending', 'dead', 'stored'])[1 + floor(random() * 3)],
            now(), now() + (floor(random() * 2) - 0.5) * interval '1 hour', case when random() < 0.2 then now() end
     from mailboxes, generate_series(1, 2) n
     where random() < 0.3`,
  );
  await db.query(
    `insert into list_jobs (mailbox_id, purpose, query, not_before)
     select id, 'backfill', 'x', now() + (floor(random() * 2) - 0.5) * interval '1 hour'
     from mailboxes
     where random() < 0.2`,
  );
  const { rows } = await db.query<{ email_address: string }>(
    'select email_address from mailboxes m where is_poll_due(m) order by email_address',
  );
  const expected = rows.map((row) => row.email_address);
  expect(expected.length).toBeGreaterThan(100);
  expect(expected.length).toBeLessThan(450);
  expect((await due()).sort()).toEqual(expected.sort());
});

test('reads 10,000 idle mailboxes once, and probes no ledger for them', async () => {
  await addMailboxes(10_000);
  // One mailbox has a backlog of 20,000 messages.
  await db.query(
    `insert into email_ledger (mailbox_id, gmail_message_id, source, priority, state)
     select (select max(id) from mailboxes), 'm' || n, 'history', 1, 'pending' from generate_series(1, 20000) n`,
  );
  await db.query('analyze mailboxes, mailbox_settings, email_ledger, list_jobs, email_outbox');
  expect(await due()).toEqual(['box-10000@example.com']);
  const text =
    [...declaredStatements.values()].find((one) => one.text.includes('with recursive pending'))?.text ?? '';
  const { rows } = await db.query<{ 'QUERY PLAN': string }>(
    `explain (analyze, buffers off, timing off) ${text}`,
  );
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  if (process.env['SHOW_PLAN']) process.stderr.write(`${plan}\n`);
  expect(plan).not.toContain('Seq Scan on email_ledger');
  for (const [, actual, loops] of plan.matchAll(/email_ledger.*rows=([\d.]+) loops=(\d+)\)/g)) {
    expect(Number(actual) * Number(loops)).toBeLessThan(10);
  }
});
