import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Lease } from '../../shared/db/lease.ts';
import { secretNameOf } from '../../shared/mailbox-access.ts';
import { findMailboxSettings } from '../../shared/mailboxes/mailbox-settings.ts';
import { runToEnd } from '../helpers/command-process.ts';
import { changeMailbox, leasedMailbox, mailboxRow } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

// Each command is a separate process, which starts slowly on a busy machine. A test runs up to eight of them.
vi.setConfig({ testTimeout: 90_000 });

const ANN = 'ann@example.com';

let db: TestDatabase;
let first: Lease;

/** The first mailbox is first@example.com; the monitor is on. */
beforeEach(async () => {
  db = await createTestDatabase();
  first = await leasedMailbox(db);
  await changeMailbox(
    db,
    first,
    "email_address = 'first@example.com', credential_fingerprint = 'first', last_success_at = now()",
  );
  await db.query("update email_monitor_status set credential_fingerprint = 'first', is_running = true");
  await db.query("insert into ledger_changes (mailbox_id, state, change) values ($1, 'stored', 1234)", [
    first.mailboxId,
  ]);
});
afterEach(async () => await db.close());

async function mailbox(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return await runToEnd('mailbox', args, { DATABASE_URL: db.url, ...env });
}

describe('npm run mailbox -- add', () => {
  it('adds a mailbox with label and query, and names the command that asks for consent', async () => {
    const { code, output } = await mailbox([
      'add',
      'Ann@Example.com',
      '--label',
      'Orders',
      '--query',
      'in:inbox',
    ]);
    expect(code).toBe(0);
    expect(output).toContain(`Added ${ANN}. Next, its owner agrees once:`);
    expect(output).toContain(
      `npm run authorize -- --mailbox ${ANN} --client-secret client_secret.json --secret-manager`,
    );
    expect(output).toContain('set GMAIL_MAILBOX_SECRETS to an absolute folder and use --write');
    expect(output).toContain('The first run with credentials checks that Gmail has the label "Orders".');
    expect(await findMailboxSettings(db, ANN)).toMatchObject({
      access: 'refresh_token',
      label: 'Orders',
      initialQuery: 'in:inbox',
      isPaused: false,
      secretName: expect.stringMatching(/^ann-example-com-[0-9a-f]{12}$/),
    });
  });

  it('accepts every address that the console accepts, and quotes it in the commands for a shell', async () => {
    const added = await mailbox(['add', "Pat.O'Brien@example.com"]);
    expect(added.output).toContain(
      "npm run authorize -- --mailbox 'pat.o'\\''brien@example.com' --client-secret client_secret.json",
    );
    const paused = await mailbox(['pause', "pat.o'brien@example.com"]);
    expect(paused.output).toContain("npm run mailbox -- resume 'pat.o'\\''brien@example.com'");
    const lease = await leasedMailbox(db);
    await changeMailbox(db, lease, "email_address = 'pat.o''brien@example.com'");
    await db.query('update mailbox_settings set mailbox_id = $1', [lease.mailboxId]);
    const removed = await mailbox(['remove', "pat.o'brien@example.com"]);
    expect(removed.output).toContain("npm run erase -- --mailbox 'pat.o'\\''brien@example.com'");
  });

  it('asks for no consent when the folder has the credentials already', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'email-monitor-secrets-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, `${secretNameOf(ANN)}.json`);
    writeFileSync(path, '{}');
    const { output } = await mailbox(['add', ANN], { GMAIL_MAILBOX_SECRETS: folder });
    expect(output).toContain(
      `Added ${ANN}. The next poll uses the credentials that are there already: ${path}`,
    );
    expect(output).not.toContain('authorize');
  });

  it('proposes --write when the secrets are in a folder', async () => {
    const { output } = await mailbox(['add', ANN], { GMAIL_MAILBOX_SECRETS: '/srv/secrets' });
    expect(output).toContain(`--mailbox ${ANN} --client-secret client_secret.json --write\n`);
    expect(output).not.toContain('GMAIL_MAILBOX_SECRETS');
  });

  it('says what the Workspace administrator enters for delegation, and which setting is missing', async () => {
    const missing = await mailbox(['add', ANN, '--delegation']);
    expect([missing.code, missing.output]).toEqual([
      0,
      expect.stringContaining('GMAIL_DELEGATION_SERVICE_ACCOUNT is not set here.'),
    ]);
    const { output } = await mailbox(['add', 'bob@example.com', '--delegation'], {
      GMAIL_DELEGATION_SERVICE_ACCOUNT: 'reader@p.iam.gserviceaccount.com',
    });
    expect(output).toContain('Manage domain-wide delegation > Add new:');
    expect(output).toContain(
      "service-accounts describe reader@p.iam.gserviceaccount.com --format='value(uniqueId)'",
    );
    expect(output).toContain('https://www.googleapis.com/auth/gmail.readonly');
    expect(output).not.toContain('is not set');
    expect(await findMailboxSettings(db, 'bob@example.com')).toMatchObject({
      access: 'delegation',
      secretName: null,
    });
  });

  it('rejects the first mailbox and a mailbox that was added before', async () => {
    const refused = await mailbox(['add', 'FIRST@example.com']);
    expect([refused.code, refused.output]).toEqual([
      1,
      expect.stringContaining(
        'first@example.com is read already: it is the first mailbox, whose credentials',
      ),
    ]);
    await mailbox(['add', ANN]);
    const again = await mailbox(['add', ANN, '--delegation']);
    expect([again.code, again.output]).toEqual([
      1,
      `${ANN} was added before. To change its access or label, remove it first. Its query counted for the first listing only: a backfill fetches older email.\n`,
    ]);
    expect(await findMailboxSettings(db, ANN)).toMatchObject({ access: 'refresh_token' });
  });
});

