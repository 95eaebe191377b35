import { describe, expect, test } from 'vitest';
import type { FaultRule } from '../../local/gmail/faults.ts';
import { mail, order } from '../helpers/mails.ts';
import { incompleteEmails, ledger, storedBytes, storedIds } from '../helpers/stored.ts';
import type { World, WorldOptions } from '../helpers/world.ts';
import { useWorlds } from '../helpers/worlds.ts';

const createWorld = useWorlds();

async function watched(options?: WorldOptions): Promise<World> {
  const world = await createWorld(options);
  await world.ingest();
  return world;
}

function deliver(world: World, count: number): string[] {
  return Array.from({ length: count }, (_, n) => world.gmail.deliver(order(n)).id).sort();
}

async function attempts(world: World, id: string): Promise<number | undefined> {
  const rows = await world.rows<{ n: number }>(
    'select attempt_count as n from email_ledger where gmail_message_id = $1',
    [id],
  );
  return rows[0]?.n;
}

/** Cycles of the schedule with as much time between them as any wait may take. */
async function cycles(world: World, count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    await world.pass(5 * 3600);
    await world.ingest();
  }
}

describe('one message that fails', () => {
  test('because it was deleted is gone, at once and for good', async () => {
    const world = await watched();
    const [id = '', ...others] = deliver(world, 4);
    world.gmail.delete(id);
    expect(await world.ingest()).toMatchObject({
      outcome: 'completed',
      counts: { gone: 1, stored: 3, failed: 0 },
    });
    expect(await ledger(world)).toMatchObject({ [id]: 'gone' });
    expect(await storedIds(world)).toEqual(others);
  });

  test('every time is dead after eight attempts, and all the others are stored meanwhile', async () => {
    const world = await watched();
    const [id = '', ...others] = deliver(world, 6);
    world.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    await world.ingest();
    expect(await storedIds(world)).toEqual(others);
    await cycles(world, 6);
    expect(await ledger(world)).toMatchObject({ [id]: 'pending' });
    await cycles(world, 1);
    expect(await ledger(world)).toMatchObject({ [id]: 'dead' });
    expect(world.log.filter((line) => line['event'] === 'message_dead')).toEqual([
      expect.objectContaining({
        severity: 'ERROR',
        gmail_message_id: id,
        error_code: 'gmail_refused',
        attempt: 8,
      }),
    ]);
    const calls = world.gmail.callLog.calls.filter((call) => call.messageId === id).length;
    await cycles(world, 1);
    expect(world.gmail.callLog.calls.filter((call) => call.messageId === id)).toHaveLength(calls);
  });

  test('is stored when it is retried after its death', async () => {
    const world = await watched();
    const [id = ''] = deliver(world, 1);
    const fault = world.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    await cycles(world, 8);
    expect(await ledger(world)).toEqual({ [id]: 'dead' });
    world.gmail.faults.remove(fault);
    const answer = await world.call('pollNow', { query: { retry: 'dead' } });
    expect(answer.json).toMatchObject({ retried: 1, new_emails: 1 });
  });

  test('once with failedPrecondition is stored after its wait, or at an operator’s word', async () => {
    const world = await watched();
    const [id = ''] = deliver(world, 1);
    await world.switchOn();
    world.gmail.faults.add({ kind: 'status', status: 400, messageId: id, times: 1 });
    expect(await world.ingest({ trigger: 'schedule' })).toMatchObject({
      outcome: 'completed',
      counts: { failed: 1 },
    });
    expect(await world.ingest({ trigger: 'schedule' })).toMatchObject({ counts: { stored: 0 } });
    expect(await world.ingest({ trigger: 'manual' })).toMatchObject({ counts: { stored: 1 } });
  });

  test('waits longer after each attempt', async () => {
    const world = await watched();
    const [id = ''] = deliver(world, 1);
    world.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    const waits: number[] = [];
    for (let n = 0; n < 7; n += 1) {
      await world.ingest();
      const rows = await world.rows<{ s: number }>(
        'select round(extract(epoch from next_attempt_at - last_attempt_at))::integer as s from email_ledger',
      );
      waits.push(rows[0]?.s ?? 0);
      await world.pass(5 * 3600);
    }
    // 7/8 of 20 s, tripled each time, capped at 4 h.
    expect(waits).toEqual([18, 53, 158, 473, 1418, 4253, 12600].map((s) => expect.closeTo(s, -1)));
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
    const world = await createWorld();
    for (const method of ['getProfile', 'history.list', 'messages.list', 'token']) {
      world.gmail.faults.add({ ...fault, method, times: 1 });
    }
    world.gmail.faults.add({ ...fault, method: 'messages.get', times: 3, skip: 1 });
    const ids = deliver(world, 6);
    await world.ingest();
    await cycles(world, 2);
    expect(await storedIds(world)).toEqual(ids);
    expect(await incompleteEmails(world)).toEqual([]);
  });
});

