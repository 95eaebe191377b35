import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type BackfillFlags, backfillQuery } from '../../commands/backfill/backfill-query.ts';
import { planBackfill } from '../../commands/backfill/backfills.ts';
import { BackfillSummary } from '../../commands/backfill/format-backfill.ts';
import { assertQuery, type BackfillRun, runUntilDone } from '../../commands/backfill/run-backfill.ts';
import { createIngestContext } from '../../shared/ingest/ingest-context.ts';
import { setPaused } from '../../shared/mailboxes/mailbox-changes.ts';
import { runToEnd, startCommand } from '../helpers/command-process.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

// Each command is a separate process, which starts slowly on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const ALL = ['--query', 'in:inbox'];
let system: TestSystem;
let ids: string[];

/** A watched mailbox with old, read emails, which the first start does not fetch. */
async function createSystemWithOldEmail(env: Record<string, string> = {}): Promise<void> {
  system = await createTestSystem({ env });
  const lastYear = { labelIds: ['INBOX'], internalDate: new Date('2025-11-02T08:00:00Z') };
  ids = [1, 2, 3, 4, 5, 6].map((n) => system.gmail.deliver(order(n), lastYear).id).sort();
  await system.ingest();
  expect(await storedIds(system)).toEqual([]);
}

beforeEach(async () => await createSystemWithOldEmail());
afterEach(async () => await system.close());

async function run(args: string[], env: Record<string, string> = {}) {
  return await runToEnd('backfill', args, { ...system.env, LOG_LEVEL: 'error', ...env });
}