describe('npm run mailbox -- list', () => {
  it('prints a table with access, state, pause, stored count and last error of every mailbox', async () => {
    await mailbox(['add', ANN]);
    await mailbox(['add', 'bob@example.com', '--delegation']);
    await mailbox(['pause', 'bob@example.com']);
    await db.query(
      "update mailbox_settings set last_error_code = 'mailbox_secret_missing', last_error = 'x: 404.' where email_address = $1",
      [ANN],
    );
    const { code, output } = await mailbox(['list']);
    expect(code).toBe(0);
    const cells = output
      .trim()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(cells).toEqual([
      ['mailbox', 'access', 'state', 'paused', 'stored', 'last error'],
      expect.anything(),
      ['first@example.com', 'environment', 'polled', 'no', '1,234'],
      [ANN, 'refresh token', 'reauth required', 'no', 'unknown', 'mailbox_secret_missing: x: 404.'],
      ['bob@example.com', 'delegation', 'paused', 'yes', 'unknown'],
    ]);
  });

  it('does not show a mailbox as polled when Gmail did not answer the last run', async () => {
    await db.query(
      "update mailboxes set last_success_at = now() - interval '2 minutes', last_run_ended_at = now()",
    );
    const [first] = JSON.parse((await mailbox(['list', '--json'])).output);
    expect(first).toMatchObject({
      email_address: 'first@example.com',
      state: 'catching_up',
      last_error: null,
    });
  });

  it('puts the address into the command that a remediation names', async () => {
    await mailbox(['add', ANN]);
    await db.query("update mailbox_settings set last_error_code = 'mailbox_secret_missing'");
    const [, listed] = JSON.parse((await mailbox(['list', '--json'])).output);
    expect(listed.last_error.remediation).toContain(`npm run authorize -- --mailbox ${ANN} --secret-manager`);
  });

  it('prints objects for programs, with null for what is unknown and the remediation of an error', async () => {
    await mailbox(['add', ANN, '--label', 'Orders']);
    await db.query("update mailbox_settings set last_error_code = 'mailbox_not_found'");
    const listed = JSON.parse((await mailbox(['list', '--json'])).output);
    expect(listed).toHaveLength(2);
    expect(listed[0]).toMatchObject({ access: 'environment', stored_count: 1234, last_error: null });
    expect(listed[1]).toEqual({
      email_address: ANN,
      access: 'refresh_token',
      state: 'access_denied',
      is_paused: false,
      label: 'Orders',
      initial_query: null,
      stored_count: null,
      failure_count: 0,
      last_success_at: null,
      last_error: {
        code: 'mailbox_not_found',
        detail: null,
        remediation: expect.stringContaining('Workspace Admin console'),
      },
    });
  });

  it('says how to begin when there is no mailbox', async () => {
    const empty = await createTestDatabase();
    const { code, output } = await runToEnd('mailbox', ['list'], { DATABASE_URL: empty.url });
    await empty.close();
    expect([code, output]).toEqual([0, expect.stringContaining('There is no mailbox yet')]);
  });
});

