import { describe, expect, test } from 'vitest';
import { saveWatch } from '../../shared/db/watches.ts';
import { callOutsideRun } from '../../shared/ingest/call-outside-run.ts';
import {
  confirmMailbox,
  identifyAfterUnknownPush,
  identifyAtStart,
  identifyMailbox,
} from '../../shared/ingest/identify-mailbox.ts';
import type { IngestContext } from '../../shared/ingest/ingest-context.ts';
import { createFixture, type IngestFixture } from '../helpers/ingest-fixture.ts';

const NEW_TOKEN = '1//new-token';

async function identify(fixture: IngestFixture, app: IngestContext = fixture.app) {
  return await identifyMailbox(app, callOutsideRun(app, null, fixture.deadline()));
}

/** A mailbox `orders@example.com` that is known by its credentials. */
async function knownMailbox(): Promise<IngestFixture & { readonly mailboxId: number }> {
  const fixture = await createFixture();
  const { id } = await identify(fixture);
  return { ...fixture, mailboxId: id };
}

async function mailboxes(fixture: IngestFixture) {
  return await fixture.rows(
    'select id, email_address, cursor_history_id::text as cursor from mailboxes order by id',
  );
}

describe('first account', () => {
  test('creates a mailbox for the first account with its history id, a first listing, a full quota and no watch', async () => {
    const fixture = await createFixture({ gmail: { emailAddress: 'Orders@Example.com' } });
    expect(await identify(fixture)).toEqual({
      id: 1,
      emailAddress: 'orders@example.com',
      change: 'created',
      previousAddress: null,
    });
    expect(await mailboxes(fixture)).toEqual([
      { id: 1, email_address: 'orders@example.com', cursor: fixture.gmail.historyId },
    ]);
    expect(await fixture.rows('select mailbox_id, purpose, query from list_jobs')).toEqual([
      { mailbox_id: 1, purpose: 'initial', query: 'in:inbox is:unread' },
    ]);
    expect(await fixture.rows('select mailbox_id, available_units from mailbox_quota')).toEqual([
      { mailbox_id: 1, available_units: 5900 },
    ]);
    expect(await fixture.rows('select mailbox_id, topic from mailbox_watches')).toEqual([
      { mailbox_id: 1, topic: null },
    ]);
  });

  test('creates one mailbox when six instances identify the account concurrently', async () => {
    const fixture = await createFixture();
    const found = await Promise.all(Array.from({ length: 6 }, async () => await identify(fixture)));
    expect(found.map((one) => one.id)).toEqual(Array(6).fill(1));
    expect(found.filter((one) => one.change === 'created')).toHaveLength(1);
    expect(await fixture.rows('select 1 from list_jobs')).toHaveLength(1);
  });
});

describe('known credentials', () => {
  test('known credentials with a new address rename the mailbox in place and keep its cursor', async () => {
    const fixture = await knownMailbox();
    const [before] = await mailboxes(fixture);
    fixture.gmail.renameAccount('sales@example.com');
    expect(await identify(fixture)).toMatchObject({
      id: fixture.mailboxId,
      change: 'renamed',
      previousAddress: 'orders@example.com',
    });
    expect(await mailboxes(fixture)).toEqual([{ ...before, email_address: 'sales@example.com' }]);
  });

  test('known credentials with the address of another mailbox take the address, and each row keeps its account', async () => {
    const fixture = await knownMailbox();
    const other = await fixture.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
    await confirmMailbox(other.app, { kind: 'new', emailAddress: 'sales@example.com' }, fixture.deadline());
    const [first, second] = await mailboxes(fixture);

    // The accounts swap their addresses.
    fixture.gmail.renameAccount('sales@example.com');
    other.gmail.renameAccount('orders@example.com');
    await identify(fixture);
    expect(await mailboxes(fixture)).toEqual([
      { ...first, email_address: 'sales@example.com' },
      { ...second, email_address: 'formerly sales@example.com (mailbox 2)' },
    ]);
    await identify(fixture, other.app);
    expect(await mailboxes(fixture)).toEqual([
      { ...first, email_address: 'sales@example.com' },
      { ...second, email_address: 'orders@example.com' },
    ]);
  });

  test('known credentials with an unchanged account cost one unit and write nothing', async () => {
    const fixture = await knownMailbox();
    const before = await fixture.rows('select xmin::text, m.* from mailboxes m');
    fixture.gmail.resetCounters();
    expect(await identify(fixture)).toMatchObject({ change: 'unchanged' });
    expect(fixture.gmail.quota.spentUnits).toBe(1);
    expect(await fixture.rows('select xmin::text, m.* from mailboxes m')).toEqual(before);
  });
});