describe('npm run backfill', () => {
  it('fetches the messages that the query finds, each of them once', async () => {
    const { code, output } = await run(ALL);
    expect(output).toMatch(/Backfill of orders@example.com: in:inbox \(list job \d+, new\)/);
    expect(output).toContain('Done: 6 messages found, 6 new, 0 already known.\n  6 emails stored\n');
    expect(output).not.toContain('\u001b');
    expect(code).toBe(0);
    expect(await storedIds(system)).toEqual(ids);
    expect((await run(ALL)).output).toContain(
      'Done: 6 messages found, 0 new, 6 already known.\n  0 emails stored\n',
    );
    expect(await storedIds(system)).toEqual(ids);
  });

  it('prints what it excluded and why', async () => {
    const lastYear = new Date('2025-11-02T08:00:00Z');
    for (const [n, label] of (['DRAFT', 'DRAFT', 'SENT'] as const).entries())
      system.gmail.deliver(order(`left out ${n}`), { labelIds: [label], internalDate: lastYear });
    const gone = system.gmail.deliver(order('gone'), { labelIds: ['INBOX'], internalDate: lastYear }).id;
    system.gmail.faults.add({ kind: 'status', status: 404, messageId: gone });
    // As if the messages had been there before the first start: not in the ledger, and before the cursor.
    await system.ingest();
    await system.db.query('delete from email_ledger');
    await system.db.query('update mailboxes set cursor_history_id = $1, unconfirmed_history_id = null', [
      system.gmail.historyId,
    ]);
    const { code, output } = await run(['--query', 'in:anywhere']);
    expect(code).toBe(0);
    expect(output).toContain('Done: 10 messages found, 10 new');
    expect(output).toContain('  6 emails stored\n');
    expect(output).toContain('  2 messages ignored: drafts\n');
    expect(output).toContain('  1 message ignored: only sent, not received\n');
    expect(output).toContain('  1 message gone: deleted before the fetch\n');
  });

  it('continues after a Ctrl-C when it is started again', async () => {
    const command = startCommand('backfill', ALL, { ...system.env, GMAIL_QUOTA_UNITS_PER_MINUTE: '60' });
    await command.printed(/Backfill of/);
    await vi.waitFor(async () => expect(await storedIds(system)).not.toEqual([]), { timeout: 20_000 });
    // npm forwards the terminal's Ctrl-C, so it arrives twice. The kernel would merge two pending signals of one kind.
    command.signal('SIGINT');
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(130);
    expect(command.output).toContain('So far: 6 messages found, 6 new');
    const kept = (await storedIds(system)).length;
    expect(kept).toBeLessThan(6);
    await system.pass(120);
    const again = await run(ALL);
    expect([again.code, again.output]).toEqual([
      0,
      expect.stringMatching(
        new RegExp(`${6 - kept} messages? already queued; (it|they) will be fetched as well\\.`),
      ),
    ]);
    expect(await storedIds(system)).toEqual(ids);
  });

  it('only plans with --plan-only, and the next run of the deployment fetches the messages', async () => {
    const first = await run([...ALL, '--plan-only']);
    expect(first.code).toBe(0);
    expect(first.output).toContain(
      'Planned. The monitor is stopped: after POST start, the poll continues it.\n',
    );
    await system.turnOn();
    const second = await run([...ALL, '--plan-only']);
    expect(second.output).toContain(', continued)');
    expect(second.output).toContain('Planned. The next poll continues it.\n');
    await setPaused(system.db, 'orders@example.com', true);
    expect((await run([...ALL, '--plan-only'])).output).toContain(
      'Planned. The mailbox is paused: after `npm run mailbox -- resume orders@example.com`, the poll continues it.\n',
    );
    await setPaused(system.db, 'orders@example.com', false);
    expect(await storedIds(system)).toEqual([]);
    await system.ingest({ trigger: 'schedule' });
    expect(await storedIds(system)).toEqual(ids);
  });

  it('leaves the rest to the deployed poll after a Ctrl-C', async () => {
    await system.turnOn();
    // Enough quota for the listing and one or two messages; then the command waits for the next minute.
    const command = startCommand('backfill', ALL, { ...system.env, GMAIL_QUOTA_UNITS_PER_MINUTE: '60' });
    await command.printed(/Backfill of/);
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
    expect(command.output).toContain('Stopped; nothing is lost. The next poll continues it.');
    expect(await system.rows('select lease_token from mailboxes')).toEqual([{ lease_token: null }]);
    expect(
      await system.rows(
        "select 1 from email_ledger where claim_token is not null or (state = 'pending' and attempt_count > 0)",
      ),
    ).toEqual([]);
    await system.pass(120);
    await system.ingest({ trigger: 'schedule' });
    expect(await storedIds(system)).toEqual(ids);
  });

  it('does not plan a query that Gmail rejects', async () => {
    system.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'invalidArgument',
      method: 'messages.list',
    });
    const { code, output } = await run(['--query', 'after:nonsense']);
    expect(code).toBe(1);
    expect(output).toContain('Gmail rejects the query "after:nonsense"');
    expect(await system.rows("select 1 from list_jobs where purpose = 'backfill'")).toEqual([]);
  });

  it('reports a message that failed, keeps its attempts, and exits with 1', async () => {
    const [id = ''] = ids;
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    const { code, output } = await run(ALL);
    expect(code).toBe(1);
    expect(output).toContain(
      '1 message failed. The monitor is stopped: after POST start, the poll retries it.\n',
    );
    expect(await ledger(system)).toMatchObject({ [id]: 'pending' });
    await system.turnOn();
    expect((await run(ALL)).output).toContain('1 message failed. The next poll retries it.\n');
    expect(await system.rows("select attempt_count from email_ledger where state = 'pending'")).toEqual([
      { attempt_count: 1 },
    ]);
  });

  it.each([
    ['is dead from an earlier backfill', "state = 'dead', resolved_at = now(), source = 'backfill'", 1],
    ['is dead since it arrived', "state = 'dead', resolved_at = now(), source = 'history', priority = 0", 1],
    ['has failed since it arrived', "source = 'history', priority = 0", 1],
    ['was given up', "state = 'dead', resolved_at = now(), given_up_at = now()", 0],
  ])(
    'says by its exit code whether a known message that %s is still to be stored',
    async (_, columns, expected) => {
      const [id = ''] = ids;
      system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
      expect((await run(ALL)).code).toBe(1);
      await system.db.query(
        `update email_ledger set ${columns}, next_attempt_at = now() + interval '1 hour' where state = 'pending'`,
      );
      const { code, output } = await run(ALL);
      expect(output).toContain('6 messages found, 0 new, 6 already known.');
      expect(output.includes('npm run retry-dead') || output.includes('1 message failed.')).toBe(
        expected === 1,
      );
      expect(code).toBe(expected);
    },
  );

  it('explains what is missing when it cannot begin', async () => {
    expect(await run([])).toMatchObject({
      code: 1,
      output:
        'No emails are selected: set --query, --since or --until.\nRun `npm run backfill -- --help` for the usage.\n',
    });
    expect(await run(ALL, { GMAIL_REFRESH_TOKEN: '' })).toMatchObject({
      code: 1,
      output: expect.stringContaining('Not set: GMAIL_REFRESH_TOKEN'),
    });
    expect(await run(ALL, { GMAIL_REFRESH_TOKEN: 'never used' })).toMatchObject({
      code: 1,
      output: expect.stringContaining('The database has no mailbox for these credentials yet'),
    });
    system.gmail.revokeRefreshToken();
    expect(await run(ALL)).toMatchObject({
      code: 1,
      output: expect.stringContaining('Gmail rejected the refresh token'),
    });
  });
});

