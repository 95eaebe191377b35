/** Which account an added mailbox belongs to, and what happens while one of several mailboxes cannot be reached. */
import { describe, expect, it } from 'vitest';
import { type EmulatedGmail, refreshTokenOf } from '../../emulators/gmail/emulated-gmail.ts';
import { addMailbox, setPaused } from '../../shared/mailboxes/mailbox-changes.ts';
import { type ManyMailboxes, useManyMailboxes } from '../helpers/many-mailboxes.ts';
import { mail } from '../helpers/test-emails.ts';

const createSystem = useManyMailboxes();
const ANN = 'ann@example.com';
const BOB = 'bob@example.com';
const FIRST = 'orders@example.com';
/** An instance rereads the credentials of a mailbox after it. */
const AN_HOUR = 3_601;

interface SettingsRow {
  readonly email_address: string;
  readonly mailbox_id: number | null;
  readonly failure_count: number;
  readonly last_error_code: string | null;
}

async function settings(system: ManyMailboxes): Promise<SettingsRow[]> {
  return await system.rows<SettingsRow>(
    'select email_address, mailbox_id, failure_count, last_error_code from mailbox_settings order by id',
  );
}

async function addresses(system: ManyMailboxes): Promise<string[]> {
  const rows = await system.rows<{ email_address: string }>(
    'select email_address from mailboxes order by id',
  );
  return rows.map(({ email_address }) => email_address);
}

async function errorOf(system: ManyMailboxes, address: string): Promise<string | null | undefined> {
  const [row] = await system.rows<{ last_error_code: string | null }>(
    'select last_error_code from mailboxes where email_address = $1',
    [address],
  );
  return row?.last_error_code;
}

/** The address of each account is checked with its next reconciliation. */
async function reconcile(system: ManyMailboxes): Promise<void> {
  await age(system);
  await system.call('poll');
}

async function age(system: ManyMailboxes): Promise<void> {
  await system.pass(1_800);
  await system.rows("update mailboxes set created_at = created_at - interval '1800 seconds'");
}

/** Another refresh token of an account. */
function newToken(system: ManyMailboxes, gmail: EmulatedGmail): string {
  const token = `1//new@${system.accounts?.all.indexOf(gmail)}@token`;
  gmail.reauthorize(token);
  return token;
}

/** Both are identified. */
async function knownSystem() {
  const system = await createSystem();
  const ann = await system.add(ANN);
  const bob = await system.add(BOB);
  await system.turnOn();
  await system.call('poll');
  return { system, ann, bob };
}

it('the first mailbox, which was paused before, runs on when its account gets an address that was added', async () => {
  const system = await createSystem();
  await system.turnOn();
  await system.call('poll');
  await setPaused(system.db, FIRST, true);
  await setPaused(system.db, FIRST, false);
  const access = { access: 'refresh_token', label: null, initialQuery: null } as const;
  await addMailbox(system.db, { emailAddress: ANN, ...access });
  system.writeSecret(ANN, refreshTokenOf(0));
  system.gmail.renameAccount(ANN);
  system.gmail.deliver(mail('Order'));
  await reconcile(system);
  expect(await addresses(system)).toEqual([ANN]);
  expect(await errorOf(system, ANN)).toBeNull();
  expect(await system.storedOf(ANN)).toEqual(['Order']);
  expect(await settings(system)).toMatchObject([
    { mailbox_id: 1 },
    { email_address: ANN, mailbox_id: null, last_error_code: 'wrong_account' },
  ]);
});

it('an account that is the first mailbox and was added under its new address is not stored twice for long', async () => {
  const system = await createSystem();
  await system.turnOn();
  await system.call('poll');
  // Before the first mailbox is identified again.
  system.gmail.renameAccount(ANN);
  const token = '1//new@0@token';
  system.gmail.reauthorize(token);
  system.writeSecret(ANN, token);
  await addMailbox(system.db, {
    emailAddress: ANN,
    access: 'refresh_token',
    label: null,
    initialQuery: null,
  });
  await system.call('pollNow', { query: { mailbox: ANN } });
  expect(await addresses(system)).toEqual([FIRST, ANN]);
  for (const subject of ['One', 'Two', 'Three']) {
    system.gmail.deliver(mail(subject));
    await reconcile(system);
  }
  const second = `formerly ${ANN} (mailbox 2)`;
  expect(await addresses(system)).toEqual([ANN, second]);
  expect(await system.storedOf(ANN)).toEqual(['One', 'Three', 'Two']);
  // Nothing shows that both are one account until the first mailbox is renamed, which happens in the run that stores One.
  expect(await system.storedOf(second)).not.toContain('Two');
  expect(await errorOf(system, ANN)).toBeNull();
  expect(await errorOf(system, second)).toBe('wrong_account');

  // A work message for the address is one for the first mailbox.
  system.gmail.deliver(mail('Work'));
  await age(system);
  const data = Buffer.from(JSON.stringify({ mailbox: ANN })).toString('base64');
  await system.call('ingestMailbox', { body: { message: { data, messageId: '1' } } });
  expect(await system.storedOf(ANN)).toContain('Work');
});

