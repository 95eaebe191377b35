import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BackfillSummary } from '../../commands/backfill/format-backfill.ts';
import { planBackfill } from '../../shared/db/backfills.ts';
import { createIngestContext } from '../../shared/ingest/ingest-context.ts';
import { assertQuery, type BackfillRun, runUntilDone } from '../../shared/ingest/run-backfill.ts';
import { runToEnd, startCommand } from '../helpers/command-process.ts';
import { order } from '../helpers/mails.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

// Each command is a process of its own, and a busy machine starts it slowly.
vi.setConfig({ testTimeout: 30_000 });

const ALL = ['--query', 'in:inbox'];
let system: TestSystem;
let ids: string[];

/** A watched mailbox with old mail, read long ago, that the first start does not take. */
async function watchedWithOldMail(env: Record<string, string> = {}): Promise<void> {
  system = await createTestSystem({ env });
  const lastYear = { labelIds: ['INBOX'], internalDate: new Date('2025-11-02T08:00:00Z') };
  ids = [1, 2, 3, 4, 5, 6].map((n) => system.gmail.deliver(order(n), lastYear).id).sort();
  await system.ingest();
  expect(await storedIds(system)).toEqual([]);
}

beforeEach(async () => await watchedWithOldMail());
afterEach(async () => await system.close());

async function run(args: string[], env: Record<string, string> = {}) {
  return await runToEnd('backfill', args, { ...system.env, LOG_LEVEL: 'error', ...env });
}

describe('npm run backfill', () => {
  it('fetches what the query finds, and finds nothing twice', async () => {
    const { code, output } = await run(ALL);
    expect(output).toMatch(/Backfill of orders@example.com: in:inbox \(list job \d+, new\)/);
    expect(output).toContain('Done: 6 messages found, 6 of them new, 0 known already.\n  6 emails stored\n');
    expect(output).not.toContain('\u001b');
    expect(code).toBe(0);
    expect(await storedIds(system)).toEqual(ids);
    expect((await run(ALL)).output).toContain(
      'Done: 6 messages found, 0 of them new, 6 known already.\n  0 emails stored\n',
    );
    expect(await storedIds(system)).toEqual(ids);
  });

  it('says what it left out, and why', async () => {
    const lastYear = new Date('2025-11-02T08:00:00Z');
    for (const [n, label] of (['DRAFT', 'DRAFT', 'SENT'] as const).entries())
      system.gmail.deliver(order(`left out ${n}`), { labelIds: [label], internalDate: lastYear });
    const gone = system.gmail.deliver(order('gone'), { labelIds: ['INBOX'], internalDate: lastYear }).id;
    system.gmail.faults.add({ kind: 'status', status: 404, messageId: gone });
    // As if they had been there before the first start: the history is past them, the ledger does not know them.
    await system.ingest();
    await system.db.query('delete from email_ledger');
    await system.db.query('update mailboxes set cursor_history_id = $1, unconfirmed_history_id = null', [
      system.gmail.historyId,
    ]);
    const { code, output } = await run(['--query', 'in:anywhere']);
    expect(code).toBe(0);
    expect(output).toContain('Done: 10 messages found, 10 of them new');
    expect(output).toContain('  6 emails stored\n');
    expect(output).toContain('  2 messages ignored: drafts\n');
    expect(output).toContain('  1 message ignored: only sent, not received\n');
    expect(output).toContain('  1 message gone: deleted before they could be fetched\n');
  });

  it('goes on at a second start with what a Ctrl-C left', async () => {
    const command = startCommand('backfill', ALL, { ...system.env, GMAIL_QUOTA_UNITS_PER_MINUTE: '60' });
    await command.printed(/Backfill of/);
    await vi.waitFor(async () => expect(await storedIds(system)).not.toEqual([]), { timeout: 20_000 });
    // npm passes the terminal's Ctrl-C on, so it comes twice. Two alike at once the kernel would merge into one.
    command.signal('SIGINT');
    command.signal('SIGTERM');
    expect(await command.ended()).toBe(130);
    expect(command.output).toContain('So far: 6 messages found, 6 of them new');
    const kept = (await storedIds(system)).length;
    expect(kept).toBeLessThan(6);
    await system.pass(120);
    const again = await run(ALL);
    expect([again.code, again.output]).toEqual([
      0,
      expect.stringContaining(`${6 - kept} messages found before and not fetched yet: they come along.`),
    ]);
    expect(await storedIds(system)).toEqual(ids);
  });

  it('only plans when asked to, and the next cycle of the deployment works it off', async () => {
    const first = await run([...ALL, '--plan-only']);
    expect(first.code).toBe(0);
    expect(first.output).toContain('The monitor is stopped: after POST start');
    await system.switchOn();
    const second = await run([...ALL, '--plan-only']);
    expect(second.output).toContain(', continued)');
    expect(second.output).toContain('The deployed poll continues it by itself.');
    expect(await storedIds(system)).toEqual([]);
    await system.ingest({ trigger: 'schedule' });
    expect(await storedIds(system)).toEqual(ids);
  });

  it('leaves at Ctrl-C what the deployed poll goes on with by itself', async () => {
    await system.switchOn();
    // Enough for the listing and a message or two: then it waits for the next minute.
    const command = startCommand('backfill', ALL, { ...system.env, GMAIL_QUOTA_UNITS_PER_MINUTE: '60' });
    await command.printed(/Backfill of/);
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
    expect(command.output).toContain('Stopped, and nothing is lost. The deployed poll continues it');
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

  it('does not plan a query that Gmail refuses', async () => {
    system.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'invalidArgument',
      method: 'messages.list',
    });
    const { code, output } = await run(['--query', 'after:nonsense']);
    expect(code).toBe(1);
    expect(output).toContain('Gmail does not take the query "after:nonsense"');
    expect(await system.rows("select 1 from list_jobs where purpose = 'backfill'")).toEqual([]);
  });

  it('says that a message failed for now, leaves it its attempts, and does not pass for done', async () => {
    const [id = ''] = ids;
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    const { code, output } = await run(ALL);
    expect(code).toBe(1);
    expect(output).toContain('1 message failed for now: the poll tries again by itself.');
    expect(await ledger(system)).toMatchObject({ [id]: 'pending' });
    await run(ALL);
    expect(await system.rows("select attempt_count from email_ledger where state = 'pending'")).toEqual([
      { attempt_count: 1 },
    ]);
  });

  it('says what comes first when it cannot begin', async () => {
    expect(await run([])).toMatchObject({ code: 1, output: expect.stringContaining('--query QUERY') });
    expect(await run(ALL, { GMAIL_REFRESH_TOKEN: '' })).toMatchObject({
      code: 1,
      output: expect.stringContaining('Not set: GMAIL_REFRESH_TOKEN'),
    });
    expect(await run(ALL, { GMAIL_REFRESH_TOKEN: 'never used' })).toMatchObject({
      code: 1,
      output: expect.stringContaining('No mailbox is known to these credentials yet'),
    });
    system.gmail.revokeRefreshToken();
    expect(await run(ALL)).toMatchObject({
      code: 1,
      output: expect.stringContaining('Gmail refused the refresh token'),
    });
  });
});