describe('backfill --since and --until', () => {
  const NOW = new Date('2026-07-01T12:00:00Z');
  const zone = process.env['TZ'];
  afterEach(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });
  const queryIn = (timeZone: string, flags: BackfillFlags) => {
    process.env['TZ'] = timeZone;
    return backfillQuery(flags, NOW);
  };
  const seconds = (iso: string) => Date.parse(iso) / 1_000;

  it('turns local dates into epoch seconds, with the day of --until included', () => {
    expect(queryIn('UTC', { since: '2026-01-01' })).toBe('after:1767225600');
    expect(queryIn('Asia/Tokyo', { since: '2026-01-01' })).toBe(`after:${seconds('2025-12-31T15:00:00Z')}`);
    expect(queryIn('UTC', { until: '2026-01-31' })).toBe(`before:${seconds('2026-02-01T00:00:00Z')}`);
    // The clocks change during this day, which has 23 hours.
    expect(queryIn('Europe/Berlin', { since: '2026-03-29', until: '2026-03-29' })).toBe(
      `after:${seconds('2026-03-28T23:00:00Z')} before:${seconds('2026-03-29T22:00:00Z')}`,
    );
  });

  it('combines dates with a query, whose OR must not weaken them', () => {
    expect(queryIn('UTC', { since: '2026-01-01', query: ' from:a@example.com OR from:b@example.com ' })).toBe(
      'after:1767225600 (from:a@example.com OR from:b@example.com)',
    );
    expect(queryIn('UTC', { query: 'in:inbox' })).toBe('in:inbox');
  });

  it('rejects impossible dates, empty ranges and missing options', () => {
    for (const [flags, text] of [
      [{ since: '2026-02-30' }, '--since 2026-02-30 is not a date in the calendar.'],
      [{ until: '2026-13-01' }, '--until 2026-13-01 is not a date in the calendar.'],
      [{ since: '0000-00-00' }, '--since 0000-00-00 is not a date in the calendar.'],
      [{ since: '1900-01-01' }, '--since "1900-01-01" is invalid: expected a date from 1971-01-01 on.'],
      [{ until: '1970-12-31' }, '--until "1970-12-31" is invalid: expected a date from 1971-01-01 on.'],
      [{ since: '2026/01/01' }, '--since "2026/01/01" is invalid: expected a date such as 2026-01-31.'],
      [{ until: 'yesterday' }, '--until "yesterday" is invalid: expected a date such as 2026-01-31.'],
      [{ since: '2026-01-02', until: '2026-01-01' }, '--since 2026-01-02 is later than --until 2026-01-01.'],
      [{ since: '2026-07-02' }, '--since 2026-07-02 is in the future: no email has arrived since then.'],
      [{ query: ' ' }, '--query is empty.'],
      [{}, 'set --query, --since or --until'],
    ] as const)
      expect(() => backfillQuery(flags, NOW)).toThrow(text);
  });

  it('fetches the emails of the given days only', async () => {
    const env = { TZ: 'Asia/Tokyo' };
    const before = system.gmail.deliver(order(7), {
      labelIds: ['INBOX'],
      internalDate: new Date('2025-12-31T14:59:59Z'),
    }).id;
    const onTheDay = system.gmail.deliver(order(8), {
      labelIds: ['INBOX'],
      internalDate: new Date('2025-12-31T15:00:00Z'),
    }).id;
    // Both arrived before the first start, which this history no longer shows.
    await system.db.query('update mailboxes set cursor_history_id = $1, unconfirmed_history_id = null', [
      system.gmail.historyId,
    ]);
    const { code, output } = await run(['--since', '2026-01-01', '--query', 'in:inbox'], env);
    expect([code, output]).toEqual([0, expect.stringContaining(': after:1767193200 (in:inbox) (list job')]);
    const stored = await storedIds(system);
    expect(stored).toContain(onTheDay);
    expect(stored).not.toContain(before);
  });
});