describe('a limit on the rate', () => {
  test('hands the attempt back and counts no failure of the message', async () => {
    const world = await watched();
    const [id = ''] = deliver(world, 1);
    world.gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get' });
    const report = await world.ingest();
    expect(report).toMatchObject({ outcome: 'completed', counts: { stored: 0 } });
    expect(report.counts.refused).toBeGreaterThan(1);
    expect(await attempts(world, id)).toBe(0);
    world.gmail.faults.clear();
    await cycles(world, 1);
    expect(await storedIds(world)).toEqual([id]);
  });

  test('takes nothing from attempts that a message has used before', async () => {
    const world = await watched();
    const ids = deliver(world, 8);
    const fault = world.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get' });
    await cycles(world, 2);
    world.gmail.faults.remove(fault);
    world.gmail.faults.add({ kind: 'status', status: 429, method: 'messages.get' });
    expect(await world.ingest({ budgetMs: 600_000 })).toMatchObject({ outcome: 'failed' });
    for (const id of ids) expect(await attempts(world, id)).toBe(2);
  });
});

describe('an outage', () => {
  test('ends the cycle as failed, and no message is charged', async () => {
    const world = await watched();
    const ids = deliver(world, 40);
    world.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
    const report = await world.ingest({ budgetMs: 600_000 });
    expect(report).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
    expect(await world.rows('select 1 from email_ledger where attempt_count > 0 or attempt_open')).toEqual(
      [],
    );
    world.gmail.faults.clear();
    await world.ingest();
    expect(await storedIds(world)).toEqual(ids);
  });

  test('does not charge those that were in flight when it was noticed', async () => {
    const world = await watched();
    // Sixteen in flight at once: the pace has risen on mail that went well.
    deliver(world, 150);
    await world.ingest({ budgetMs: 600_000 });
    deliver(world, 40);
    world.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
    expect(await world.ingest({ budgetMs: 600_000 })).toMatchObject({ outcome: 'failed' });
    expect(
      await world.rows(
        "select 1 from email_ledger where state = 'pending' and (attempt_count > 0 or attempt_open)",
      ),
    ).toEqual([]);
  });

  test('does not kill messages that are on their last attempt', async () => {
    const world = await watched();
    const ids = deliver(world, 12);
    world.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
    await world.ingest({ budgetMs: 600_000 });
    await world.db.query('update email_ledger set attempt_count = 7');
    await world.ingest({ budgetMs: 600_000 });
    expect(Object.values(await ledger(world))).toEqual(ids.map(() => 'pending'));
    world.gmail.faults.clear();
    await world.ingest();
    expect(await storedIds(world)).toEqual(ids);
  });

  test('of nine messages of their own lets new mail go first', async () => {
    const world = await watched();
    const bad = deliver(world, 9);
    for (const messageId of bad) world.gmail.faults.add({ kind: 'status', status: 500, messageId });
    await world.ingest({ budgetMs: 600_000 });
    const { id } = world.gmail.deliver(mail('New'));
    await world.pass(300);
    await world.ingest({ budgetMs: 600_000 });
    expect(await storedIds(world)).toEqual([id]);
  });

  test('of the history leaves the ledger untouched', async () => {
    const world = await watched();
    const ids = deliver(world, 3);
    world.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    expect(await world.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'gmail_unavailable' } });
    world.gmail.faults.clear();
    await world.ingest();
    expect(await storedIds(world)).toEqual(ids);
  });
});

describe('one way of discovering that fails', () => {
  test('a history that expires again and again does not hold up what the ledger knows', async () => {
    const world = await watched();
    const ids = deliver(world, 3);
    const faults = ids.map((messageId) =>
      world.gmail.faults.add({ kind: 'status', status: 400, messageId, times: 1 }),
    );
    await world.ingest();
    expect(faults).toHaveLength(3);
    world.gmail.deliver(mail('In the gap'));
    world.gmail.faults.add({ kind: 'status', status: 404, reason: 'notFound', method: 'history.list' });
    expect(await world.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'history_expired' } });
    expect(await storedIds(world)).toEqual(expect.arrayContaining(ids));
  });

  test('a listing that Gmail refuses does not hold up live mail', async () => {
    const world = await watched();
    await world.db.query(
      "insert into listings (mailbox_id, purpose, query) values (1, 'backfill', 'in:anywhere')",
    );
    world.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'invalidArgument',
      method: 'messages.list',
    });
    const ids = deliver(world, 3);
    expect(await world.ingest()).toMatchObject({ outcome: 'failed', error: { code: 'gmail_refused' } });
    expect(await storedIds(world)).toEqual(ids);
  });
});

