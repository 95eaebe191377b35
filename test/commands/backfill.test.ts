import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { assertQuery, type BackfillCycle, plan, workOff } from '../../shared/ingest/backfill.ts';
import { createSystem } from '../../shared/ingest/system.ts';
import { runToEnd, startCommand } from '../helpers/command-process.ts';
import { order } from '../helpers/mails.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import { createWorld, type World } from '../helpers/world.ts';

// Each command is a process of its own, and a busy machine starts it slowly.
vi.setConfig({ testTimeout: 30_000 });

const ALL = ['--query', 'in:inbox'];
let world: World;
let ids: string[];

/** A watched mailbox with old mail, read long ago, that the first start does not take. */
async function watchedWithOldMail(env: Record<string, string> = {}): Promise<void> {
  world = await createWorld({ env });
  const lastYear = { labelIds: ['INBOX'], internalDate: new Date('2025-11-02T08:00:00Z') };
  ids = [1, 2, 3, 4, 5, 6].map((n) => world.gmail.deliver(order(n), lastYear).id).sort();
  await world.ingest();
  expect(await storedIds(world)).toEqual([]);
}

beforeEach(async () => await watchedWithOldMail());
afterEach(async () => await world.close());

async function run(args: string[], env: Record<string, string> = {}) {
  return await runToEnd('backfill', args, { ...world.env, LOG_LEVEL: 'error', ...env });
}

describe('npm run backfill', () => {
  it('fetches what the query finds, and finds nothing twice', async () => {
    const { code, output } = await run(ALL);
    expect(output).toMatch(/Backfill of orders@example.com: in:inbox \(listing \d+, new\)/);
    expect(output).toContain('cycle 1: 6 stored; 6 found, 6 of them new, 0 to fetch');
    expect(output).toContain('Done: 6 messages found, 6 of them new; 6 emails stored');
    expect(code).toBe(0);
    expect(await storedIds(world)).toEqual(ids);
    expect((await run(ALL)).output).toContain('Done: 6 messages found, 0 of them new; 0 emails stored');
    expect(await storedIds(world)).toEqual(ids);
  });

  it('only plans when asked to, and the next cycle of the deployment works it off', async () => {
    const first = await run([...ALL, '--plan-only']);
    expect(first.code).toBe(0);
    expect(first.output).toContain('The monitor is stopped: after POST start');
    await world.switchOn();
    const second = await run([...ALL, '--plan-only']);
    expect(second.output).toContain(', goes on where it was)');
    expect(second.output).toContain('The deployed poll goes on with it by itself.');
    expect(await storedIds(world)).toEqual([]);
    await world.ingest({ trigger: 'schedule' });
    expect(await storedIds(world)).toEqual(ids);
  });

  it('leaves at Ctrl-C what the deployed poll goes on with by itself', async () => {
    await world.switchOn();
    // Enough for the listing and a message or two: then it waits for the next minute.
    const command = startCommand('backfill', ALL, { ...world.env, GMAIL_QUOTA_UNITS_PER_MINUTE: '60' });
    await command.printed(/Backfill of/);
    command.signal('SIGINT');
    expect(await command.ended()).toBe(130);
    expect(command.output).toContain('Stopped, and nothing is lost. The deployed poll goes on with it');
    expect(await world.rows('select lease_token from mailboxes')).toEqual([{ lease_token: null }]);
    expect(
      await world.rows(
        "select 1 from email_ledger where attempt_open or (state = 'pending' and attempt_count > 0)",
      ),
    ).toEqual([]);
    await world.pass(120);
    await world.ingest({ trigger: 'schedule' });
    expect(await storedIds(world)).toEqual(ids);
  });

  it('does not plan a query that Gmail refuses', async () => {
    world.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'invalidArgument',
      method: 'messages.list',
    });
    const { code, output } = await run(['--query', 'after:nonsense']);
    expect(code).toBe(1);
    expect(output).toContain('Gmail does not take the query "after:nonsense"');
    expect(await world.rows("select 1 from listings where purpose = 'backfill'")).toEqual([]);
  });

  it('says that a message failed for now, leaves it its attempts, and does not pass for done', async () => {
    const [id = ''] = ids;
    world.gmail.faults.add({ kind: 'status', status: 400, messageId: id });
    const { code, output } = await run(ALL);
    expect(code).toBe(1);
    expect(output).toContain('1 message failed for now: the poll tries again by itself.');
    expect(await ledger(world)).toMatchObject({ [id]: 'pending' });
    await run(ALL);
    expect(await world.rows("select attempt_count from email_ledger where state = 'pending'")).toEqual([
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
    world.gmail.revokeRefreshToken();
    expect(await run(ALL)).toMatchObject({
      code: 1,
      output: expect.stringContaining('Gmail refused the refresh token'),
    });
  });
});

describe('the cycles of a backfill', () => {
  async function cyclesOf(
    env: Record<string, string> = {},
    onCycle: () => Promise<unknown> = async () => undefined,
  ): Promise<BackfillCycle[]> {
    const system = createSystem(world.instance(env).context);
    const mailbox = { id: 1, emailAddress: '', failureCount: 0, nextPollAt: null, isDue: true };
    if (system.gmail !== null) await assertQuery(system, system.gmail, mailbox, 'in:inbox');
    const { id } = await plan(system, mailbox, 'in:inbox');
    const cycles: BackfillCycle[] = [];
    for await (const cycle of workOff(system, mailbox, id, 50_000)) {
      cycles.push(cycle);
      await onCycle();
    }
    return cycles;
  }

  it('follow each other within the quota until all is fetched', async () => {
    const cycles = await cyclesOf({ GMAIL_QUOTA_UNITS_PER_MINUTE: '60' });
    expect(cycles.length).toBeGreaterThan(2);
    expect(cycles.at(-1)).toMatchObject({ listing: { isFinished: true }, backlog: { dueCount: 0 } });
    expect(await storedIds(world)).toEqual(ids);
  });

  it('wait for another instance that holds the mailbox', async () => {
    await world.db.query(
      "update mailboxes set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '1 minute'",
    );
    const cycles = await cyclesOf({}, async () => await world.pass(60));
    expect(cycles[0]).toMatchObject({ report: { outcome: 'busy' } });
    expect(await storedIds(world)).toEqual(ids);
  });

  it('end with the fault when it lasts', async () => {
    const asked = cyclesOf();
    world.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    world.gmail.faults.add({ kind: 'status', status: 503, method: 'messages.get' });
    await expect(asked).rejects.toMatchObject({ code: 'gmail_unavailable' });
  });
});
