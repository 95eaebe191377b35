import { describe, expect, test } from 'vitest';
import type { FaultRule } from '../../emulators/gmail/fault-rules.ts';
import { mail, order } from '../helpers/mails.ts';
import { incompleteEmails, ledger, storedBytes, storedIds } from '../helpers/stored.ts';
import type { TestSystem, TestSystemOptions } from '../helpers/test-system.ts';
import { useTestSystems } from '../helpers/use-test-systems.ts';

const createTestSystem = useTestSystems();

async function watched(options?: TestSystemOptions): Promise<TestSystem> {
  const system = await createTestSystem(options);
  await system.ingest();
  return system;
}

function deliver(system: TestSystem, count: number): string[] {
  return Array.from({ length: count }, (_, n) => system.gmail.deliver(order(n)).id).sort();
}

async function attempts(system: TestSystem, id: string): Promise<number | undefined> {
  const rows = await system.rows<{ n: number }>(
    'select attempt_count as n from email_ledger where gmail_message_id = $1',
    [id],
  );
  return rows[0]?.n;
}

/** Runs with as much time between them as any wait may take. */
async function cycles(system: TestSystem, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    await system.pass(5 * 3600);
    await system.switchOn();
    await system.ingest({ trigger: 'schedule' });
  }
}

/** The same, with a good message in each run: a failure beside it is the failing message's own. */
async function cyclesWithMail(system: TestSystem, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    system.gmail.deliver(mail(`Beside ${done}`));
    await cycles(system, 1);
  }
}

async function row(system: TestSystem, id: string): Promise<Record<string, unknown>> {
  const rows = await system.rows('select * from email_ledger where gmail_message_id = $1', [id]);
  return rows[0] ?? {};
}

describe('one message that fails', () => {
  test('is gone at once and for good when it was deleted', async () => {
    const system = await watched();
    const [id = '', ...others] = deliver(system, 4);
    system.gmail.delete(id);
    expect(await system.ingest()).toMatchObject({
      outcome: 'completed',
      counts: { gone: 1, stored: 3, failed: 0 },
    });
    expect(await ledger(system)).toMatchObject({ [id]: 'gone' });
    expect(await storedIds(system)).toEqual(others);
  });

  test('is dead after eight charged attempts, and the others are stored', async () => {
    const system = await watched();
    const [id = '', ...others] = deliver(system, 6);
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    await cycles(system, 1);
    expect(await storedIds(system)).toEqual(others);
    expect(await attempts(system, id)).toBe(1);
    await cyclesWithMail(system, 6);
    expect(await ledger(system)).toMatchObject({ [id]: 'pending' });
    await cyclesWithMail(system, 1);
    expect(await ledger(system)).toMatchObject({ [id]: 'dead' });
    expect(system.log.filter((line) => line['event'] === 'message_dead')).toEqual([
      expect.objectContaining({
        severity: 'ERROR',
        gmail_message_id: id,
        error_code: 'gmail_refused',
        attempt_count: 8,
      }),
    ]);
  });

  test('is tried once per day for fourteen days when it is dead, and stays dead meanwhile', async () => {
    const system = await watched();
    const [id = ''] = deliver(system, 2);
    const fault = system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    await cyclesWithMail(system, 8);
    expect(await ledger(system)).toMatchObject({ [id]: 'dead' });
    const callsOf = () => system.gmail.callLog.calls.filter((call) => call.messageId === id).length;
    const before = callsOf();
    await system.ingest({ trigger: 'schedule' });
    expect(callsOf()).toBe(before);
    await system.pass(86_400);
    await system.ingest({ trigger: 'schedule' });
    expect(callsOf()).toBe(before + 1);
    expect(await row(system, id)).toMatchObject({ state: 'dead', attempt_count: 8 });
    system.gmail.faults.remove(fault);
    await system.pass(86_400);
    await system.ingest({ trigger: 'schedule' });
    expect(await ledger(system)).toMatchObject({ [id]: 'stored' });
  });

  test('is not charged when nothing else was fetched in the run', async () => {
    const system = await watched();
    const [id = ''] = deliver(system, 1);
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    await cycles(system, 12);
    expect(await row(system, id)).toMatchObject({
      state: 'pending',
      attempt_count: 0,
      error_code: 'gmail_refused',
    });
    const rows = await system.rows<{ s: number }>(
      'select extract(epoch from next_attempt_at - last_attempt_at)::integer as s from email_ledger',
    );
    expect(rows[0]?.s).toBeLessThanOrEqual(300);
  });

  test('is stored when it is requeued after its death', async () => {
    const system = await watched();
    const [id = ''] = deliver(system, 1);
    const fault = system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    await cyclesWithMail(system, 8);
    expect(await ledger(system)).toMatchObject({ [id]: 'dead' });
    system.gmail.faults.remove(fault);
    const answer = await system.call('pollNow', { query: { retry: 'dead' } });
    expect(answer.json).toMatchObject({ retried: 1, new_emails: 1 });
  });

  test('is stored by the next run after one failedPrecondition, before its next attempt is due', async () => {
    const system = await watched();
    const [id = ''] = deliver(system, 1);
    await system.switchOn();
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: id, times: 1 });
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({
      outcome: 'completed',
      counts: { failed: 1 },
    });
    // Each run first tries the message that has waited longest.
    expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({ counts: { stored: 1 } });
  });

  test('waits longer after each charged attempt', async () => {
    const system = await watched();
    const [id = ''] = deliver(system, 1);
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    const waits: number[] = [];
    for (let n = 0; n < 7; n += 1) {
      await cyclesWithMail(system, 1);
      const rows = await system.rows<{ s: number }>(
        `select round(extract(epoch from next_attempt_at - last_attempt_at))::integer as s
         from email_ledger where gmail_message_id = $1`,
        [id],
      );
      waits.push(rows[0]?.s ?? 0);
    }
    // 7/8 of 20 s, tripled each time, at most 4 h.
    expect(waits).toEqual([18, 53, 158, 473, 1418, 4253, 12600].map((s) => expect.closeTo(s, -1)));
  });

  test('wakes the others that wait when it had waited longest and is stored', async () => {
    const system = await watched();
    await system.switchOn();
    const ids = deliver(system, 12);
    const fault = system.gmail.faults.add({ kind: 'status', status: 500, method: 'messages.get' });
    await system.ingest({ trigger: 'schedule' });
    expect(await storedIds(system)).toEqual([]);
    system.gmail.faults.remove(fault);
    await system.ingest({ trigger: 'schedule' });
    expect(await storedIds(system)).toEqual(ids);
  });
});

