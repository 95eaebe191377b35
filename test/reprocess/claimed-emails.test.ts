/** What `reprocess` does with emails that a worker of a consumer has claimed. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ALL_EMAILS } from '../../shared/reprocess/raw-emails.ts';
import { type ReprocessMode, reprocess } from '../../shared/reprocess/reprocess-emails.ts';
import { passTime, sqlStateOf, storeEmails, workerOf } from '../helpers/email-queue.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

const APPLY = { applies: true, resetsProcessed: false } as const;

let db: TestDatabase;
let id: number;
beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(async () => await db.close());
/** One email whose stored subject differs from its raw bytes. */
beforeEach(async () => {
  await db.query('delete from incoming_emails');
  await db.query('delete from consumers');
  [id = 0] = await storeEmails(db, 1);
  await db.query("update incoming_emails set subject = 'wrong', parser_version = 0");
});

async function kinds(mode: ReprocessMode): Promise<string[]> {
  const found: string[] = [];
  for await (const { result } of reprocess({ db, largeBytes: null }, ALL_EMAILS, mode))
    found.push(result.kind);
  return found;
}

async function stored() {
  const { rows } = await db.query<Record<string, unknown>>(
    'select subject, parser_version, updated_at, processed from incoming_emails where id = $1',
    [id],
  );
  return rows[0];
}

describe('reprocess', () => {
  it('passes over an email that a worker has claimed, and changes nothing of it', async () => {
    expect(await workerOf(db, 'extraction').claim()).toEqual([id]);
    const before = await stored();
    expect(await kinds({ applies: true, resetsProcessed: true })).toEqual(['in_use']);
    expect(await kinds({ applies: false })).toEqual(['in_use']);
    expect(await stored()).toEqual(before);
  });

  it('passes over an email that only one of several consumers has claimed', async () => {
    await workerOf(db, 'archive').claim();
    await workerOf(db, 'archive').complete(id);
    await workerOf(db, 'extraction').claim();
    await workerOf(db, 'extraction').release(id);
    await workerOf(db, 'statistics').claim();
    expect(await kinds(APPLY)).toEqual(['in_use']);
  });

  it('rebuilds an email whose claim has expired, was given back, or is completed', async () => {
    const worker = workerOf(db, 'extraction');
    await worker.claim();
    await passTime(db, 'extraction', id);
    expect(await kinds(APPLY)).toEqual(['changed']);
    await worker.claim();
    expect(await kinds(APPLY)).toEqual(['in_use']);
    await worker.release(id);
    expect(await kinds(APPLY)).toEqual(['same']);
    await worker.claim();
    await worker.complete(id);
    expect(await kinds(APPLY)).toEqual(['same']);
  });

  it('refuses the late call of a worker that has read the former values, and its email is claimed again', async () => {
    const worker = workerOf(db, 'extraction');
    await worker.claim();
    await passTime(db, 'extraction', id);
    expect(await kinds(APPLY)).toEqual(['changed']);
    expect(await sqlStateOf(worker.complete(id))).toBe('QE002');
    expect(await stored()).toMatchObject({ processed: false });
    expect(await workerOf(db, 'extraction', 'b').claim()).toEqual([id]);
  });

  it('accepts the late call of a worker when nothing has changed', async () => {
    expect(await kinds(APPLY)).toEqual(['changed']);
    const worker = workerOf(db, 'extraction');
    await worker.claim();
    await passTime(db, 'extraction', id);
    expect(await kinds(APPLY)).toEqual(['same']);
    await worker.complete(id);
    expect(await stored()).toMatchObject({ processed: true });
  });

  it('passes over an email that a worker is claiming in a transaction that has not ended', async () => {
    await workerOf(db, 'extraction').claim();
    await workerOf(db, 'extraction').release(id);
    await db.transaction(async (tx) => {
      expect(await workerOf(tx, 'extraction').claim()).toEqual([id]);
      expect(await kinds(APPLY)).toEqual(['in_use']);
    });
  });

  it('lets no worker claim an email in the middle of its change', async () => {
    await workerOf(db, 'extraction').claim();
    await workerOf(db, 'extraction').release(id);
    const { during, results } = await inTheMiddle(async () => await workerOf(db, 'extraction').claim());
    expect([during, results]).toEqual([[], ['changed']]);
    expect(await workerOf(db, 'extraction').claim()).toEqual([id]);
  });

  it('lets a new consumer wait until the change is committed', async () => {
    const { during, results } = await inTheMiddle(async () => {
      const claim = db.query("select subject from claim_emails('newcomer', 'a')");
      await waitForSessions(2);
      return { claim };
    });
    expect(results).toEqual(['changed']);
    expect((await during.claim).rows).toEqual([{ subject: (await stored())?.['subject'] }]);
  });
});

/** Calls `act` while a change of the email has locked it. @returns the results of both */
async function inTheMiddle<T>(act: () => Promise<T>): Promise<{ during: T; results: string[] }> {
  await db.query(
    `create function pause() returns trigger language plpgsql as $$
     begin
       perform pg_advisory_xact_lock(4711);
       return null;
     end $$;
     create trigger pause before delete on email_attachments for each statement execute function pause()`,
  );
  const { during, running } = await db.transaction(async (tx) => {
    await tx.query('select pg_advisory_xact_lock(4711)');
    const running = kinds(APPLY);
    await waitForSessions(1);
    return { during: await act(), running: { results: running } };
  });
  const results = await running.results;
  await db.query('drop function pause cascade');
  return { during, results };
}

/** Until this number of sessions waits for a lock. */
async function waitForSessions(sessionCount: number): Promise<void> {
  for (;;) {
    const { rows } = await db.query<{ count: number }>(
      `select count(*) as count
       from pg_stat_activity
       where datname = current_database()
         and wait_event_type = 'Lock'`,
    );
    if (rows[0]?.count === sessionCount) break;
  }
}