describe('npm run mailbox -- pause and resume', () => {
  it('change the first mailbox and an added one, and may run twice', async () => {
    await mailbox(['add', ANN]);
    for (const address of ['first@example.com', ANN]) {
      for (let run = 0; run < 2; run += 1) {
        const { code, output } = await mailbox(['pause', address]);
        expect([code, output]).toEqual([0, expect.stringContaining(`Paused ${address}.`)]);
      }
      expect(await findMailboxSettings(db, address)).toMatchObject({ isPaused: true });
      expect((await mailbox(['resume', address])).output).toBe(
        `Resumed ${address}. The next poll fetches what has arrived since the pause.\n`,
      );
      expect(await findMailboxSettings(db, address)).toMatchObject({ isPaused: false });
    }
  });

  it('promise no poll while the monitor is stopped', async () => {
    await db.query('update email_monitor_status set is_running = false');
    expect((await mailbox(['resume', 'first@example.com'])).output).toBe(
      'Resumed first@example.com. The monitor is stopped: after POST start, the poll fetches what has arrived since the pause.\n',
    );
    for (const args of [
      ['add', ANN],
      ['add', 'bob@example.com', '--delegation'],
    ])
      expect((await mailbox(args)).output).toMatch(
        /\nThe monitor is stopped: after POST start, the poll (then )?fetches its emails. `npm run doctor/,
      );
  });

  it('end with exit code 1 for an address that was not added', async () => {
    for (const verb of ['pause', 'resume', 'remove']) {
      const { code, output } = await mailbox([verb, 'carol@example.com']);
      expect([code, output]).toEqual([1, expect.stringContaining('carol@example.com was not added.')]);
    }
  });
});

describe('npm run mailbox -- remove', () => {
  it('deletes the settings and the credentials in the database, and says what stays and how to delete it', async () => {
    const lease = await leasedMailbox(db);
    await changeMailbox(db, lease, `email_address = '${ANN}', credential_fingerprint = 'ann'`);
    await mailbox(['add', ANN]);
    const { secretName } = (await findMailboxSettings(db, ANN)) ?? {};
    const { code, output } = await mailbox(['remove', ANN], {
      GMAIL_MAILBOX_SECRETS: 'projects/orders-example/secrets/orders-mailbox_',
    });
    expect(code).toBe(0);
    expect(output).toContain('Its stored emails and its ledger stay.');
    expect(output).toContain(`npm run erase -- --mailbox ${ANN}`);
    expect(output).toContain(
      `gcloud secrets delete orders-mailbox_-${secretName} --project orders-example\n`,
    );
    expect(await findMailboxSettings(db, ANN)).toBeNull();
    expect(await mailboxRow(db, lease)).toMatchObject({ email_address: ANN, credential_fingerprint: null });
    const listed = JSON.parse((await mailbox(['list', '--json'])).output);
    expect(listed[1]).toMatchObject({ email_address: ANN, access: null, state: 'not_read' });
  });

  it('names the file of the secret, or how the name of the secret ends when GMAIL_MAILBOX_SECRETS is not set', async () => {
    await mailbox(['add', ANN]);
    const file = await mailbox(['remove', ANN], { GMAIL_MAILBOX_SECRETS: '/srv/secrets' });
    expect(file.output).toMatch(/rm \/srv\/secrets\/ann-example-com-[0-9a-f]{12}\.json\n/);
    await mailbox(['add', ANN]);
    const unset = await mailbox(['remove', ANN]);
    expect(unset.output).toMatch(
      /If a secret was stored, it stays: its name ends in ann-example-com-[0-9a-f]{12}\.\n/,
    );
    expect(unset.output).not.toMatch(/gcloud|PREFIX/);
    await mailbox(['add', ANN, '--delegation']);
    expect((await mailbox(['remove', ANN])).output).not.toContain('secret');
  });

  it('removes a mailbox whose address another account has now, by the text that the list shows', async () => {
    await mailbox(['add', ANN, '--delegation']);
    const former = `formerly ${ANN} (mailbox 7)`;
    await db.query('update mailbox_settings set email_address = $1', [former]);
    expect((await mailbox(['add', former])).code).not.toBe(0);
    expect((await mailbox(['remove', former])).code).toBe(0);
    expect(await findMailboxSettings(db, former)).toBeNull();
  });

  it('names no command that erases emails when Gmail never answered for the mailbox', async () => {
    await mailbox(['add', ANN]);
    const { output } = await mailbox(['remove', ANN]);
    expect(output).toContain(`Removed ${ANN}.`);
    expect(output).not.toContain('npm run erase');
  });

  it('does not remove the first mailbox', async () => {
    const { code, output } = await mailbox(['remove', 'first@example.com']);
    expect([code, output]).toEqual([
      1,
      expect.stringContaining('cannot be removed: it is the first mailbox'),
    ]);
    expect(await mailboxRow(db, first)).toMatchObject({ credential_fingerprint: 'first' });
  });
});
