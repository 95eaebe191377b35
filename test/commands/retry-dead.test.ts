import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { setPaused } from '../../shared/mailboxes/mailbox-changes.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { ledger, storedIds } from '../helpers/stored.ts';
import { order } from '../helpers/test-emails.ts';
import { createTestSystem, type TestSystem } from '../helpers/test-system.ts';

// Each command is a separate process, which starts slowly on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

let system: TestSystem;
let ids: string[];

/** Three dead messages: Gmail rejected two, and one crashed its process. */
beforeEach(async () => {
  system = await createTestSystem();
  await system.ingest();
  ids = [1, 2, 3].map((n) => system.gmail.deliver(order(n)).id);
  for (const messageId of ids) system.gmail.faults.add({ kind: 'status', status: 400, messageId, times: 1 });
  await system.ingest();
  await system.db.query(
    `update email_ledger
     set state = 'dead', attempt_count = 8, resolved_at = '2026-11-02T08:00:00Z',
         error_code = case gmail_message_id when $1 then 'killed_process' else error_code end`,
    [ids[2]],
  );
  expect(await states()).toEqual(['dead', 'dead', 'dead']);
});
afterEach(async () => await system.close());

async function states(): Promise<(string | undefined)[]> {
  const known = await ledger(system);
  return ids.map((id) => known[id]);
}

async function run(args: string[], env: Record<string, string> = {}) {
  return await runToEnd('retry-dead', args, { ...system.env, LOG_LEVEL: 'error', ...env });
}