describe('new credentials', () => {
  test('new credentials of a known address take the mailbox over, keep its cursor, clear its failures and make the watch due', async () => {
    const fixture = await knownMailbox();
    const [before] = await mailboxes(fixture);
    await saveWatch(fixture.db, fixture.mailboxId, {
      topic: 'projects/p/topics/t',
      registeredAt: new Date(),
      expiresAt: new Date(Date.now() + 7 * 86_400_000),
      fingerprint: fixture.app.credentialFingerprint,
    });
    await fixture.rows(
      `update mailboxes
       set failure_count = 7, next_poll_at = now() + interval '5 minutes', last_error_code = 'reauth_required'`,
    );
    await fixture.rows(
      "update mailbox_watches set next_attempt_at = now() + interval '10 minutes', error_code = 'internal'",
    );
    fixture.gmail.reauthorize(NEW_TOKEN);
    const app = fixture.instance({ GMAIL_REFRESH_TOKEN: NEW_TOKEN });
    expect(await identify(fixture, app)).toMatchObject({ id: fixture.mailboxId, change: 'taken_over' });
    expect(await mailboxes(fixture)).toEqual([before]);
    expect(
      await fixture.rows(
        `select m.failure_count, m.next_poll_at, m.last_error_code, w.next_attempt_at, w.error_code,
                m.credential_fingerprint = w.credential_fingerprint as is_watched_by_them
         from mailboxes m
         join mailbox_watches w on w.mailbox_id = m.id`,
      ),
    ).toEqual([
      {
        failure_count: 0,
        next_poll_at: null,
        last_error_code: null,
        next_attempt_at: null,
        error_code: null,
        is_watched_by_them: false,
      },
    ]);
  });

  test('new credentials of an unknown address need confirmation, and the error names both addresses', async () => {
    const fixture = await knownMailbox();
    const other = await fixture.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
    await expect(identify(fixture, other.app)).rejects.toMatchObject({
      code: 'account_unconfirmed',
      message: expect.stringMatching(/sales@example\.com.*orders@example\.com/),
    });
    expect(await mailboxes(fixture)).toHaveLength(1);
  });

  test('start records the error of unconfirmed credentials on the status row, because no mailbox row can show it', async () => {
    const fixture = await knownMailbox();
    const other = await fixture.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
    expect(await identifyAtStart(other.app, fixture.deadline())).toBeNull();
    expect(await fixture.rows('select last_error_code from email_monitor_status')).toEqual([
      { last_error_code: 'account_unconfirmed' },
    ]);
  });

  test('a confirmed new account gets a second mailbox, and the confirmation is kept', async () => {
    const fixture = await knownMailbox();
    const other = await fixture.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
    await confirmMailbox(other.app, { kind: 'new', emailAddress: 'sales@example.com' }, fixture.deadline());
    expect(await mailboxes(fixture)).toMatchObject([
      { email_address: 'orders@example.com' },
      { email_address: 'sales@example.com', cursor: other.gmail.historyId },
    ]);
    expect(await fixture.rows('select email_address, renamed_from from mailbox_confirmations')).toEqual([
      { email_address: 'sales@example.com', renamed_from: null },
    ]);
  });

  test('an account confirmed while Gmail does not answer gets its mailbox as soon as Gmail answers', async () => {
    const fixture = await knownMailbox();
    const other = await fixture.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
    other.gmail.faults.add({ kind: 'status', status: 503, method: 'getProfile' });
    const confirmation = { kind: 'new', emailAddress: 'sales@example.com' } as const;
    await expect(confirmMailbox(other.app, confirmation, fixture.deadline())).rejects.toMatchObject({
      code: 'gmail_unavailable',
    });
    other.gmail.faults.clear();
    expect(await identify(fixture, other.app)).toMatchObject({ id: 2, change: 'created' });
  });

  test('credentials confirmed as a renamed mailbox take it over under the new address with its cursor', async () => {
    const fixture = await knownMailbox();
    const [before] = await mailboxes(fixture);
    fixture.gmail.renameAccount('sales@example.com');
    fixture.gmail.reauthorize(NEW_TOKEN);
    const app = fixture.instance({ GMAIL_REFRESH_TOKEN: NEW_TOKEN });
    const confirmation = { kind: 'renamed', emailAddress: 'orders@example.com' } as const;
    expect(await confirmMailbox(app, confirmation, fixture.deadline())).toMatchObject({
      id: fixture.mailboxId,
      change: 'taken_over',
      previousAddress: 'orders@example.com',
    });
    expect(await mailboxes(fixture)).toEqual([{ ...before, email_address: 'sales@example.com' }]);
    // The request may come twice.
    expect(await confirmMailbox(app, confirmation, fixture.deadline())).toMatchObject({
      change: 'unchanged',
    });
  });

  test('rejects the confirmation of a rename from an unknown mailbox', async () => {
    const fixture = await knownMailbox();
    const confirmation = { kind: 'renamed', emailAddress: 'other@example.com' } as const;
    await expect(confirmMailbox(fixture.app, confirmation, fixture.deadline())).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringMatching(/other@example\.com.*Known: orders@example\.com/),
    });
  });

  test('new credentials of a known address with an older history are another account and need another mailbox', async () => {
    const fixture = await knownMailbox();
    const other = await fixture.account({ refreshToken: NEW_TOKEN, historyStart: 5_000n });
    await expect(identify(fixture, other.app)).rejects.toMatchObject({ code: 'account_unconfirmed' });
    await confirmMailbox(other.app, { kind: 'new', emailAddress: 'orders@example.com' }, fixture.deadline());
    expect(await mailboxes(fixture)).toMatchObject([
      { email_address: 'formerly orders@example.com (mailbox 1)' },
      { email_address: 'orders@example.com', cursor: '5000' },
    ]);
  });
});