describe('a passing fault', () => {
  const faults: [string, FaultRule][] = [
    ['503', { kind: 'status', status: 503 }],
    ['500', { kind: 'status', status: 500 }],
    ['429 with Retry-After', { kind: 'status', status: 429, retryAfterSeconds: 3 }],
    ['403 rateLimitExceeded', { kind: 'status', status: 403, reason: 'rateLimitExceeded' }],
    ['403 userRateLimitExceeded', { kind: 'status', status: 403, reason: 'userRateLimitExceeded' }],
    ['a reset', { kind: 'reset' }],
    ['half an answer', { kind: 'truncate' }],
    ['HTML for JSON', { kind: 'notJson' }],
  ];
  test.each(faults)('of each kind of call, %s, costs no message', async (_case, fault) => {
    const system = await createTestSystem();
    for (const method of ['getProfile', 'history.list', 'messages.list', 'token']) {
      system.gmail.faults.add({ ...fault, method, times: 1 });
    }
    system.gmail.faults.add({ ...fault, method: 'messages.get', times: 3, skip: 1 });
    const ids = deliver(system, 6);
    await system.ingest();
    await cycles(system, 2);
    expect(await storedIds(system)).toEqual(ids);
    expect(await incompleteEmails(system)).toEqual([]);
  });
});

describe('a limit on the rate', () => {
  test('releases the message and counts no failure of it', async () => {
    const system = await watched();
    const [id = ''] = deliver(system, 1);
    system.gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get' });
    const report = await system.ingest();
    expect(report).toMatchObject({ outcome: 'out_of_time', error: null, counts: { stored: 0, failed: 0 } });
    expect(report.counts.rateLimited).toBeGreaterThan(1);
    expect(await row(system, id)).toMatchObject({
      state: 'pending',
      attempt_count: 0,
      claim_token: null,
      last_attempt_at: null,
    });
    system.gmail.faults.clear();
    await cycles(system, 1);
    expect(await storedIds(system)).toEqual([id]);
  });

  test('slows the run down and stores everything once it ends', async () => {
    const system = await watched();
    const ids = deliver(system, 30);
    system.gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get', times: 8 });
    const report = await system.ingest();
    expect(report).toMatchObject({ outcome: 'completed', counts: { stored: 30, failed: 0 } });
    expect(await storedIds(system)).toEqual(ids);
  });
});

