import { describe, expect, test } from 'vitest';
import type { FaultRule } from '../../emulators/gmail/fault-rules.ts';
import { mail } from '../helpers/mails.ts';
import { storedIds } from '../helpers/stored.ts';
import type { TestSystem, TestSystemOptions } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();

async function watched(options?: TestSystemOptions): Promise<TestSystem> {
  const system = await createTestSystem(options);
  await system.switchOn();
  await system.ingest();
  return system;
}

function notification(system: TestSystem): unknown {
  const data = { emailAddress: system.gmail.emailAddress, historyId: system.gmail.historyId };
  return { message: { data: Buffer.from(JSON.stringify(data)).toString('base64'), messageId: '1' } };
}

describe('messages that always fail', () => {
  test.each([
    ['500', { kind: 'status', status: 500 }],
    ['half an answer', { kind: 'truncate' }],
    ['400', { kind: 'status', status: 400 }],
    ['403', { kind: 'status', status: 403, reason: 'forbidden' }],
  ] satisfies [string, FaultRule][])(
    'with %s do not delay the others: 180 of 200 are stored in one run',
    async (_case, fault) => {
      const system = await watched();
      const ids = Array.from({ length: 200 }, (_, n) => system.gmail.deliver(mail(`${n}`)).id);
      const bad = ids.filter((_, n) => n % 10 === 3);
      const rules = bad.map((messageId) => system.gmail.faults.add({ ...fault, messageId }));
      const report = await system.ingest({ trigger: 'schedule' });
      expect(report).toMatchObject({ outcome: 'completed', counts: { stored: 180 } });
      expect(await storedIds(system)).toEqual(ids.filter((id) => !bad.includes(id)).sort());
      const { json } = await system.call('status');
      expect(json).toMatchObject({ state: 'fetch_failing', mailboxes: [{ failing: { count: 20 } }] });

      for (const rule of rules) system.gmail.faults.remove(rule);
      for (let n = 0; n < 2; n += 1) {
        await system.pass(60);
        await system.ingest({ trigger: 'schedule' });
      }
      expect(await storedIds(system)).toEqual(ids.toSorted());
    },
  );
});

describe('a bulk import', () => {
  test('does not hold back an order that arrives after it', async () => {
    const system = await watched({ env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '1200' } });
    for (let n = 0; n < 1_500; n += 1)
      system.gmail.deliver(mail(`Imported ${n}`), { internalDate: new Date(n * 1_000) });
    await system.ingest({ trigger: 'schedule', budgetMs: 20_000 });
    const { id } = system.gmail.deliver(mail('Order'));
    system.gmail.resetCounters();
    await system.pass(60);
    await system.ingest({ trigger: 'schedule', budgetMs: 20_000 });
    const fetched = system.gmail.callLog.calls.flatMap((call) => call.messageId ?? []);
    // Half of each claim is the newest.
    expect(fetched.indexOf(id)).toBeGreaterThanOrEqual(0);
    expect(fetched.indexOf(id)).toBeLessThan(5);
  });
});

describe('a push', () => {
  test('for a deletion is served without waiting for a record that does not come', async () => {
    const system = await watched();
    const { id } = system.gmail.deliver(mail('Order'));
    await system.ingest();
    system.gmail.delete(id);
    await system.call('gmailPush', { body: notification(system) });
    expect(system.sleeps).toEqual([]);
  });

  test('for a saved draft is served without waiting either', async () => {
    const system = await watched();
    system.gmail.saveDraft(mail('Draft'));
    system.gmail.saveDraft(mail('Draft again'));
    await system.call('gmailPush', { body: notification(system) });
    expect(system.sleeps).toEqual([]);
  });
});

describe('a Retry-After of Gmail', () => {
  test('beyond the time of the run is the next try of the mailbox', async () => {
    const system = await watched();
    system.gmail.faults.add({
      kind: 'status',
      status: 503,
      retryAfterSeconds: 1_200,
      method: 'history.list',
    });
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ outcome: 'failed' });
    const rows = await system.rows<{ s: number }>(
      'select round(extract(epoch from next_poll_at - (select max(finished_at) from ingest_runs)))::integer as s from mailboxes',
    );
    expect(rows[0]?.s).toBe(1_200);
  });
});