test('a mailbox that gives up its address loses its confirmation, so that the next account with the address needs one', async () => {
  const fixture = await knownMailbox();
  const other = await fixture.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
  await confirmMailbox(other.app, { kind: 'new', emailAddress: 'sales@example.com' }, fixture.deadline());
  other.gmail.renameAccount('export@example.com');
  await identify(fixture, other.app);
  const third = await fixture.account({ emailAddress: 'sales@example.com', refreshToken: '1//third-token' });
  await expect(identify(fixture, third.app)).rejects.toMatchObject({ code: 'account_unconfirmed' });
});

describe('push for an unknown address', () => {
  test('a push for an unknown address renames the mailbox whose account has that address now', async () => {
    const fixture = await knownMailbox();
    fixture.gmail.renameAccount('sales@example.com');
    expect(await identifyAfterUnknownPush(fixture.app, 'Sales@example.com', fixture.deadline())).toBe(true);
    expect(await mailboxes(fixture)).toMatchObject([{ email_address: 'sales@example.com' }]);
  });

  test('pushes for unknown addresses cause one call to Gmail in a few minutes, whichever addresses they name', async () => {
    const fixture = await knownMailbox();
    fixture.gmail.resetCounters();
    for (const name of ['a', 'b', 'c']) {
      expect(await identifyAfterUnknownPush(fixture.app, `${name}@example.com`, fixture.deadline())).toBe(
        false,
      );
    }
    expect(fixture.gmail.callLog.countByMethod['getProfile']).toBe(1);
  });

  test('a push for an unknown address creates no mailbox and takes none over', async () => {
    const fixture = await createFixture();
    expect(await identifyAfterUnknownPush(fixture.app, 'orders@example.com', fixture.deadline())).toBe(false);
    expect(await mailboxes(fixture)).toEqual([]);
  });
});