describe('an outage', () => {
  const nothingCharged = async (system: TestSystem) =>
    expect(
      await system.rows('select 1 from email_ledger where attempt_count > 0 or claim_token is not null'),
    ).toEqual([]);

  test.each([
    ['503', { kind: 'status', status: 503 }],
    ['400', { kind: 'status', status: 400 }],
    ['403 forbidden', { kind: 'status', status: 403, reason: 'forbidden' }],
    ['half an answer', { kind: 'truncate' }],
  ] satisfies [string, FaultRule][])(
    'of every message by %s charges none in twelve hours, and the state is fetch_failing',
    async (_case, fault) => {
      const system = await watched();
      await system.switchOn();
      const ids = deliver(system, 20);
      system.gmail.faults.add({ ...fault, method: 'messages.get' });
      for (let n = 0; n < 9; n += 1) {
        await system.pass(4_800);
        await system.ingest({ trigger: 'schedule', budgetMs: 50_000 });
      }
      await nothingCharged(system);
      expect((await system.call('status')).json).toMatchObject({ state: 'fetch_failing' });
      system.gmail.faults.clear();
      await system.ingest({ trigger: 'schedule' });
      expect(await storedIds(system)).toEqual(ids);
    },
  );

  test('ends the fetching of a run after thirty failures', async () => {
    const system = await watched();
    deliver(system, 100);
    system.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get' });
    const report = await system.ingest({ budgetMs: 600_000 });
    expect(report.outcome).toBe('completed');
    expect(report.counts.failed).toBeGreaterThanOrEqual(30);
    expect(report.counts.failed).toBeLessThan(46);
    await nothingCharged(system);
  });

  test('makes one call at a time, with a growing pause, after eight failures in a row', async () => {
    const system = await watched();
    deliver(system, 20);
    system.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get' });
    await system.ingest({ budgetMs: 600_000 });
    expect(system.sleeps).toEqual(expect.arrayContaining([250, 500, 1_000, 2_000, 4_000, 5_000]));
  });

  test('does not kill messages that are on their last attempt', async () => {
    const system = await watched();
    const ids = deliver(system, 12);
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
    await system.ingest({ budgetMs: 600_000 });
    await system.db.query('update email_ledger set attempt_count = 7');
    await system.ingest({ budgetMs: 600_000 });
    expect(Object.values(await ledger(system))).toEqual(ids.map(() => 'pending'));
    system.gmail.faults.clear();
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
  });

  test('of nine messages of their own does not hold new mail back', async () => {
    const system = await watched();
    const bad = deliver(system, 9);
    for (const messageId of bad) system.gmail.faults.add({ kind: 'status', status: 500, messageId });
    await system.ingest({ budgetMs: 600_000 });
    const { id } = system.gmail.deliver(mail('New'));
    await system.pass(300);
    await system.ingest({ budgetMs: 600_000 });
    expect(await storedIds(system)).toEqual([id]);
  });

  test('of the history leaves the ledger untouched', async () => {
    const system = await watched();
    const ids = deliver(system, 3);
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
    system.gmail.faults.clear();
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
  });
});

