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
import { createStage, type IngestStage } from '../helpers/ingest-stage.ts';

const NEW_TOKEN = '1//new-token';

async function identify(stage: IngestStage, app: IngestContext = stage.app) {
  return await identifyMailbox(app, callOutsideRun(app, null, stage.deadline()));
}

/** A mailbox `orders@example.com` that is known by its credentials. */
async function knownMailbox(): Promise<IngestStage & { readonly mailboxId: number }> {
  const stage = await createStage();
  const { id } = await identify(stage);
  return { ...stage, mailboxId: id };
}

async function mailboxes(stage: IngestStage) {
  return await stage.rows(
    'select id, email_address, cursor_history_id::text as cursor from mailboxes order by id',
  );
}

describe('the first account in an empty database', () => {
  test('becomes a mailbox, pinned to its history, with its first listing, a full quota and an unregistered watch', async () => {
    const stage = await createStage({ gmail: { emailAddress: 'Orders@Example.com' } });
    expect(await identify(stage)).toEqual({
      id: 1,
      emailAddress: 'orders@example.com',
      change: 'created',
      previousAddress: null,
    });
    expect(await mailboxes(stage)).toEqual([
      { id: 1, email_address: 'orders@example.com', cursor: stage.gmail.historyId },
    ]);
    expect(await stage.rows('select mailbox_id, purpose, query from list_jobs')).toEqual([
      { mailbox_id: 1, purpose: 'initial', query: 'in:inbox is:unread' },
    ]);
    expect(await stage.rows('select mailbox_id, available_units from mailbox_quota')).toEqual([
      { mailbox_id: 1, available_units: 5900 },
    ]);
    expect(await stage.rows('select mailbox_id, topic from mailbox_watches')).toEqual([
      { mailbox_id: 1, topic: null },
    ]);
  });

  test('becomes one mailbox when six instances meet it at once', async () => {
    const stage = await createStage();
    const found = await Promise.all(Array.from({ length: 6 }, async () => await identify(stage)));
    expect(found.map((one) => one.id)).toEqual(Array(6).fill(1));
    expect(found.filter((one) => one.change === 'created')).toHaveLength(1);
    expect(await stage.rows('select 1 from list_jobs')).toHaveLength(1);
  });
});

describe('known credentials', () => {
  test('with a new address rename the mailbox in place: one row, the same cursor', async () => {
    const stage = await knownMailbox();
    const [before] = await mailboxes(stage);
    stage.gmail.renameAccount('sales@example.com');
    expect(await identify(stage)).toMatchObject({
      id: stage.mailboxId,
      change: 'renamed',
      previousAddress: 'orders@example.com',
    });
    expect(await mailboxes(stage)).toEqual([{ ...before, email_address: 'sales@example.com' }]);
  });

  test('with the address of another mailbox take the address, and each row keeps its own account and mail', async () => {
    const stage = await knownMailbox();
    const other = await stage.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
    await confirmMailbox(other.app, { kind: 'new', emailAddress: 'sales@example.com' }, stage.deadline());
    const [first, second] = await mailboxes(stage);

    // The accounts swap their addresses.
    stage.gmail.renameAccount('sales@example.com');
    other.gmail.renameAccount('orders@example.com');
    await identify(stage);
    expect(await mailboxes(stage)).toEqual([
      { ...first, email_address: 'sales@example.com' },
      { ...second, email_address: 'formerly sales@example.com (mailbox 2)' },
    ]);
    await identify(stage, other.app);
    expect(await mailboxes(stage)).toEqual([
      { ...first, email_address: 'sales@example.com' },
      { ...second, email_address: 'orders@example.com' },
    ]);
  });

  test('whose account is unchanged cost one unit and write nothing', async () => {
    const stage = await knownMailbox();
    const before = await stage.rows('select xmin::text, m.* from mailboxes m');
    stage.gmail.resetCounters();
    expect(await identify(stage)).toMatchObject({ change: 'unchanged' });
    expect(stage.gmail.quota.spentUnits).toBe(1);
    expect(await stage.rows('select xmin::text, m.* from mailboxes m')).toEqual(before);
  });
});