describe('npm run retry-dead', () => {
  it('lists dead messages by error with its remediation, and changes nothing', async () => {
    const { code, output } = await run([]);
    expect(code).toBe(0);
    expect(output).toContain('3 dead messages of orders@example.com');
    expect(output).toContain('gmail_refused: 2 messages');
    expect(output).toContain('killed_process: 1 message\n');
    for (const id of ids) expect(output).toContain(`${id}  8 attempts, dead since 2026-11-02T08:00Z`);
    expect(output).toContain('Nothing was changed.');
    // The output is not a terminal, so it has no colours.
    expect(output).not.toContain('\u001b');
    expect(await states()).toEqual(['dead', 'dead', 'dead']);
  });

  it('requeues all dead messages, which the next poll fetches', async () => {
    await system.turnOn();
    const { code, output } = await run(['--apply']);
    expect([code, output]).toEqual([
      0,
      expect.stringContaining('Requeued 3 messages. The next poll fetches them.\n'),
    ]);
    expect(await system.rows('select distinct state, attempt_count from email_ledger')).toEqual([
      { state: 'pending', attempt_count: 0 },
    ]);
    await system.ingest({ trigger: 'schedule' });
    expect(await storedIds(system)).toEqual(ids.toSorted());
    expect(await run([])).toMatchObject({
      code: 0,
      output: expect.stringContaining('No message of orders@'),
    });
  });

  it('requeues only the messages with the given id or error', async () => {
    expect((await run(['--id', ids[0] ?? '', '--apply'])).output).toContain('Requeued 1 message');
    expect(await states()).toEqual(['pending', 'dead', 'dead']);
    expect((await run(['--code', 'killed_process', '--apply'])).output).toContain('1 dead message of');
    expect(await states()).toEqual(['pending', 'dead', 'pending']);
    expect(await system.rows('select gmail_message_id from email_ledger where is_crash_suspect')).toEqual([
      { gmail_message_id: ids[2] },
    ]);
  });

  it('fetches requeued messages at once with --now, even while the monitor is stopped', async () => {
    const { code, output } = await run(['--apply', '--now']);
    expect([code, output]).toEqual([0, expect.stringContaining('After one run: 3 stored.')]);
    expect(await storedIds(system)).toEqual(ids.toSorted());
  });

  it('reports messages that fail again, and exits with 1', async () => {
    system.gmail.faults.add({ kind: 'status', status: 400, messageId: ids[0] ?? '' });
    const { code, output } = await run(['--apply', '--now']);
    expect(code).toBe(1);
    expect(output).toContain('After one run: 1 pending, 2 stored.');
    expect(output).toContain(`${ids[0]}  gmail_refused: `);
  });

  it('prints the state of a message that is not dead', async () => {
    await run(['--id', ids[0] ?? '', '--apply', '--now']);
    const { code, output } = await run(['--id', ids[0] ?? '', '--id', '18c0ffee00000000']);
    expect(code).toBe(1);
    expect(output).toContain(`${ids[0]}  stored`);
    expect(output).toContain('18c0ffee00000000  not in the ledger');
  });

  it('requeues those of the given ids that are dead, prints the state of the others, and exits with 1', async () => {
    await run(['--id', ids[0] ?? '', '--apply', '--now']);
    const { code, output } = await run([
      '--apply',
      ...['18c0ffee00000000', ids[0] ?? '', ids[1] ?? ''].flatMap((id) => ['--id', id]),
    ]);
    expect(await states()).toEqual(['stored', 'pending', 'dead']);
    expect(output).toContain('Requeued 1 message.');
    expect(output).toContain(
      `No dead message matches:\n  18c0ffee00000000  not in the ledger\n  ${ids[0]}  stored\n`,
    );
    expect(code).toBe(1);
  });

  it('says that a paused mailbox has to be resumed', async () => {
    await system.turnOn();
    await setPaused(system.db, 'orders@example.com', true);
    expect((await run(['--apply'])).output).toContain(
      'Requeued 3 messages. The mailbox is paused: after `npm run mailbox -- resume orders@example.com`, the poll fetches them.\n',
    );
    await system.rows("update email_ledger set state = 'dead', resolved_at = now()");
    await system.call('stop');
    expect((await run(['--apply'])).output).toContain(
      'Requeued 3 messages. The mailbox is paused and the monitor is stopped: after `npm run mailbox -- resume orders@example.com` and POST start, the poll fetches them.\n',
    );
  });

  it('says that a mailbox has to be added that no credentials read', async () => {
    await system.turnOn();
    await system.db.query('update mailboxes set credential_fingerprint = null');
    const bare = { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '', GMAIL_REFRESH_TOKEN: '' };
    expect((await run(['--apply'], bare)).output).toContain(
      'Requeued 3 messages. The mailbox is not read: after `npm run mailbox -- add orders@example.com`, the poll fetches them.\n',
    );
  });

  it('works without credentials, and needs --mailbox when there are several mailboxes', async () => {
    const bare = { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '', GMAIL_REFRESH_TOKEN: '' };
    expect((await run(['--code', 'gmail_refused', '--apply'], bare)).output).toContain(
      'Requeued 2 messages. The monitor is stopped: after POST start, the poll fetches them.\n',
    );
    await system.db.query(
      "insert into mailboxes (email_address, cursor_history_id) values ('b@example.com', 1)",
    );
    expect(await run([], bare)).toMatchObject({
      code: 1,
      output: expect.stringMatching(/--mailbox is missing.*orders@example\.com, b@example\.com/),
    });
    expect((await run(['--mailbox', 'B@example.com'], bare)).output).toContain('No message of b@example.com');
    expect(await run(['--apply', '--now'], bare)).toMatchObject({
      code: 1,
      output: expect.stringContaining('Not set: GMAIL_CLIENT_ID'),
    });
  });

  it('rejects invalid options without a stack trace', async () => {
    for (const [args, text] of [
      [['--now'], '--now needs --apply'],
      [['--id', '<a@example.com>'], '--id "<a@example.com>" is invalid: expected a Gmail message id'],
      [['--code', 'No!'], '--code "No!" is invalid: expected an error code'],
      [['--all'], 'Run `npm run retry-dead -- --help` for the usage.'],
    ] as const) {
      const { code, output } = await run([...args]);
      expect([code, output]).toEqual([1, expect.stringContaining(text)]);
      expect(output).not.toMatch(/^ {4}at /m);
    }
    expect(await run(['--help'])).toMatchObject({
      code: 0,
      output: expect.stringContaining('cloud-sql-proxy'),
    });
    expect(await states()).toEqual(['dead', 'dead', 'dead']);
  });
});
