/** Retention in the runs of the whole system. */
import { describe, expect, test } from 'vitest';
import { planFullReconciliation } from '../../shared/db/reconciliation.ts';
import { age, RETENTION_DAYS, storedEmailIds } from '../helpers/expired-emails.ts';
import { ageListings } from '../helpers/listing-rows.ts';
import { ledger } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import type { TestSystem } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();
const MAILBOX = { mailboxId: 1, token: '' };
const ON = { RETENTION_DAYS: String(RETENTION_DAYS) };

/** A running system whose mailbox is an hour old, with emails that are processed and expired, and a last one that is neither. */
async function systemWithExpired(env: Readonly<Record<string, string>> = ON): Promise<TestSystem> {
  const system = await createTestSystem({ env });
  await system.turnOn();
  await system.ingest();
  await system.rows("update mailboxes set created_at = created_at - interval '1 hour'");
  await ageListings(system.db, MAILBOX, 3_600);
  for (let n = 0; n < 4; n += 1) system.gmail.deliver(order(n));
  await system.ingest();
  const expired = (await storedEmailIds(system.db)).slice(0, 3);
  await system.rows(`update incoming_emails set processed = true where id in (${expired.join(', ')})`);
  await age(system.db, expired);
  return system;
}

async function erasedCount(system: TestSystem): Promise<number> {
  const [row] = await system.rows<{ count: number }>(
    'select count(*)::integer as count from email_ledger where erased_at is not null',
  );
  return row?.count ?? 0;
}

function linesOf(system: TestSystem, event: string) {
  return system.log.filter((line) => line['event'] === event);
}

describe('a run with RETENTION_DAYS', () => {
  test('a scheduled run erases expired emails, logs their number, and keeps the others', async () => {
    const system = await systemWithExpired();
    await system.ingest({ trigger: 'schedule' });
    expect(await erasedCount(system)).toBe(3);
    expect(await storedEmailIds(system.db)).toHaveLength(1);
    expect(linesOf(system, 'emails_erased')).toMatchObject([
      { message: 'Erased 3 expired emails', erased_count: 3 },
    ]);
    await system.ingest({ trigger: 'schedule' });
    expect(linesOf(system, 'emails_erased')).toHaveLength(1);
  });

  test('a run with the shortest budget erases expired emails', async () => {
    const system = await systemWithExpired();
    await system.ingest({ trigger: 'schedule', budgetMs: 5_000 });
    expect(await erasedCount(system)).toBe(3);
  });

  test.each(['push', 'manual'] as const)('a run of the trigger %s erases nothing', async (trigger) => {
    const system = await systemWithExpired();
    system.gmail.deliver(order(9));
    await system.ingest({ trigger });
    expect(await erasedCount(system)).toBe(0);
  });

  test('nothing is erased without RETENTION_DAYS', async () => {
    const system = await systemWithExpired({});
    await system.ingest({ trigger: 'schedule' });
    expect(await erasedCount(system)).toBe(0);
    expect(await system.rows('select from retention_progress where checked_at is not null')).toEqual([]);
  });

  test('a full reconciliation finds no erased email missing, and no listing fetches one again', async () => {
    const system = await systemWithExpired();
    await system.ingest({ trigger: 'schedule' });
    const states = await ledger(system);
    const fetched = system.gmail.callLog.countByMethod['messages.get'];
    await planFullReconciliation(system.db, 1);
    await system.rows("insert into list_jobs (mailbox_id, purpose, query) values (1, 'backfill', '')");
    await system.ingest();
    await ageListings(system.db, MAILBOX, 3_600);
    await system.ingest();
    const [result] = await system.rows(
      `select is_full, gmail_count, stored_count, missing_count
       from reconciliations
       where evaluated_at is not null and is_full
       order by id desc
       limit 1`,
    );
    expect(result).toEqual({ is_full: true, gmail_count: 4, stored_count: 4, missing_count: 0 });
    expect(
      await system.rows('select listed_count, new_count from list_jobs where purpose = $$backfill$$'),
    ).toEqual([{ listed_count: 4, new_count: 0 }]);
    expect(await ledger(system)).toEqual(states);
    expect(system.gmail.callLog.countByMethod['messages.get']).toBe(fetched);
    expect(await storedEmailIds(system.db)).toHaveLength(1);
  });

  test('a run stores new mail although retention fails, which the log says with its code', async () => {
    const system = await systemWithExpired();
    await system.rows(
      `create function fail_for_test() returns trigger language plpgsql as $$
       begin
         raise exception 'fails';
       end $$`,
    );
    await system.rows(
      'create trigger fail_for_test before update on retention_progress for each row execute function fail_for_test()',
    );
    system.gmail.deliver(order(9));
    const { outcome, counts } = await system.ingest({ trigger: 'schedule' });
    expect([outcome, counts.stored]).toEqual(['completed', 1]);
    expect(await erasedCount(system)).toBe(0);
    expect(linesOf(system, 'retention_failed')).toMatchObject([
      { severity: 'ERROR', error_code: 'database_unavailable', detail: expect.stringContaining('P0001') },
    ]);
  });
});
