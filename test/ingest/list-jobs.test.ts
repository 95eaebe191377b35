import { describe, expect, test } from 'vitest';
import { ageListings, insertListJob } from '../helpers/listing-rows.ts';
import { order } from '../helpers/mails.ts';
import { storedIds } from '../helpers/stored.ts';
import type { World } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();
const REJECTION = {
  kind: 'status',
  status: 400,
  reason: 'invalidArgument',
  method: 'messages.list',
  times: 1,
} as const;

async function jobs(world: World, purpose: string) {
  return await world.rows(
    `select purpose, finished_at is not null as is_finished, error_code, restart_count
     from list_jobs
     where purpose = $1
     order by id`,
    [purpose],
  );
}

describe('a listing whose query Gmail rejects', () => {
  test('fails one run and ends with its reason, and the next listing is made', async () => {
    const world = await createWorld();
    await world.ingest();
    const old = world.gmail.deliver(order(1), { labelIds: ['INBOX'] });
    // As if it had been there before the first start.
    await world.db.query('delete from email_ledger');
    await world.db.query('update mailboxes set cursor_history_id = $1', [world.gmail.historyId]);
    await insertListJob(world.db, 1, { purpose: 'backfill', query: 'rejected' });
    await insertListJob(world.db, 1, { purpose: 'backfill', query: 'in:inbox' });
    world.gmail.faults.add(REJECTION);
    expect(await world.ingest()).toMatchObject({
      outcome: 'failed',
      error: { code: 'gmail_refused', message: expect.stringContaining('(backfill): ') },
    });
    expect(await world.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(world)).toEqual([old.id]);
    expect(await jobs(world, 'backfill')).toEqual([
      expect.objectContaining({ is_finished: true, error_code: 'gmail_refused' }),
      expect.objectContaining({ is_finished: true, error_code: null }),
    ]);
  });

  test('waits for an hour and is tried again when the system needs it', async () => {
    const world = await createWorld();
    const { id } = world.gmail.deliver(order(1));
    world.gmail.faults.add(REJECTION);
    expect(await world.ingest()).toMatchObject({ outcome: 'failed' });
    expect(await jobs(world, 'initial')).toEqual([
      expect.objectContaining({ is_finished: false, error_code: 'gmail_refused' }),
    ]);
    await ageListings(world.db, { mailboxId: 1, token: '' }, 3_600);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    expect(await jobs(world, 'initial')).toEqual([
      expect.objectContaining({ is_finished: true, error_code: null }),
    ]);
  });

  test('begins again when only its page token is rejected', async () => {
    const world = await createWorld();
    await world.ingest();
    const { id } = world.gmail.deliver(order(1), { labelIds: ['INBOX'] });
    await world.db.query('delete from email_ledger');
    await world.db.query('update mailboxes set cursor_history_id = $1', [world.gmail.historyId]);
    await insertListJob(world.db, 1, { purpose: 'backfill', query: 'in:inbox' });
    await world.db.query("update list_jobs set page_token = 'outdated' where purpose = 'backfill'");
    world.gmail.faults.add(REJECTION);
    expect(await world.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(world)).toEqual([id]);
    expect(await jobs(world, 'backfill')).toEqual([
      expect.objectContaining({ is_finished: true, error_code: null, restart_count: 1 }),
    ]);
  });
});

describe('the first listing', () => {
  test('runs again after the settle time, so that what Gmail listed late is stored', async () => {
    const world = await createWorld({ env: { GMAIL_SETTLE_SECONDS: '90' } });
    Object.assign(world.gmail.indexLag, { listMs: 30_000 });
    const { id } = world.gmail.deliver(order(1));
    await world.ingest();
    expect(await storedIds(world)).toEqual([]);
    await world.pass(91);
    await world.ingest();
    expect(await storedIds(world)).toEqual([id]);
    expect(await jobs(world, 'initial')).toEqual([expect.objectContaining({ is_finished: true })]);
    expect(await world.rows("select 1 from incidents where kind = 'missing_found'")).toEqual([]);
  });
});
