/** What `status` reports about consumers, after real calls of their workers. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { passTime, requeue, storeEmails, workerOf } from '../../helpers/email-queue.ts';
import { type StatusFixture, statusFixture } from '../../helpers/status-fixture.ts';

let fixture: StatusFixture;
beforeAll(async () => {
  fixture = await statusFixture();
  await fixture.turnOn();
  await fixture.mailbox();
});
afterAll(async () => await fixture.close());
beforeEach(async () => {
  await fixture.db.query('delete from consumers');
  await fixture.db.query('delete from incoming_emails');
});

async function fail(consumer: string, id: number, error: string): Promise<void> {
  for (let n = 1; n <= 5; n += 1) {
    await workerOf(fixture.db, consumer).claim();
    await workerOf(fixture.db, consumer).fail(id, error, '0');
  }
}

describe('the consumers of status', () => {
  it('are empty before the first claim', async () => {
    await storeEmails(fixture.db, 1);
    expect(await fixture.status()).toMatchObject({ consumers: [], advice: [] });
  });

  it('have their counts, the oldest email that is not completed, and dead emails with error and time', async () => {
    const ids = await storeEmails(fixture.db, 4);
    const [dead = 0, claimed = 0] = ids;
    await fail('extraction', dead, 'no total');
    await workerOf(fixture.db, 'extraction').claim();
    await workerOf(fixture.db, 'archive').claim(4);
    for (const id of ids) await workerOf(fixture.db, 'archive').complete(id);
    // The second claim finds that no older email is left.
    await workerOf(fixture.db, 'archive').claim();
    await fixture.db.query(
      "update email_queue set queued_at = '2026-11-20T08:00:00Z' where consumer = 'extraction' and email_id = $1",
      [claimed],
    );
    const before = Date.now();
    const { consumers, state } = await fixture.status();
    expect(state).toBe('watching');
    expect(consumers).toEqual([
      {
        name: 'archive',
        waiting_count: 0,
        claimed_count: 0,
        dead_count: 0,
        capped_counts: [],
        oldest_queued_at: null,
        is_adding_older: false,
        dead_emails: [],
      },
      {
        name: 'extraction',
        waiting_count: 2,
        claimed_count: 1,
        dead_count: 1,
        capped_counts: [],
        oldest_queued_at: '2026-11-20T08:00:00.000Z',
        is_adding_older: false,
        dead_emails: [{ email_id: dead, error: 'no total', failed_at: expect.any(String) }],
      },
    ]);
    const failedAt = Date.parse(consumers[1]?.dead_emails[0]?.failed_at ?? '');
    expect(Math.abs(failedAt - before)).toBeLessThan(60_000);
  });

  it('report that an email died with its last claim, and an error of 500 characters at most', async () => {
    const [id = 0] = await storeEmails(fixture.db, 1);
    for (let n = 1; n <= 5; n += 1) {
      await workerOf(fixture.db, 'extraction', `worker-${n}`).claim();
      await passTime(fixture.db, 'extraction', id);
    }
    await workerOf(fixture.db, 'extraction', 'last').claim();
    expect((await fixture.status()).consumers[0]?.dead_emails).toMatchObject([
      { error: 'The claim of the worker worker-5 expired.' },
    ]);
    await requeue(fixture.db, 'extraction', id);
    await fail('extraction', id, 'x'.repeat(501));
    expect((await fixture.status()).consumers[0]?.dead_emails).toMatchObject([{ error: 'x'.repeat(500) }]);
  });

  it('list the five dead emails that were stored last', async () => {
    const ids = await storeEmails(fixture.db, 6);
    await workerOf(fixture.db, 'extraction').claim(6);
    await fixture.db.query("update email_queue set state = 'dead'");
    const { consumers } = await fixture.status();
    expect(consumers[0]?.dead_emails.map((dead) => dead.email_id)).toEqual(ids.toReversed().slice(0, 5));
  });

  it('mark a count that stopped at 10,000, and say while older emails are being queued', async () => {
    const [id = 0] = await storeEmails(fixture.db, 1);
    await fixture.db.query(
      `insert into incoming_emails (mailbox_id, gmail_message_id, received_at, size_bytes, attachment_count, parser_version)
       select mailbox_id, 'copy-' || n, received_at, 1, 0, 1
       from incoming_emails, generate_series(1, 12000) n`,
    );
    const { claim } = workerOf(fixture.db, 'extraction');
    expect(await claim()).toEqual([id]);
    const consumer = async () => (await fixture.status()).consumers[0];
    expect(await consumer()).toMatchObject({
      waiting_count: 4_999,
      capped_counts: [],
      is_adding_older: true,
    });
    await claim();
    await claim();
    expect(await consumer()).toMatchObject({
      waiting_count: 10_000,
      capped_counts: ['waiting_count'],
      is_adding_older: false,
    });
  });
});
