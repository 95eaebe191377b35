/** What `status` reports about objects of the bucket that no run deletes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type StatusFixture, statusFixture } from '../../helpers/status-fixture.ts';

let fixture: StatusFixture;
beforeEach(async () => {
  fixture = await statusFixture();
  await fixture.turnOn();
  await fixture.mailbox();
});
afterEach(async () => await fixture.close());

const add = async (name: string, reserved: string, hoursAgo: number) =>
  await fixture.db.query(
    `insert into bucket_objects (name, reserved_at, added_at)
     values ($1, ${reserved}, date_trunc('second', now()) - $2::integer * interval '1 hour')`,
    [name, hoursAgo],
  );

async function read() {
  const { advice_items: items, uncollected_objects: waiting } = await fixture.status();
  return { waiting, advice: items.filter(({ code }) => code === 'objects_uncollected') };
}

describe('objects of the bucket that no row needs', () => {
  it('are null when there is none, and when only stores of the last day have announced objects', async () => {
    expect((await read()).waiting).toBeNull();
    await add('a', 'now()', 0);
    expect(await read()).toEqual({ waiting: null, advice: [] });
  });

  it('are counted with the time since when the first waits, and without advice for a day', async () => {
    await add('a', "'-infinity'", 2);
    await add('a', "'-infinity'", 1);
    await add('b', "'-infinity'", 23);
    const { advice, waiting } = await read();
    expect([waiting?.count, advice]).toEqual([2, []]);
    expect(Date.now() - Date.parse(waiting?.since ?? '')).toBeGreaterThan(22.9 * 3_600_000);
  });

  it('are advised after a day, with the setting and the log event to check', async () => {
    await add('a', "'-infinity'", 25);
    const { advice, waiting } = await read();
    expect(advice).toMatchObject([
      {
        text: expect.stringMatching(/^1 object of the bucket waits to be deleted since .*ATTACHMENTS_BUCKET/),
      },
    ]);
    expect(advice[0]?.text).toContain(waiting?.since);
    await fixture.db.query('update email_monitor_status set is_running = false');
    expect((await read()).advice).toEqual([]);
  });

  it('include an upload that ended without a row, which waits from a day after its announcement', async () => {
    await add('a', "now() - interval '47 hours'", 47);
    expect((await read()).advice).toEqual([]);
    await add('b', "now() - interval '49 hours'", 49);
    expect((await read()).advice).toHaveLength(1);
  });

  it('are counted up to 1,000', async () => {
    await fixture.db.query(
      "insert into bucket_objects (name, reserved_at, added_at) select n::text, '-infinity', now() - interval '2 days' from generate_series(1, 1200) n",
    );
    const { advice, waiting } = await read();
    expect([waiting?.count, advice[0]?.text]).toEqual([
      1_000,
      expect.stringMatching(/^At least 1000 objects/),
    ]);
  });
});
