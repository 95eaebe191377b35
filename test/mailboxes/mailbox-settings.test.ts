import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listAllMailboxes } from '../../commands/mailbox/mailbox-list.ts';
import type { Lease } from '../../shared/db/lease.ts';
import {
  addMailbox,
  isFirstMailbox,
  removeMailbox,
  setPaused,
} from '../../shared/mailboxes/mailbox-changes.ts';
import { findMailboxSettings } from '../../shared/mailboxes/mailbox-settings.ts';
import { changeMailbox, leasedMailbox, mailboxRow } from '../helpers/leased-mailbox.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/test-database.ts';

let db: TestDatabase;
let first: Lease;
let address: string;

/** The status row names the credentials of a first mailbox. */
beforeEach(async () => {
  db = await createTestDatabase();
  first = await leasedMailbox(db);
  await changeMailbox(db, first, "credential_fingerprint = 'first'");
  await db.query("update email_monitor_status set credential_fingerprint = 'first'");
  address = (await mailboxRow(db, first)).email_address;
});
afterEach(async () => await db.close());

const ADDED = {
  emailAddress: 'ann@example.com',
  access: 'refresh_token',
  label: 'Orders',
  initialQuery: null,
} as const;

describe('setPaused', () => {
  it('pauses and resumes an added mailbox, in any case of its address', async () => {
    await addMailbox(db, ADDED);
    expect(await setPaused(db, 'Ann@Example.com', true)).toMatchObject({ isPaused: true, label: 'Orders' });
    expect(await setPaused(db, ADDED.emailAddress, true)).toMatchObject({ isPaused: true });
    expect(await setPaused(db, ADDED.emailAddress, false)).toMatchObject({ isPaused: false });
  });

  it('gives the first mailbox a row of its own, and finds it again under a new address', async () => {
    expect(await setPaused(db, address, true)).toMatchObject({
      access: 'environment',
      isPaused: true,
      mailboxId: first.mailboxId,
      secretName: null,
    });
    await changeMailbox(db, first, "email_address = 'renamed@example.com'");
    expect(await setPaused(db, 'renamed@example.com', false)).toMatchObject({ isPaused: false });
    expect((await db.query('select from mailbox_settings')).rowCount).toBe(1);
  });

  it('returns null for an unknown address and for a mailbox that is not read', async () => {
    const other = await leasedMailbox(db);
    expect(await setPaused(db, 'unknown@example.com', true)).toBeNull();
    expect(await setPaused(db, (await mailboxRow(db, other)).email_address, true)).toBeNull();
  });
});

describe('addMailbox', () => {
  it('never gives a mailbox the secret of another one, which had the address before a rename', async () => {
    const { secretName: former } = await addMailbox(db, ADDED);
    await db.query("update mailbox_settings set email_address = 'anna@example.com'");
    const { secretName: second } = await addMailbox(db, ADDED);
    await db.query("update mailbox_settings set email_address = 'anne@example.com' where secret_name = $1", [
      second,
    ]);
    const { secretName: third } = await addMailbox(db, ADDED);
    expect(second).toMatch(new RegExp(`^${former}-\\d+$`));
    expect(third).toMatch(new RegExp(`^${former}-\\d+$`));
    expect(third).not.toBe(second);
  });

  it('does not take the mailbox of another added one, whose account has got the address', async () => {
    const added = await addMailbox(db, ADDED);
    const other = await leasedMailbox(db);
    await db.query('update mailbox_settings set mailbox_id = $1', [other.mailboxId]);
    await changeMailbox(db, other, "email_address = 'anna@example.com'");
    expect(await addMailbox(db, { ...ADDED, emailAddress: 'anna@example.com' })).toMatchObject({
      emailAddress: 'anna@example.com',
      mailboxId: null,
    });
    expect(await findMailboxSettings(db, added.emailAddress)).toMatchObject({ mailboxId: other.mailboxId });
  });

  it('replaces the row of a paused first mailbox when the variables name another account', async () => {
    await setPaused(db, address, true);
    await expect(addMailbox(db, { ...ADDED, emailAddress: address })).rejects.toMatchObject({
      code: 'bad_request',
    });
    await db.query("update email_monitor_status set credential_fingerprint = 'other'");
    expect(await addMailbox(db, { ...ADDED, emailAddress: address })).toMatchObject({
      access: 'refresh_token',
      isPaused: false,
      label: 'Orders',
      mailboxId: first.mailboxId,
    });
  });
});