describe('a message that kills its process', () => {
  /** As if a process had died with these messages in hand. */
  async function died(world: World, ids: readonly string[], attemptCount: number): Promise<void> {
    await world.db.query(
      `update email_ledger
       set attempt_open = true, attempt_count = $2, last_attempt_at = now() - interval '1 minute'
       where gmail_message_id = any ($1)`,
      [ids, attemptCount],
    );
  }

  async function discovered(count: number, options?: WorldOptions): Promise<{ world: World; ids: string[] }> {
    const world = await watched(options);
    const ids = deliver(world, count);
    const fault = world.gmail.faults.add({ kind: 'status', status: 400, method: 'messages.get' });
    await world.ingest();
    world.gmail.faults.remove(fault);
    await world.pass(3600);
    world.gmail.resetCounters();
    return { world, ids };
  }

  test('and those that died with it are read one at a time, after all others', async () => {
    const { world, ids } = await discovered(12);
    const suspects = ids.slice(0, 5);
    await died(world, suspects, 1);
    await world.ingest();
    expect(await storedIds(world)).toEqual(ids);
    const order = world.gmail.callLog.calls.flatMap((call) => call.messageId ?? []);
    expect(order.slice(-5).sort()).toEqual(suspects);
    world.gmail.resetCounters();
    expect(await incompleteEmails(world)).toEqual([]);
  });

  test('is dead after eight deaths, and said to be', async () => {
    const { world, ids } = await discovered(3);
    const [killer = ''] = ids;
    await died(world, [killer], 8);
    expect(await world.ingest()).toMatchObject({ counts: { dead: 1, stored: 2 } });
    expect(await ledger(world)).toMatchObject({ [killer]: 'dead' });
    expect(world.log.find((line) => line['event'] === 'message_dead')).toMatchObject({
      gmail_message_id: killer,
      error_code: 'killed_process',
    });
  });

  test('does not wait behind a backlog when it is live mail', async () => {
    const { world, ids } = await discovered(3);
    await died(world, ids, 1);
    const old = Array.from(
      { length: 8 },
      (_, n) => world.gmail.deliver(order(`old ${n}`), { labelIds: [], internalDate: new Date(0) }).id,
    );
    await world.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, priority)
       select 1, id, 'backfill', 1 from unnest($1::text[]) as id`,
      [old],
    );
    // So that the history does not find them to be live.
    await world.db.query('update mailboxes set cursor_history_id = $1::numeric', [world.gmail.historyId]);
    await world.ingest();
    const order_ = world.gmail.callLog.calls.flatMap((call) => call.messageId ?? []);
    expect(order_.slice(0, 3).sort()).toEqual(ids);
    expect(order_).toHaveLength(11);
  });
});

describe('bytes', () => {
  test('come back exactly as they were delivered, whatever they are', async () => {
    const world = await watched();
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
    const delivered = new Map(raws.map((raw) => [world.gmail.deliver(raw).id, raw]));
    expect(await world.ingest()).toMatchObject({ counts: { stored: raws.length, failed: 0 } });
    expect(await storedBytes(world)).toEqual(delivered);
    expect(await incompleteEmails(world)).toEqual([]);
    const bare = await world.rows('select 1 from incoming_emails where cardinality(defects) = 0');
    expect(bare).toHaveLength(1);
  });

  test('of two mails with the same Message-ID are two emails', async () => {
    const world = await watched();
    world.gmail.deliver(mail('One'));
    world.gmail.deliver(mail('Two'));
    await world.ingest();
    expect(await world.rows('select rfc822_message_id from incoming_emails')).toEqual(
      Array(2).fill({ rfc822_message_id: '<reused@example.com>' }),
    );
  });

  test('are kept when the database refuses what was read out of them', async () => {
    const world = await watched();
    await world.db.query("alter table email_attachments add constraint broken check (filename = '')");
    const raw = order('refused');
    const { id } = world.gmail.deliver(raw);
    expect(await world.ingest()).toMatchObject({ counts: { stored: 1 } });
    expect((await storedBytes(world)).get(id)).toEqual(raw);
    expect(await world.rows('select defects, attachment_count, subject from incoming_emails')).toEqual([
      { defects: ['not_storable_as_read'], attachment_count: 0, subject: null },
    ]);
  });

  test('are counted once each', async () => {
    const world = await watched();
    deliver(world, 7);
    await world.ingest();
    await world.ingest();
    expect(await world.rows('select emails_processed_total as n from email_monitor_status')).toEqual([
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