describe('a failure of the database', () => {
  /** As if every store met this error. */
  async function failStores(system: TestSystem, sqlState: string): Promise<void> {
    await system.db.query(
      `create or replace function refuse_store() returns trigger language plpgsql as $$
       begin
         raise exception 'no' using errcode = '${sqlState}';
       end $$`,
    );
    await system.db.query(
      'create trigger refuse_store before insert on incoming_emails for each row execute function refuse_store()',
    );
  }

  test.each(['53100', '57P03', '53300', '25006'])(
    'by %s ends the run as failed and charges no message, however long it lasts',
    async (sqlState) => {
      const system = await watched();
      await system.switchOn();
      const ids = deliver(system, 3);
      await failStores(system, sqlState);
      for (let n = 0; n < 4; n += 1) {
        await system.pass(10_800);
        expect(await system.ingest({ trigger: 'schedule' })).toMatchObject({
          outcome: 'failed',
          error: { code: 'database_unavailable' },
        });
      }
      expect(await system.rows('select distinct state, attempt_count from email_ledger')).toEqual([
        { state: 'pending', attempt_count: 0 },
      ]);
      const { json } = await system.call('status');
      expect(json).toMatchObject({ state: 'backing_off' });
      expect(json.last_error).toContain('database');
      expect(json.advice).not.toEqual([]);
      await system.db.query('drop trigger refuse_store on incoming_emails');
      await system.pass(300);
      await system.ingest({ trigger: 'schedule' });
      expect(await storedIds(system)).toEqual(ids);
    },
  );

  test.each(['57014', '53200'])(
    'by %s is the message\u2019s own while the database answers other statements',
    async (sqlState) => {
      const system = await watched();
      const [id = ''] = deliver(system, 1);
      await failStores(system, sqlState);
      expect(await system.ingest()).toMatchObject({ outcome: 'completed', counts: { failed: 1 } });
      expect(await row(system, id)).toMatchObject({ state: 'pending', error_code: 'unstorable' });
    },
  );
});

describe('one way of discovering that fails', () => {
  test('a history that expires again and again does not hold up what the ledger knows', async () => {
    const system = await watched();
    const ids = deliver(system, 3);
    const faults = ids.map((messageId) =>
      system.gmail.faults.add({ kind: 'status', status: 400, messageId, times: 1 }),
    );
    await system.ingest();
    expect(faults).toHaveLength(3);
    system.gmail.deliver(mail('In the gap'));
    system.gmail.faults.add({ kind: 'status', status: 404, reason: 'notFound', method: 'history.list' });
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'history_expired' } });
    expect(await storedIds(system)).toEqual(expect.arrayContaining(ids));
  });

  test('a listing that Gmail refuses does not hold up live mail', async () => {
    const system = await watched();
    await system.db.query(
      "insert into list_jobs (mailbox_id, purpose, query) values (1, 'backfill', 'in:anywhere')",
    );
    system.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'invalidArgument',
      method: 'messages.list',
    });
    const ids = deliver(system, 3);
    expect(await system.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'gmail_refused' } });
    expect(await storedIds(system)).toEqual(ids);
  });
});