describe('removeMailbox', () => {
  it('removes the row of a paused first mailbox when the variables name another account', async () => {
    await setPaused(db, address, true);
    await db.query("update email_monitor_status set credential_fingerprint = 'other'");
    expect(await removeMailbox(db, address)).toMatchObject({ access: 'environment' });
    expect(await findMailboxSettings(db, address)).toBeNull();
  });

  it('deletes the settings and the credential fingerprint, and keeps the mailbox', async () => {
    const lease = await leasedMailbox(db);
    await changeMailbox(db, lease, "credential_fingerprint = 'ann', last_error_code = 'reauth_required'");
    const { email_address: known } = await mailboxRow(db, lease);
    await addMailbox(db, { ...ADDED, emailAddress: known });
    expect(await removeMailbox(db, known.toUpperCase())).toMatchObject({ mailboxId: lease.mailboxId });
    expect(await findMailboxSettings(db, known)).toBeNull();
    expect(await mailboxRow(db, lease)).toMatchObject({
      credential_fingerprint: null,
      last_error_code: null,
      email_address: known,
    });
  });

  it('withdraws the confirmation, so that other credentials of the account are not accepted silently', async () => {
    await addMailbox(db, ADDED);
    await removeMailbox(db, ADDED.emailAddress);
    const { rowCount } = await db.query('select from mailbox_confirmations where applied_at is null');
    expect(rowCount).toBe(0);
  });

  it('returns null for an unknown address and for the first mailbox, which it leaves unchanged', async () => {
    await setPaused(db, address, true);
    expect(await removeMailbox(db, 'unknown@example.com')).toBeNull();
    expect(await removeMailbox(db, address)).toBeNull();
    expect(await mailboxRow(db, first)).toMatchObject({ credential_fingerprint: 'first' });
    expect(await findMailboxSettings(db, address)).toMatchObject({ isPaused: true });
  });
});

describe('listAllMailboxes', () => {
  it('lists the first mailbox, the added ones by address, and those that are not read', async () => {
    await leasedMailbox(db);
    await addMailbox(db, { ...ADDED, emailAddress: 'ZOE@example.com', access: 'delegation' });
    await addMailbox(db, ADDED);
    await db.query(
      `update mailbox_settings
       set last_error_code = 'mailbox_secret_missing', failure_count = 2
       where email_address = 'ann@example.com'`,
    );
    await db.query("insert into ledger_changes (mailbox_id, state, change) values ($1, 'stored', 7)", [
      first.mailboxId,
    ]);
    const listed = await listAllMailboxes(db);
    expect(listed.map((one) => [one.emailAddress, one.access, one.storedCount, one.isIdentified])).toEqual([
      [address, 'environment', 7, true],
      ['ann@example.com', 'refresh_token', null, false],
      [expect.stringMatching(/^box-/), null, 0, true],
      ['zoe@example.com', 'delegation', null, false],
    ]);
    expect(listed[1]).toMatchObject({
      failureCount: 2,
      label: 'Orders',
      lastErrorCode: 'mailbox_secret_missing',
    });
  });

  it('shows the error of the mailbox, not an older one of its settings, once it is identified', async () => {
    await setPaused(db, address, true);
    await db.query("update mailbox_settings set last_error_code = 'old'");
    await changeMailbox(db, first, "last_error_code = 'gmail_denied'");
    expect((await listAllMailboxes(db))[0]).toMatchObject({ isPaused: true, lastErrorCode: 'gmail_denied' });
  });
});

describe('isFirstMailbox', () => {
  it('is true for the mailbox of the credentials of the environment only', async () => {
    await addMailbox(db, ADDED);
    expect(await isFirstMailbox(db, address.toUpperCase())).toBe(true);
    expect(await isFirstMailbox(db, ADDED.emailAddress)).toBe(false);
  });
});
