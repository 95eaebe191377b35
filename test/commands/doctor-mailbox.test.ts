/** `npm run doctor -- --mailbox ADDRESS`: the first mailbox and added ones, with one problem at a time. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  emulatedCredentials,
  ManyAccounts,
  type RunningGmail,
  refreshTokenOf,
  startEmulatedGmail,
} from '../../emulators/gmail/emulated-gmail.ts';
import { FAULTS } from '../../emulators/google-faults.ts';
import { type EmulatedSigner, startSignJwt } from '../../emulators/iam/sign-jwt.ts';
import { secretNameOf } from '../../shared/mailbox-access.ts';
import { addMailbox, setPaused } from '../../shared/mailboxes/mailbox-changes.ts';
import { findMailboxSettings } from '../../shared/mailboxes/mailbox-settings.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';
import { checkAll, expectProblems, runDoctor } from './doctor-fixture.ts';

// A process starts slowly on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const ANN = 'ann@example.com';
const BOB = 'bob@example.com';
const TOPIC = 'projects/demo/topics/gmail';
const NAMES =
  'node environment database migrations grants status_row mailbox secret credentials scope publishing_status gmail_api label ' +
  'history_cursor quota watch';

let db: TestDatabase;
let accounts: ManyAccounts;
let server: RunningGmail;
let signer: EmulatedSigner;
let folder: string;
let env: Record<string, string>;

/** Ann has a secret, Bob is read by delegation. Gmail has answered for both. The first mailbox is first@example.com. */
beforeEach(async () => {
  accounts = new ManyAccounts();
  for (const name of ['first', 'ann', 'bob']) accounts.add({ emailAddress: `${name}@example.com` });
  [db, server, signer] = await Promise.all([
    createTestDatabase(),
    startEmulatedGmail(accounts),
    startSignJwt(['reader@p.iam.gserviceaccount.com']),
  ]);
  folder = mkdtempSync(join(tmpdir(), 'doctor-mailbox-'));
  env = {
    DATABASE_URL: db.url,
    GMAIL_API_ROOT_URL: server.rootUrl,
    GOOGLE_OAUTH_TOKEN_URL: server.tokenUrl,
    IAM_CREDENTIALS_API_ROOT_URL: signer.rootUrl,
    GMAIL_DELEGATION_SERVICE_ACCOUNT: 'reader@p.iam.gserviceaccount.com',
    GMAIL_MAILBOX_SECRETS: folder,
    GMAIL_CLIENT_ID: emulatedCredentials.clientId,
    GMAIL_CLIENT_SECRET: emulatedCredentials.clientSecret,
    GMAIL_REFRESH_TOKEN: emulatedCredentials.refreshToken,
    GMAIL_PUBSUB_TOPIC: TOPIC,
  };
  await db.query("update email_monitor_status set credential_fingerprint = 'first', is_running = true");
  for (const name of ['first', 'ann', 'bob']) await insertMailbox(name);
  const settings = { label: null, initialQuery: null };
  await addMailbox(db, { ...settings, emailAddress: ANN, access: 'refresh_token' });
  await addMailbox(db, { ...settings, emailAddress: BOB, access: 'delegation' });
  writeSecret(refreshTokenOf(1));
});
afterEach(async () => {
  await Promise.all([db.close(), server.close()]);
  signer.close();
  rmSync(folder, { recursive: true });
});

async function insertMailbox(name: string): Promise<void> {
  const historyId = accounts.byAddress(`${name}@example.com`)?.historyId;
  await db.query(
    `with added as (
       insert into mailboxes (email_address, credential_fingerprint, cursor_history_id)
       values ($1::text || '@example.com', $1::text, $2::numeric)
       returning id
     ),
     quota as (
       insert into mailbox_quota (mailbox_id, available_units) select id, 5900 from added
     )
     insert into mailbox_watches (mailbox_id, topic, registered_at, expires_at)
     select id, $3::text, now(), now() + interval '6 days'
     from added`,
    [name, historyId, TOPIC],
  );
}

function writeSecret(refreshToken: string): void {
  const { clientId: client_id, clientSecret: client_secret } = emulatedCredentials;
  writeFileSync(
    join(folder, `${secretNameOf(ANN)}.json`),
    JSON.stringify({ client_id, client_secret, refresh_token: refreshToken }),
  );
}

const check = async (address: string, more: Record<string, string> = {}) =>
  await checkAll({ ...env, ...more }, address);