describe('how far a backfill is', () => {
  const none = {
    isListed: false,
    listedCount: 0,
    newCount: 0,
    rejection: null,
    dueCount: 0,
    waitingCount: 0,
  };

  it('is computed from what is left, because other instances may work on it too', () => {
    const summary = new BackfillSummary({ ...none, dueCount: 8, waitingCount: 2, newCount: 90 }, 300);
    const listing = { ...none, listedCount: 500, newCount: 590, dueCount: 479, waitingCount: 1 };
    expect(summary.update(listing)).toEqual({
      done: 30,
      total: null,
      noun: 'messages',
      extra: '500 found so far',
      mostPerMinute: 300,
    });
    const listed = { ...none, isListed: true, listedCount: 600, newCount: 690 };
    expect(summary.update({ ...listed, dueCount: 400 })).toMatchObject({ done: 210, total: 610 });
    // Forty that a rule had excluded became pending again.
    expect(summary.update({ ...listed, dueCount: 440 })).toMatchObject({ done: 210, total: 650 });
    expect(summary.update(listed)).toMatchObject({ done: 610, total: 610 });
  });
});

describe('the runs of a backfill', () => {
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

  it('follow each other within the quota until all is fetched', async () => {
    const runs = await runsOf({ GMAIL_QUOTA_UNITS_PER_MINUTE: '40' });
    expect(runs.length).toBeGreaterThan(2);
    expect(runs.at(-1)).toMatchObject({ progress: { isListed: true, dueCount: 0 } });
    expect(await storedIds(system)).toEqual(ids);
  });

  it('wait for another instance that holds the mailbox', async () => {
    await system.db.query(
      "update mailboxes set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '1 minute'",
    );
    const runs = await runsOf({}, async () => await system.pass(60));
    expect(runs[0]).toMatchObject({ report: { outcome: 'busy' } });
    expect(await storedIds(system)).toEqual(ids);
  });

  it('end with the error when it lasts', async () => {
    const asked = runsOf();
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
    await expect(asked).rejects.toMatchObject({ code: 'gmail_unavailable' });
  });
});