describe('before an added mailbox is identified', () => {
  it('nothing is stored when its credentials belong to another account', async () => {
    const system = await createSystem();
    const ann = await system.add(ANN);
    system.accounts?.add({ emailAddress: 'eve@example.com' }).deliver(mail('Secret'));
    system.writeSecret(ANN, refreshTokenOf(2));
    await system.turnOn();
    expect((await system.call('poll')).json).toMatchObject({ mailboxes: 2, failed_mailboxes: 1 });
    expect(await addresses(system)).toEqual([FIRST]);
    expect(await settings(system)).toEqual([
      { email_address: ANN, mailbox_id: null, failure_count: 1, last_error_code: 'wrong_account' },
    ]);
    expect(await system.rows('select id from incoming_emails')).toEqual([]);

    // The first mailbox shows no error of another one, and works.
    const status = await system.rows('select last_error_code from email_monitor_status');
    expect(status).toEqual([{ last_error_code: null }]);
    expect((await system.call('poll')).json).toMatchObject({ mailboxes: 1, failed_mailboxes: 0 });

    system.writeSecret(ANN, refreshTokenOf(1));
    ann.gmail.deliver(mail('Order'));
    await system.pass(AN_HOUR);
    await system.call('poll');
    expect(await system.storedOf(ANN)).toEqual(['Order']);
    expect(await settings(system)).toMatchObject([{ failure_count: 0, last_error_code: null }]);
  });

  it('it is tried again after 5 seconds, doubled for each failure up to 300', async () => {
    const system = await createSystem();
    await system.add(ANN);
    system.deleteSecret(ANN);
    await system.turnOn();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      await system.call('poll');
      const [row] = await system.rows<{ wait: number }>(
        'select extract(epoch from next_attempt_at - now())::double precision as wait from mailbox_settings',
      );
      waits.push(row?.wait ?? 0);
      await system.pass(300);
    }
    for (const [attempt, seconds] of [5, 10, 20, 40, 80, 160, 300, 300].entries()) {
      expect(waits[attempt]).toBeLessThanOrEqual(seconds);
      // Some of the wait has passed on a busy machine.
      expect(waits[attempt]).toBeGreaterThan(seconds / 2);
    }
    expect(await settings(system)).toMatchObject([{ last_error_code: 'mailbox_secret_missing' }]);
  });

  it('it has its own label and query', async () => {
    const system = await createSystem();
    const ann = await system.add(ANN, { label: 'Wanted', initialQuery: 'subject:old' });
    const label = ann.gmail.createLabel('Wanted');
    ann.gmail.deliver(mail('Old order'), { labelIds: ['INBOX', label] });
    ann.gmail.deliver(mail('Old without the label'));
    await system.turnOn();
    await system.call('poll');
    ann.gmail.deliver(mail('New order'), { labelIds: ['INBOX', label] });
    ann.gmail.deliver(mail('Other'));
    system.gmail.deliver(mail('First'));
    await system.call('poll');
    expect(await system.storedOf(ANN)).toEqual(['New order', 'Old order']);
    expect(await system.storedOf(FIRST)).toEqual(['First']);
  });
});

it('an added mailbox without a label takes all received mail, whatever the label of the first one', async () => {
  const system = await createSystem({ env: { GMAIL_LABEL_ID: 'Wanted' } });
  const wanted = system.gmail.createLabel('Wanted');
  const ann = await system.add(ANN);
  await system.turnOn();
  ann.gmail.deliver(mail('Order'));
  system.gmail.deliver(mail('First'), { labelIds: ['INBOX', 'UNREAD', wanted] });
  system.gmail.deliver(mail('Other'));
  expect((await system.call('poll')).json).toMatchObject({ failed_mailboxes: 0 });
  expect(await system.storedOf(ANN)).toEqual(['Order']);
  expect(await system.storedOf(FIRST)).toEqual(['First']);
});