describe('new credentials', () => {
  test('of a known address take the mailbox over: cursor kept, failures forgotten, watch due', async () => {
    const stage = await knownMailbox();
    const [before] = await mailboxes(stage);
    await saveWatch(stage.db, stage.mailboxId, {
      topic: 'projects/p/topics/t',
      registeredAt: new Date(),
      expiresAt: new Date(Date.now() + 7 * 86_400_000),
      fingerprint: stage.app.credentialFingerprint,
    });
    await stage.rows(
      `update mailboxes
       set failure_count = 7, next_poll_at = now() + interval '5 minutes', last_error_code = 'reauth_required'`,
    );
    await stage.rows(
      "update mailbox_watches set next_attempt_at = now() + interval '10 minutes', error_code = 'internal'",
    );
    stage.gmail.reauthorize(NEW_TOKEN);
    const app = stage.instance({ GMAIL_REFRESH_TOKEN: NEW_TOKEN });
    expect(await identify(stage, app)).toMatchObject({ id: stage.mailboxId, change: 'taken_over' });
    expect(await mailboxes(stage)).toEqual([before]);
    expect(
      await stage.rows(
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

  test('of an unknown address wait for a person, and the error names both addresses', async () => {
    const stage = await knownMailbox();
    const other = await stage.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
    await expect(identify(stage, other.app)).rejects.toMatchObject({
      code: 'account_unconfirmed',
      message: expect.stringMatching(/sales@example\.com.*orders@example\.com/),
    });
    expect(await mailboxes(stage)).toHaveLength(1);
  });

  test('at start put the error on the status row, because no mailbox row can show it', async () => {
    const stage = await knownMailbox();
    const other = await stage.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
    expect(await identifyAtStart(other.app, stage.deadline())).toBeNull();
    expect(await stage.rows('select last_error_code from email_monitor_status')).toEqual([
      { last_error_code: 'account_unconfirmed' },
    ]);
  });

  test('confirmed as a new mailbox make a second one, and keep the confirmation', async () => {
    const stage = await knownMailbox();
    const other = await stage.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
    await confirmMailbox(other.app, { kind: 'new', emailAddress: 'sales@example.com' }, stage.deadline());
    expect(await mailboxes(stage)).toMatchObject([
      { email_address: 'orders@example.com' },
      { email_address: 'sales@example.com', cursor: other.gmail.historyId },
    ]);
    expect(await stage.rows('select email_address, renamed_from from mailbox_confirmations')).toEqual([
      { email_address: 'sales@example.com', renamed_from: null },
    ]);
  });

  test('confirmed while Gmail does not answer make the mailbox as soon as it does', async () => {
    const stage = await knownMailbox();
    const other = await stage.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
    other.gmail.faults.add({ kind: 'status', status: 503, method: 'getProfile' });
    const confirmation = { kind: 'new', emailAddress: 'sales@example.com' } as const;
    await expect(confirmMailbox(other.app, confirmation, stage.deadline())).rejects.toMatchObject({
      code: 'gmail_unavailable',
    });
    other.gmail.faults.clear();
    expect(await identify(stage, other.app)).toMatchObject({ id: 2, change: 'created' });
  });

  test('confirmed as a renamed mailbox take it over under the new address, with its cursor', async () => {
    const stage = await knownMailbox();
    const [before] = await mailboxes(stage);
    stage.gmail.renameAccount('sales@example.com');
    stage.gmail.reauthorize(NEW_TOKEN);
    const app = stage.instance({ GMAIL_REFRESH_TOKEN: NEW_TOKEN });
    const confirmation = { kind: 'renamed', emailAddress: 'orders@example.com' } as const;
    expect(await confirmMailbox(app, confirmation, stage.deadline())).toMatchObject({
      id: stage.mailboxId,
      change: 'taken_over',
      previousAddress: 'orders@example.com',
    });
    expect(await mailboxes(stage)).toEqual([{ ...before, email_address: 'sales@example.com' }]);
    // The request may come twice.
    expect(await confirmMailbox(app, confirmation, stage.deadline())).toMatchObject({ change: 'unchanged' });
  });

  test('cannot be confirmed as renamed from a mailbox that is not known', async () => {
    const stage = await knownMailbox();
    const confirmation = { kind: 'renamed', emailAddress: 'other@example.com' } as const;
    await expect(confirmMailbox(stage.app, confirmation, stage.deadline())).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringMatching(/other@example\.com.*Known: orders@example\.com/),
    });
  });

  test('of a known address with an older history are another account, whose mail is not stored there', async () => {
    const stage = await knownMailbox();
    const other = await stage.account({ refreshToken: NEW_TOKEN, historyStart: 5_000n });
    await expect(identify(stage, other.app)).rejects.toMatchObject({ code: 'account_unconfirmed' });
    await confirmMailbox(other.app, { kind: 'new', emailAddress: 'orders@example.com' }, stage.deadline());
    expect(await mailboxes(stage)).toMatchObject([
      { email_address: 'formerly orders@example.com (mailbox 1)' },
      { email_address: 'orders@example.com', cursor: '5000' },
    ]);
  });
});

test('a confirmation is forgotten when its mailbox gives the address up, so that the next account with it is asked for', async () => {
  const stage = await knownMailbox();
  const other = await stage.account({ emailAddress: 'sales@example.com', refreshToken: NEW_TOKEN });
  await confirmMailbox(other.app, { kind: 'new', emailAddress: 'sales@example.com' }, stage.deadline());
  other.gmail.renameAccount('export@example.com');
  await identify(stage, other.app);
  const third = await stage.account({ emailAddress: 'sales@example.com', refreshToken: '1//third-token' });
  await expect(identify(stage, third.app)).rejects.toMatchObject({ code: 'account_unconfirmed' });
});

describe('a push for an unknown address', () => {
  test('renames the mailbox when its account has that address now', async () => {
    const stage = await knownMailbox();
    stage.gmail.renameAccount('sales@example.com');
    expect(await identifyAfterUnknownPush(stage.app, 'Sales@example.com', stage.deadline())).toBe(true);
    expect(await mailboxes(stage)).toMatchObject([{ email_address: 'sales@example.com' }]);
  });

  test('asks Gmail once in some minutes, whatever addresses are named', async () => {
    const stage = await knownMailbox();
    stage.gmail.resetCounters();
    for (const name of ['a', 'b', 'c']) {
      expect(await identifyAfterUnknownPush(stage.app, `${name}@example.com`, stage.deadline())).toBe(false);
    }
    expect(stage.gmail.callLog.countByMethod['getProfile']).toBe(1);
  });

  test('creates no mailbox and takes none over', async () => {
    const stage = await createStage();
    expect(await identifyAfterUnknownPush(stage.app, 'orders@example.com', stage.deadline())).toBe(false);
    expect(await mailboxes(stage)).toEqual([]);
  });
});