describe('npm run doctor -- --mailbox', () => {
  it.each([
    ['first@example.com', 'read from the environment variables'],
    [ANN, 'read from /'],
    [BOB, 'none is needed: reader@p.iam.gserviceaccount.com has delegation'],
  ])(
    'reports no problem for %s, and checks secret, account, label, cursor, quota and watch',
    async (address, secret) => {
      const output = await runDoctor(['--mailbox', address.toUpperCase()], env);
      expectProblems(output, {});
      expect(output.findings.map((result) => result.name).join(' ')).toBe(NAMES);
      const text = (name: string) => output.findings.find((result) => result.name === name)?.text;
      expect(text('secret')).toContain(secret);
      expect(text('gmail_api')).toBe(`answers for the mailbox ${address}`);
      expect(text('history_cursor')).toContain('Gmail has the history after');
      expect(text('watch')).toContain(`Gmail publishes to ${TOPIC} until`);
      expect(JSON.stringify(output)).not.toContain(emulatedCredentials.refreshToken);
    },
  );

  it('says how to add a mailbox that was not added', async () => {
    expectProblems(await check('carol@example.com'), {
      mailbox: ['fail', /carol@example\.com was not added/, /npm run mailbox -- add carol@example\.com/],
    });
    expectProblems(await check("c.o'neil@example.com"), {
      mailbox: ['fail', /was not added/, /npm run mailbox -- add 'c\.o'\\''neil@example\.com'/],
    });
  });

  it('says which command asks for the missing credentials', async () => {
    rmSync(join(folder, `${secretNameOf(ANN)}.json`));
    expectProblems(await check(ANN), {
      secret: [
        'fail',
        /has no credentials: .* does not exist/,
        /npm run authorize -- --mailbox ann@example\.com --sec/,
      ],
    });
  });

  it('finds credentials of another account', async () => {
    writeSecret(refreshTokenOf(2));
    expectProblems(await check(ANN), {
      gmail_api: ['fail', /those of bob@example\.com, not of ann@example\.com/, /log in with that address/],
    });
  });

  it('finds a revoked token, and a delegation that the domain does not allow', async () => {
    accounts.byAddress(ANN)?.revokeRefreshToken();
    expectProblems(await check(ANN), {
      credentials: ['fail', /rejected the refresh token/, /--mailbox ann@example\.com/],
    });
    const bob = accounts.byAddress(BOB);
    if (bob) bob.oauth.allowsDelegation = false;
    expectProblems(await check(BOB), {
      credentials: ['fail', /does not allow the service account/, /Manage domain-wide delegation/],
    });
  });

  it('finds a missing role of the caller, and a missing service account', async () => {
    signer.fault = FAULTS.denied;
    expectProblems(await check(BOB), {
      credentials: ['fail', /may not sign.*403 IAM_PERMISSION_DENIED/, /serviceAccountTokenCreator/],
    });
    expectProblems(await check(BOB, { GMAIL_DELEGATION_SERVICE_ACCOUNT: '' }), {
      secret: ['fail', /no service account is set/, /GMAIL_DELEGATION_SERVICE_ACCOUNT/],
    });
  });

  it('finds a missing label of the mailbox, an expired cursor and a failed watch', async () => {
    await db.query("update mailbox_settings set label = 'Nowhere' where email_address = $1", [ANN]);
    await db.query("update mailbox_watches set error_code = 'watch_denied', error = 'x'");
    await db.query('update mailboxes set cursor_history_id = 1');
    accounts.byAddress(ANN)?.expireHistory();
    expectProblems(await check(ANN), {
      label: ['fail', /The Gmail label does not exist.*"Nowhere"/, /Create the label/],
      history_cursor: ['warn', /no longer has the history after 1/, /POST start/],
      watch: ['fail', /watch_denied, x/, /pubsub\.publisher/],
    });
  });

  it('checks GMAIL_LABEL_ID for the first mailbox only', async () => {
    const label = { GMAIL_LABEL_ID: 'Nowhere' };
    expectProblems(await check(ANN, label), {});
    expectProblems(await check('first@example.com', label), {
      label: ['fail', /"Nowhere"/, /Create the label/],
    });
  });

  it('shows a pause, and the error of the last run', async () => {
    await setPaused(db, ANN, true);
    await db.query('update mailbox_watches set expires_at = now() where mailbox_id = 2');
    await db.query(
      "update mailboxes set last_error_code = 'mail_service_disabled', last_error = 'x', failure_count = 2",
    );
    expectProblems(await check(ANN), {
      mailbox: ['warn', /is paused/, /npm run mailbox -- resume ann@example\.com/],
    });
    expectProblems(await check(BOB), {
      mailbox: ['fail', /after 2 failed runs: mail_service_disabled, x/, /licence/],
    });
  });

  it('without --mailbox summarises the added ones in one line', async () => {
    const line = async () =>
      (await checkAll(env)).findings.find((result) => result.name === 'added_mailboxes');
    expect(await line()).toMatchObject({ state: 'ok', text: '2 added, none with an error' });
    await setPaused(db, BOB, true);
    await db.query(
      "update mailboxes set last_error_code = 'reauth_required' where email_address <> 'first@example.com'",
    );
    expect(await line()).toMatchObject({
      state: 'fail',
      text: '2 added, 1 paused, 1 with an error: ann@example.com (reauth_required)',
      remediation: expect.stringContaining('npm run doctor -- --mailbox ann@example.com'),
    });
    expect(await findMailboxSettings(db, BOB)).toMatchObject({ isPaused: true });
  });
});
