/** What `status` reports about retention, after real calls of it. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eraseExpiredEmails } from '../../../shared/db/retention.ts';
import { storeEmails, workerOf } from '../../helpers/email-queue.ts';
import {
  endPass,
  eraseExpired,
  setProcessed,
  startOver,
  storedEmailIds,
  storeExpired,
} from '../../helpers/expired-emails.ts';
import { type StatusFixture, statusFixture } from '../../helpers/status-fixture.ts';

let fixture: StatusFixture;
beforeAll(async () => {
  fixture = await statusFixture();
  await fixture.turnOn();
  await fixture.mailbox();
});
afterAll(async () => await fixture.close());
beforeEach(async () => await startOver(fixture.db));

const status = async (days = '30') => await fixture.status({ RETENTION_DAYS: days });

async function advice(days?: string): Promise<string[]> {
  return (await status(days)).advice_items
    .filter(({ code }) => code.startsWith('retention_'))
    .map(({ text }) => text);
}

const NOTHING_YET = {
  days: 30,
  erased_count: 0,
  erased_at: null,
  checked_at: null,
  is_stalled: false,
  blocked: null,
  uncompleted: [],
  unpublished_count: 0,
};

describe('retention in status', () => {
  it('is null without RETENTION_DAYS', async () => {
    await storeExpired(fixture.db, 1);
    expect((await fixture.status()).retention).toBeNull();
  });

  it('has the days and no times before the first erasure, and no advice', async () => {
    expect((await status()).retention).toEqual(NOTHING_YET);
    expect(await advice()).toEqual([]);
  });

  it('counts erased emails over all days', async () => {
    await setProcessed(fixture.db, await storeExpired(fixture.db, 2));
    await eraseExpired(fixture.db);
    await fixture.db.query("update erasures set started_at = started_at - interval '1 day'");
    await setProcessed(fixture.db, await storeExpired(fixture.db, 1));
    await eraseExpired(fixture.db);
    expect((await status()).retention).toEqual({
      ...NOTHING_YET,
      erased_count: 3,
      erased_at: expect.any(String),
      checked_at: expect.any(String),
    });
    expect(await advice()).toEqual([]);
  });

  it('names each consumer that has not completed expired emails, dead and not yet queued ones included', async () => {
    const { db } = fixture;
    await workerOf(db, 'archive').claim();
    await workerOf(db, 'extraction').claim();
    const [, dead = 0, third = 0] = await storeExpired(db, 3);
    const archive = workerOf(db, 'archive');
    await archive.claim(3);
    await archive.complete(third);
    await db.query("update email_queue set state = 'dead' where email_id = $1 and consumer = 'archive'", [
      dead,
    ]);
    await db.query("delete from email_queue where consumer = 'extraction'");
    await db.query("insert into consumers (name) values ('billing')");
    await eraseExpired(db);
    expect((await status()).retention?.uncompleted).toEqual([
      { consumer: 'archive', count: 2 },
      { consumer: 'billing', count: 3 },
    ]);
    expect(await advice()).toEqual([
      '2 emails older than the 30 days of RETENTION_DAYS are kept, because the consumer archive has not completed them.',
      '3 emails older than the 30 days of RETENTION_DAYS are kept, because the consumer billing has not completed them.',
    ]);
  });

  it('says without consumers that processed is false', async () => {
    await storeExpired(fixture.db, 1);
    await eraseExpired(fixture.db);
    expect((await status()).retention?.uncompleted).toEqual([{ consumer: null, count: 1 }]);
    expect(await advice()).toEqual([
      '1 email older than the 30 days of RETENTION_DAYS is kept, because there is no consumer and `processed` is false.',
    ]);
  });

  it('counts completed emails that are kept because they are not published, and no email that has not expired', async () => {
    const { db } = fixture;
    const expired = await storeExpired(db, 3);
    const ids = [...expired, ...(await storeEmails(db, 1))];
    await setProcessed(db, ids);
    await db.query(
      `insert into email_outbox (mailbox_id, email_id)
       select mailbox_id, id from incoming_emails where id = any ($1::integer[])`,
      [ids.slice(1)],
    );
    await eraseExpired(db);
    expect(await storedEmailIds(db)).toEqual(ids.slice(1));
    expect((await status()).retention).toMatchObject({
      erased_count: 1,
      uncompleted: [],
      unpublished_count: 2,
    });
    expect(await advice()).toEqual([
      '2 emails older than the 30 days of RETENTION_DAYS are kept, because their messages on the topic for stored emails are not published.',
    ]);
    await db.query('delete from email_outbox where email_id = $1', [expired[1]]);
    expect((await advice())[0]).toMatch(
      /^1 email older .* is kept, because its message on the topic .* is not published\.$/,
    );
    await db.query('delete from email_outbox');
    expect((await status()).retention?.unpublished_count).toBe(0);
  });

  it('uses the singular for one day', async () => {
    await storeExpired(fixture.db, 1);
    await eraseExpiredEmails(fixture.db, 1);
    expect(await advice('1')).toEqual([
      expect.stringMatching(/^1 email older than the 1 day of RETENTION_DAYS is kept/),
    ]);
  });

  it('says that there are at least as many as it counts', async () => {
    await storeExpired(fixture.db, 1);
    await fixture.db.query(
      `insert into incoming_emails (
         mailbox_id, gmail_message_id, received_at, created_at, size_bytes, attachment_count, parser_version)
       select mailbox_id, 'copy-' || n, received_at, created_at, 1, 0, 1
       from incoming_emails, generate_series(1, 1200) n`,
    );
    await eraseExpired(fixture.db);
    await eraseExpired(fixture.db);
    expect((await advice())[0]).toMatch(/^At least 1000 emails older than/);
  });

  it('names the foreign key that blocks an erasure', async () => {
    const { db } = fixture;
    const [id] = await storeExpired(db, 1);
    await setProcessed(db, [id ?? 0]);
    await db.query(
      'create table lines (email_id integer constraint line_of_email references incoming_emails)',
    );
    await db.query('insert into lines values ($1)', [id]);
    await eraseExpired(db);
    expect((await status()).retention?.blocked).toEqual({
      count: 1,
      reason: 'the constraint line_of_email of the table public.lines',
    });
    expect(await advice()).toEqual([
      expect.stringMatching(
        /^1 email cannot be erased after 30 days, because of the constraint line_of_email/,
      ),
    ]);
    await db.query('drop table lines');
    await endPass(db);
    await eraseExpired(db);
    expect((await status()).retention?.blocked).toBeNull();
  });

  it('is stalled when an email expired more than a day ago and no run has examined it for a day', async () => {
    const { db } = fixture;
    await setProcessed(db, await storeExpired(db, 1));
    await db.query("update incoming_emails set created_at = created_at - interval '1 hour'");
    expect(await advice()).toEqual([
      expect.stringMatching(/^No run has erased expired emails yet, although/),
    ]);
    const checked = async (age: string) =>
      await db.query('update retention_progress set days = 30, checked_at = now() - $1::interval', [age]);
    await checked('23 hours');
    expect(await advice()).toEqual([]);
    await checked('25 hours');
    expect(await advice()).toEqual([expect.stringMatching(/^No run has erased expired emails since 20/)]);
    await eraseExpired(db);
    expect(await advice()).toEqual([]);
  });
});