describe('a message that kills its process', () => {
  /** As if a process had ended while these messages were open. */
  async function died(system: TestSystem, ids: readonly string[]): Promise<void> {
    await system.db.query(
      'update email_ledger set claim_token = gen_random_uuid() where gmail_message_id = $1',
      [ids[0]],
    );
    await system.db.query(
      `update email_ledger
       set claim_token = (select claim_token from email_ledger where gmail_message_id = $1)
       where gmail_message_id = any ($2)`,
      [ids[0], ids],
    );
  }

  /** Messages in the ledger that were never tried. */
  async function discovered(
    count: number,
    options?: TestSystemOptions,
  ): Promise<{ system: TestSystem; ids: string[] }> {
    const system = await watched(options);
    const ids = deliver(system, count);
    const fault = system.gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get' });
    await system.ingest({ budgetMs: 6_000 });
    system.gmail.faults.remove(fault);
    await system.pass(3600);
    system.gmail.resetCounters();
    return { system, ids };
  }

  test('and those that were open with it are fetched one at a time, after all others, uncharged', async () => {
    const { system, ids } = await discovered(12);
    const suspects = ids.slice(0, 5);
    await died(system, suspects);
    await system.ingest();
    expect(await storedIds(system)).toEqual(ids);
    const order = system.gmail.callLog.calls.flatMap((call) => call.messageId ?? []);
    expect(order.slice(-5).sort()).toEqual(suspects);
    expect(await incompleteEmails(system)).toEqual([]);
    expect(
      await system.rows('select 1 from email_ledger where attempt_count > 0 or crash_count > 0'),
    ).toEqual([]);
  });

  test('is dead after three deaths with it alone open', async () => {
    const { system, ids } = await discovered(3);
    const [killer = ''] = ids;
    await system.db.query('update email_ledger set crash_count = 2 where gmail_message_id = $1', [killer]);
    await died(system, [killer]);
    expect(await system.ingest()).toMatchObject({ counts: { dead: 1, stored: 2 } });
    expect(await ledger(system)).toMatchObject({ [killer]: 'dead' });
    expect(system.log.find((line) => line['event'] === 'message_dead')).toMatchObject({
      gmail_message_id: killer,
      error_code: 'killed_process',
    });
  });

  test('does not wait behind a backlog when it is live mail', async () => {
    const { system, ids } = await discovered(3);
    await died(system, ids);
    const old = Array.from(
      { length: 8 },
      (_, n) => system.gmail.deliver(order(`old ${n}`), { labelIds: [], internalDate: new Date(0) }).id,
    );
    await system.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, priority)
       select 1, id, 'backfill', 1 from unnest($1::text[]) as id`,
      [old],
    );
    // So that the history does not find them to be live.
    await system.db.query('update mailboxes set cursor_history_id = $1::numeric', [system.gmail.historyId]);
    await system.ingest();
    const order_ = system.gmail.callLog.calls.flatMap((call) => call.messageId ?? []);
    expect(order_.slice(0, 3).sort()).toEqual(ids);
    expect(order_).toHaveLength(11);
  });
});

describe('bytes', () => {
  test('come back exactly as they were delivered, whatever they are', async () => {
    const system = await watched();
    const raws = [
      order('plain'),
      Buffer.from('no header at all, no line end'),
      Buffer.from('Subject: \0nul\0\r\n\r\nbody \0 with nul'),
      Buffer.from([0x53, 0x75, 0x62, 0x3a, 0x20, 0xff, 0xfe, 0x80, 0x0d, 0x0a, 0x0d, 0x0a, 0xc3, 0x28]),
      Buffer.from(`${Array.from({ length: 10_000 }, (_, n) => `X-H${n}: v`).join('\r\n')}\r\n\r\nbody`),
      Buffer.from(nested(1_000)),
      Buffer.from('Subject: header only\r\n\r\n'),
      Buffer.from('Date: not a date\r\nSubject: no date\n\nmixed\rline\nends\r\n'),
      Buffer.from('Subject: =?utf-8?Q?=ED=A0=80?= lone surrogate\r\n\r\n'),
    ];
    const delivered = new Map(raws.map((raw) => [system.gmail.deliver(raw).id, raw]));
    expect(await system.ingest()).toMatchObject({ counts: { stored: raws.length, failed: 0 } });
    expect(await storedBytes(system)).toEqual(delivered);
    expect(await incompleteEmails(system)).toEqual([]);
    const bare = await system.rows('select 1 from incoming_emails where cardinality(defects) = 0');
    expect(bare).toHaveLength(1);
  });

  test('of two mails with the same Message-ID are two emails', async () => {
    const system = await watched();
    system.gmail.deliver(mail('One'));
    system.gmail.deliver(mail('Two'));
    await system.ingest();
    expect(await system.rows('select rfc822_message_id from incoming_emails')).toEqual(
      Array(2).fill({ rfc822_message_id: '<reused@example.com>' }),
    );
  });

  test('are kept when the database refuses what was read out of them', async () => {
    const system = await watched();
    await system.db.query("alter table email_attachments add constraint broken check (filename = '')");
    const raw = order('refused');
    const { id } = system.gmail.deliver(raw);
    expect(await system.ingest()).toMatchObject({ counts: { stored: 1 } });
    expect((await storedBytes(system)).get(id)).toEqual(raw);
    expect(await system.rows('select defects, attachment_count, subject from incoming_emails')).toEqual([
      { defects: ['not_storable_as_read'], attachment_count: 0, subject: null },
    ]);
  });

  test('are counted once each', async () => {
    const system = await watched();
    deliver(system, 7);
    await system.ingest();
    await system.ingest();
    expect(await system.rows('select emails_processed_total as n from email_monitor_status')).toEqual([
      { n: 7 },
    ]);
  });
});

function nested(depth: number): string {
  let text = 'Content-Type: text/plain\r\n\r\ninnermost\r\n';
  for (let n = depth; n > 0; n -= 1) {
    text = `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}\r\n${text}\r\n--b${n}--\r\n`;
  }
  return `Subject: nested\r\n${text}`;
}
