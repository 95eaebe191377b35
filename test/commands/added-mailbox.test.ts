/** Commands that make runs, for an added mailbox: with its own credentials, and without any in the environment. */
import { expect, it, vi } from 'vitest';
import { runToEnd } from '../helpers/command-process.ts';
import { useManyMailboxes } from '../helpers/many-mailboxes.ts';
import { mail } from '../helpers/test-emails.ts';

// Each command is a separate process, which starts slowly on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const createSystem = useManyMailboxes();
const ANN = 'ann@example.com';
const WITHOUT_CREDENTIALS = { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '', GMAIL_REFRESH_TOKEN: '' };

async function systemWithOldMail() {
  const system = await createSystem();
  const ann = await system.add(ANN);
  ann.gmail.deliver(mail('Old'), { labelIds: ['INBOX'], internalDate: new Date('2025-11-02T08:00:00Z') });
  await system.call('pollNow');
  expect(await system.storedOf(ANN)).toEqual([]);
  const env = { ...system.env, ...WITHOUT_CREDENTIALS, LOG_LEVEL: 'error' };
  return { system, run: async (command: string, args: string[]) => await runToEnd(command, args, env) };
}

it('backfill --mailbox fetches older email of the added mailbox', async () => {
  const { run, system } = await systemWithOldMail();
  const { code, output } = await run('backfill', ['--query', 'in:inbox', '--mailbox', ANN]);
  expect(output).toContain('Backfill of ann@example.com');
  expect(code).toBe(0);
  expect(await system.storedOf(ANN)).toEqual(['Old']);
});

it('backfill --mailbox rejects an address that was not added', async () => {
  const { run } = await systemWithOldMail();
  const { code, output } = await run('backfill', ['--query', 'in:inbox', '--mailbox', 'eve@example.com']);
  expect(output).toContain('--mailbox names eve@example.com, which is not a mailbox.');
  expect(code).not.toBe(0);
});

it('retry-dead --mailbox --apply --now fetches a dead message of the added mailbox', async () => {
  const { run, system } = await systemWithOldMail();
  await run('backfill', ['--query', 'in:inbox', '--mailbox', ANN, '--plan-only']);
  await system.call('pollNow');
  await system.rows('delete from incoming_emails');
  await system.rows("update email_ledger set state = 'dead', next_attempt_at = now() + interval '1 day'");
  const { code, output } = await run('retry-dead', ['--mailbox', ANN, '--apply', '--now']);
  expect(output).toContain('After one run: 1 stored.');
  expect(code).toBe(0);
  expect(await system.storedOf(ANN)).toEqual(['Old']);
});

it('retry-dead --apply --now changes nothing for a mailbox that it cannot fetch for', async () => {
  const { run, system } = await systemWithOldMail();
  await run('backfill', ['--query', 'in:inbox', '--mailbox', ANN, '--plan-only']);
  await system.call('pollNow');
  await system.rows("update email_ledger set state = 'dead', resolved_at = now()");
  await run('mailbox', ['remove', ANN]);
  const { code, output } = await run('retry-dead', ['--mailbox', ANN, '--apply', '--now']);
  expect(output).toContain(
    `--now cannot fetch for ${ANN}: the mailbox was removed, or its credentials are not set here. Nothing was changed.`,
  );
  expect(code).toBe(1);
  expect(await system.rows('select distinct state from email_ledger')).toEqual([{ state: 'dead' }]);
});

it('backfill --mailbox of a mailbox that no run has reached names the command that says why', async () => {
  const { run, system } = await systemWithOldMail();
  await system.rows(
    "insert into mailbox_settings (email_address, access, secret_name) values ('eve@example.com', 'refresh_token', 'none')",
  );
  const { code, output } = await run('backfill', ['--query', 'in:inbox', '--mailbox', 'eve@example.com']);
  expect(output).toContain(
    'No run has reached eve@example.com yet. To see why: npm run doctor -- --mailbox eve@example.com',
  );
  expect(code).toBe(1);
});

it('poll-now of a mailbox without credentials names it in the command of the remediation', async () => {
  const { system } = await systemWithOldMail();
  await system.rows(
    "insert into mailbox_settings (email_address, access, secret_name) values ('eve@example.com', 'refresh_token', 'none')",
  );
  const { json } = await system.call('pollNow', { query: { mailbox: 'eve@example.com' } });
  expect(json).toMatchObject({
    code: 'mailbox_secret_missing',
    remediation: expect.stringContaining('--mailbox eve@example.com'),
  });
});