describe('an identified mailbox', () => {
  it('follows a rename of its account, in its settings too', async () => {
    const { system, ann } = await knownSystem();
    ann.gmail.renameAccount('anna@example.com');
    await reconcile(system);
    expect(await addresses(system)).toEqual(expect.arrayContaining(['anna@example.com', BOB, FIRST]));
    expect((await settings(system)).map((row) => row.email_address)).toEqual(['anna@example.com', BOB]);
    ann.gmail.deliver(mail('Order'));
    expect((await system.call('poll')).json).toMatchObject({ new_emails: 1, failed_mailboxes: 0 });
  });

  it('two mailboxes may swap their addresses', async () => {
    const { system, ann, bob } = await knownSystem();
    ann.gmail.renameAccount(BOB);
    bob.gmail.renameAccount(ANN);
    await reconcile(system);
    await reconcile(system);
    expect((await settings(system)).map((row) => row.email_address)).toEqual([BOB, ANN]);
    ann.gmail.deliver(mail('For the account that was Ann'));
    await system.call('poll');
    expect(await system.storedOf(BOB)).toEqual(['For the account that was Ann']);
  });

  it('keeps its own error while the others work, and continues with a new token', async () => {
    const { system, ann, bob } = await knownSystem();
    ann.gmail.revokeRefreshToken();
    bob.gmail.deliver(mail('Bob'));
    system.gmail.deliver(mail('First'));
    expect((await system.call('poll')).json).toMatchObject({ new_emails: 2, failed_mailboxes: 1 });
    expect(await errorOf(system, ANN)).toBe('reauth_required');
    expect(await errorOf(system, BOB)).toBeNull();
    expect((await system.rows('select last_error_code from email_monitor_status'))[0]).toEqual({
      last_error_code: null,
    });
    // One cheap check per interval: it backs off.
    ann.gmail.resetCounters();
    expect((await system.call('poll')).json).toMatchObject({ mailboxes: 2, failed_mailboxes: 0 });
    expect(ann.gmail.callLog.calls).toHaveLength(0);

    system.writeSecret(ANN, newToken(system, ann.gmail));
    ann.gmail.deliver(mail('Ann'));
    await system.pass(300);
    await system.call('poll');
    expect(await system.storedOf(ANN)).toEqual(['Ann']);
    expect(await addresses(system)).toHaveLength(3);
  });

  it('is not read with the credentials of another account', async () => {
    const { system, ann } = await knownSystem();
    ann.gmail.deliver(mail('Ann'));
    const eve = system.accounts?.add({ emailAddress: 'eve@example.com' });
    eve?.deliver(mail('Secret'));
    system.writeSecret(ANN, refreshTokenOf(3));
    // Credentials are kept for five minutes.
    await system.pass(AN_HOUR);
    await system.call('poll');
    expect(await errorOf(system, ANN)).toBe('wrong_account');
    expect(await system.storedOf(ANN)).toEqual([]);
    expect(await addresses(system)).toHaveLength(3);
  });

  it('uses new credentials at its next run after those of another account', async () => {
    const { system, ann } = await knownSystem();
    system.accounts?.add({ emailAddress: 'eve@example.com' });
    system.writeSecret(ANN, refreshTokenOf(3));
    await system.pass(AN_HOUR);
    await system.call('poll');
    expect(await errorOf(system, ANN)).toBe('wrong_account');
    system.writeSecret(ANN, newToken(system, ann.gmail));
    ann.gmail.deliver(mail('Ann'));
    await system.pass(300);
    await system.call('poll');
    expect(await errorOf(system, ANN)).toBeNull();
    expect(await system.storedOf(ANN)).toEqual(['Ann']);
  });

  it('fails with the reason while its secret is missing', async () => {
    const { system } = await knownSystem();
    system.deleteSecret(ANN);
    await system.pass(AN_HOUR);
    await system.call('poll');
    expect(await errorOf(system, ANN)).toBe('mailbox_secret_missing');
  });
});

describe('the first mailbox and an added one are never the same account', () => {
  it('an added mailbox does not take the first one over', async () => {
    const system = await createSystem();
    await system.turnOn();
    await system.call('poll');
    const [before] = await system.rows('select id, credential_fingerprint from mailboxes');
    // The operator adds the account of the first mailbox, with a token of its own.
    await system.add('unused@example.com');
    await system.rows("update mailbox_settings set email_address = 'orders@example.com'");
    system.writeSecret('unused@example.com', newToken(system, system.gmail));
    for (let polls = 0; polls < 3; polls += 1) {
      await system.call('poll');
      await system.pass(300);
    }
    expect(await system.rows('select id, credential_fingerprint from mailboxes')).toEqual([before]);
    expect(await settings(system)).toMatchObject([{ mailbox_id: null, last_error_code: 'wrong_account' }]);
  });

  it('the first mailbox does not take an added one over', async () => {
    const { system, ann } = await knownSystem();
    const [before] = await system.rows(
      'select id, credential_fingerprint from mailboxes where email_address = $1',
      [ANN],
    );
    const first = system.instance({ GMAIL_REFRESH_TOKEN: newToken(system, ann.gmail) });
    ann.gmail.deliver(mail('Ann'));
    for (let polls = 0; polls < 3; polls += 1) {
      expect((await first.call('poll')).json).toMatchObject({ mailboxes: 3, failed_mailboxes: 1 });
      await system.pass(300);
    }
    const status = await system.rows('select last_error_code from email_monitor_status');
    expect(status).toEqual([{ last_error_code: 'account_added' }]);
    const after = await system.rows(
      'select id, credential_fingerprint from mailboxes where email_address = $1',
      [ANN],
    );
    expect(after).toEqual([before]);
    expect(await system.storedOf(ANN)).toEqual(['Ann']);
  });
});