describe('BackfillSummary', () => {
  const none = {
    isListed: false,
    listedCount: 0,
    newCount: 0,
    rejection: null,
    dueCount: 0,
    waitingCount: 0,
  };

  it('computes progress from what is left, because other instances may work on the backfill', () => {
    const summary = new BackfillSummary({ ...none, dueCount: 8, waitingCount: 2, newCount: 90 }, 300);
    const listing = { ...none, listedCount: 500, newCount: 590, dueCount: 479, waitingCount: 1 };
    expect(summary.update(listing)).toEqual({
      done: 30,
      total: null,
      noun: 'messages',
      extra: '500 found so far',
      maxPerMinute: 300,
    });
    const listed = { ...none, isListed: true, listedCount: 600, newCount: 690 };
    expect(summary.update({ ...listed, dueCount: 400 })).toMatchObject({ done: 210, total: 610 });
    // Forty messages that a rule had excluded have become pending again.
    expect(summary.update({ ...listed, dueCount: 440 })).toMatchObject({ done: 210, total: 650 });
    expect(summary.update(listed)).toMatchObject({ done: 610, total: 610 });
  });
});

describe('runUntilDone', () => {
  async function runsOf(
    env: Record<string, string> = {},
    afterRun: () => Promise<unknown> = async () => undefined,
  ): Promise<BackfillRun[]> {
    const { context } = system.instance(env);
    const app = createIngestContext(context);
    await assertQuery(app, 1, 'in:inbox');
    const { id } = await planBackfill(app.db, 1, 'in:inbox');
    const runs: BackfillRun[] = [];
    for await (const run of runUntilDone(app, id, 50_000)) {
      runs.push(run);
      await afterRun();
    }
    return runs;
  }

  it('makes runs within the quota until all messages are fetched', async () => {
    const runs = await runsOf({ GMAIL_QUOTA_UNITS_PER_MINUTE: '40' });
    expect(runs.length).toBeGreaterThan(2);
    expect(runs.at(-1)).toMatchObject({ progress: { isListed: true, dueCount: 0 } });
    expect(await storedIds(system)).toEqual(ids);
  });

  it('waits for another instance that holds the mailbox', async () => {
    await system.db.query(
      "update mailboxes set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '1 minute'",
    );
    const runs = await runsOf({}, async () => await system.pass(60));
    expect(runs[0]).toMatchObject({ report: { outcome: 'busy' } });
    expect(await storedIds(system)).toEqual(ids);
  });

  it('ends with an error that lasts', async () => {
    const asked = runsOf();
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
    await expect(asked).rejects.toMatchObject({ code: 'gmail_unavailable' });
  });
});
