import { describe, expect, test } from 'vitest';
import { ageListings, insertListJob } from '../helpers/listing-rows.ts';
import { storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';
import { listJobs } from './scenario.ts';

const createTestSystem = useTestSystems();
const REJECTION = {
  kind: 'status',
  status: 400,
  reason: 'invalidArgument',
  method: 'messages.list',
  times: 1,
} as const;

describe('rejected listing', () => {
  test('a backfill that Gmail rejects fails one run and ends with the reason, and the next one is listed', async () => {
    const system = await createTestSystem();
    await system.ingest();
    const old = system.gmail.deliver(order(1), { labelIds: ['INBOX'] });
    // As if it had been there before the first start.
    await system.db.query('delete from email_ledger');
    await system.db.query('update mailboxes set cursor_history_id = $1', [system.gmail.historyId]);
    await insertListJob(system.db, 1, { purpose: 'backfill', query: 'rejected' });
    await insertListJob(system.db, 1, { purpose: 'backfill', query: 'in:inbox' });
    system.gmail.faults.add(REJECTION);
    expect(await system.ingest()).toMatchObject({
      outcome: 'failed',
      error: { code: 'gmail_refused', message: expect.stringContaining('(backfill): ') },
    });
    expect(await system.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(system)).toEqual([old.id]);
    expect(await listJobs(system, 'backfill')).toEqual([
      expect.objectContaining({ is_finished: true, error_code: 'gmail_refused' }),
      expect.objectContaining({ is_finished: true, error_code: null }),
    ]);
  });

  test('a first listing that Gmail rejects waits for an hour and is tried again', async () => {
    const system = await createTestSystem();
    const { id } = system.gmail.deliver(order(1));
    system.gmail.faults.add(REJECTION);
    expect(await system.ingest()).toMatchObject({ outcome: 'failed' });
    expect(await listJobs(system, 'initial')).toEqual([
      expect.objectContaining({ is_finished: false, error_code: 'gmail_refused' }),
    ]);
    await ageListings(system.db, { mailboxId: 1, token: '' }, 3_600);
    await system.ingest();
    expect(await storedIds(system)).toEqual([id]);
    expect(await listJobs(system, 'initial')).toEqual([
      expect.objectContaining({ is_finished: true, error_code: null }),
    ]);
  });

  test('while a rejected first listing waits for its retry, the state is catching_up and what waits is unknown', async () => {
    const system = await createTestSystem();
    await system.turnOn();
    system.gmail.deliver(order(1));
    system.gmail.faults.add(REJECTION);
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'failed' });
    await system.pass(10);
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'completed' });
    const [job] = await system.rows<{ created_at: Date }>('select created_at from list_jobs');
    expect((await system.call('status')).json).toMatchObject({
      state: 'catching_up',
      mailboxes: [{ waiting_count: null, unknown_since: job?.created_at.toISOString() }],
    });
  });

  test('a rejected first listing is retried with the query that is configured by then', async () => {
    const system = await createTestSystem();
    await system.turnOn();
    const { id } = system.gmail.deliver(order(1), { labelIds: ['INBOX'] });
    system.gmail.faults.add(REJECTION);
    await system.ingest({ trigger: 'schedule' });
    await system.pass(3_600);
    const corrected = system.instance({ GMAIL_INITIAL_QUERY: 'in:inbox' });
    expect(await corrected.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(system)).toEqual([id]);
    expect(await system.rows('select query, error_code from list_jobs')).toEqual([
      { query: 'in:inbox', error_code: null },
    ]);
    expect((await system.call('status')).json.state).toBe('watching');
  });

  test('a listing starts over when Gmail rejects only its page token', async () => {
    const system = await createTestSystem();
    await system.ingest();
    const { id } = system.gmail.deliver(order(1), { labelIds: ['INBOX'] });
    await system.db.query('delete from email_ledger');
    await system.db.query('update mailboxes set cursor_history_id = $1', [system.gmail.historyId]);
    await insertListJob(system.db, 1, { purpose: 'backfill', query: 'in:inbox' });
    await system.db.query("update list_jobs set page_token = 'outdated' where purpose = 'backfill'");
    system.gmail.faults.add(REJECTION);
    expect(await system.ingest()).toMatchObject({ outcome: 'completed' });
    expect(await storedIds(system)).toEqual([id]);
    expect(await listJobs(system, 'backfill')).toEqual([
      expect.objectContaining({ is_finished: true, error_code: null, restart_count: 1 }),
    ]);
  });
});
