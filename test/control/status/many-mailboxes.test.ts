import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAppContext } from '../../../shared/control/app-context.ts';
import { createMonitor } from '../../../shared/control/monitor.ts';
import { STATE_ORDER } from '../../../shared/control/status/mailbox-totals.ts';
import { readStatus } from '../../../shared/control/status/status-response.ts';
import type { Database } from '../../../shared/db/database.ts';
import { setRunning } from '../../../shared/db/monitor-status.ts';
import { setPaused } from '../../../shared/mailboxes/mailbox-changes.ts';
import { STATES } from '../../../shared/schemas/state.ts';
import { type StatusFixture, statusFixture } from '../../helpers/status-fixture.ts';

const NO_CREDENTIALS = { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '', GMAIL_REFRESH_TOKEN: '' };
const REVOKED = { last_error_code: 'reauth_required', last_error: 'invalid_grant', failure_count: 1 };
const DEAD = {
  state: "'dead'",
  attempt_count: '8',
  last_attempt_at: 'now()',
  error_code: "'gmail_refused'",
} as const;

let fixture: StatusFixture;
beforeEach(async () => {
  fixture = await statusFixture();
  await fixture.turnOn();
});
afterEach(() => fixture.close());

function ago(minutes: number): Date {
  return new Date(Date.now() - minutes * 60_000);
}

/** Mailboxes `m1@example.com` and so on, which are watching unless `columns`, by number, changes that. */
async function addMailboxes(count: number, columns: Readonly<Record<number, object>> = {}): Promise<void> {
  for (let n = 1; n <= count; n += 1)
    await fixture.addedMailbox({ email_address: `m${n}@example.com`, ...columns[n] });
}

const addressesOf = (mailboxes: readonly { readonly email_address: string }[]) =>
  mailboxes.map((one) => one.email_address.replace('@example.com', ''));

describe('the order of mailboxes', () => {
  it('the states have the order of the schema', () => {
    expect(STATE_ORDER).toEqual(STATES);
  });

  it('the worst state is first, then the oldest problem, then paused mailboxes, and removed ones are last', async () => {
    await fixture.mailbox();
    await fixture.addedMailbox({ email_address: 'paused@example.com' }, true);
    await fixture.mailbox({ email_address: 'removed@example.com', credential_fingerprint: 'f'.repeat(64) });
    await addMailboxes(5, {
      2: { failure_count: 1, last_error_code: 'gmail_unavailable', next_poll_at: new Date() },
      3: { ...REVOKED, last_success_at: ago(10) },
      4: { ...REVOKED, last_success_at: ago(20) },
      5: { last_success_at: null },
    });
    const status = await fixture.status();
    expect(addressesOf(status.mailboxes)).toEqual([
      'm4',
      'm3',
      'm2',
      'm5',
      'orders',
      'm1',
      'paused',
      'removed',
    ]);
    expect(status.mailboxes.at(-2)).toMatchObject({ state: 'stopped', is_paused: true, is_current: true });
    expect(status.mailboxes.at(-1)).toMatchObject({
      state: 'not_configured',
      is_current: false,
      access: null,
    });
    expect(status.mailboxes.find((one) => one.email_address === 'orders@example.com')).toMatchObject({
      is_current: true,
      access: 'environment',
    });
    expect(status).toMatchObject({ state: 'reauth_required', mailbox_count: 7 });
  });

  it('of 300 mailboxes the worst 100 are shown, and the totals count all of them', async () => {
    await fixture.db.query(
      `insert into mailboxes (email_address, cursor_history_id, last_run_at, last_success_at, failure_count, last_error_code)
       select 'm' || n || '@example.com', 1, now(), now() - n * interval '1 second', (n % 3 = 0)::integer,
              case when n % 3 = 0 then 'gmail_unavailable' end
       from generate_series(1, 300) n`,
    );
    await fixture.db.query(
      `insert into mailbox_settings (email_address, mailbox_id, access)
       select email_address, id, 'delegation'
       from mailboxes`,
    );
    await fixture.db.query(
      `insert into email_ledger (mailbox_id, gmail_message_id, source, state, ignored_rule)
       select id, 'a', 'history', 'stored', null from mailboxes
       union all
       select id, 'b', 'history', 'ignored', 'spam' from mailboxes`,
    );
    const { advice_items: items, mailbox_count: count, mailboxes, state, totals } = await fixture.status();
    expect({ state, count, shown: mailboxes.length }).toEqual({
      state: 'backing_off',
      count: 301,
      shown: 100,
    });
    expect(mailboxes.every((one) => one.state === 'backing_off')).toBe(true);
    expect(addressesOf(mailboxes).slice(0, 3)).toEqual(['m300', 'm297', 'm294']);
    expect(totals).toMatchObject({
      stored: 300,
      ignored: 300,
      // The first mailbox is not identified yet.
      states: { backing_off: 100, watching: 200, not_polling: 1 },
      waiting_count: null,
      unknown_count: 101,
      missing: null,
      unreconciled_count: 301,
    });
    expect(items.find((item) => item.code === 'gmail_unavailable')).toMatchObject({
      text: expect.stringMatching(
        /^100 mailboxes \(m300@example\.com, m297@example\.com, m294@example\.com and 97 others\): /,
      ),
      mailboxes: ['m300@example.com', 'm297@example.com', 'm294@example.com'],
    });
    expect(items.filter((item) => item.code === 'gmail_unavailable')).toHaveLength(1);
  });
});

describe('the mailboxes that count', () => {
  it('an added mailbox that Gmail has not answered for is starting, and afterwards has the state of its error', async () => {
    await fixture.mailbox();
    const add = async (address: string, columns: Readonly<Record<string, unknown>>) =>
      await fixture.db.query(
        `insert into mailbox_settings (email_address, access, secret_name, failure_count, next_attempt_at, last_error_code, last_error)
         values ($1, 'refresh_token', $1, $2, $3, $4, $5)`,
        [
          address,
          columns['failure_count'] ?? 0,
          columns['next_attempt_at'],
          columns['code'],
          columns['detail'],
        ],
      );
    await add('new@example.com', {});
    await add('denied@example.com', { failure_count: 1, code: 'gmail_denied', detail: 'The API is off.' });
    await add('revoked@example.com', { failure_count: 1, code: 'reauth_required', detail: 'invalid_grant' });
    const next = new Date(Date.now() + 60_000);
    await add('failing@example.com', { failure_count: 2, next_attempt_at: next, code: 'gmail_unavailable' });
    const { advice, mailboxes, mailbox_count: count } = await fixture.status();
    expect(count).toBe(5);
    expect(mailboxes.map((one) => [one.email_address, one.state])).toEqual([
      ['revoked@example.com', 'reauth_required'],
      ['denied@example.com', 'access_denied'],
      ['failing@example.com', 'backing_off'],
      ['new@example.com', 'starting'],
      ['orders@example.com', 'watching'],
    ]);
    expect(mailboxes[1]).toMatchObject({
      is_current: true,
      cursor_history_id: null,
      waiting_count: null,
      last_error: { code: 'gmail_denied', detail: 'The API is off.' },
    });
    expect(mailboxes[2]).toMatchObject({ next_poll_at: next.toISOString(), failure_count: 2 });
    expect(advice.find((text) => text.startsWith('revoked@example.com: '))).toContain(
      'npm run authorize -- --mailbox revoked@example.com',
    );
  });

  it('added mailboxes are monitored without credentials in the environment, and there is no advice to set these', async () => {
    await addMailboxes(1);
    const status = await fixture.status(NO_CREDENTIALS);
    expect(status).toMatchObject({ state: 'watching', mailbox_count: 1, advice: [] });
  });

  it('the first mailbox counts while it is not identified, and its error comes with the first advice', async () => {
    await addMailboxes(1);
    await fixture.db.query(
      "update email_monitor_status set last_error_code = 'bad_client', last_error = 'Unknown client.'",
    );
    const status = await fixture.status();
    expect(status).toMatchObject({
      state: 'access_denied',
      mailbox_count: 2,
      totals: { states: { access_denied: 1, watching: 1 }, waiting_count: null, unknown_count: 1 },
    });
    expect(status.advice_items.map((item) => item.code)).toEqual(['bad_client']);
  });

  it.each([
    ['shows', 'the state of a single mailbox comes from it', { ...REVOKED }, 0, 'reauth_required'],
    [
      'hides',
      'a pause replaces the state',
      { ...REVOKED, last_error_code: 'gmail_unavailable' },
      0,
      'stopped',
    ],
    ['hides', 'another mailbox is read', { ...REVOKED }, 1, 'watching'],
  ] as const)(
    '%s the last error of a paused first mailbox when %s',
    async (verb, _case, columns, addedCount, state) => {
      await fixture.mailbox(columns);
      await addMailboxes(addedCount);
      await fixture.db.query(
        "update email_monitor_status set credential_fingerprint = (select max(credential_fingerprint) from mailboxes), last_error = 'Rejected.'",
      );
      expect((await fixture.status()).last_error).toBe('Rejected.');
      await setPaused(fixture.db, 'orders@example.com', true);
      expect(await fixture.status()).toMatchObject({
        state,
        last_error: verb === 'shows' ? 'Rejected.' : null,
      });
    },
  );

  it('a paused mailbox does not change the state of the monitor, but its waiting mail is unknown', async () => {
    await fixture.mailbox();
    const known = ago(30);
    await fixture.addedMailbox(
      {
        email_address: 'paused@example.com',
        ...REVOKED,
        last_error_code: 'gmail_unavailable',
        last_success_at: known,
      },
      true,
    );
    const status = await fixture.status();
    expect(status).toMatchObject({
      state: 'watching',
      advice: [],
      totals: {
        states: { watching: 1 },
        paused_count: 1,
        unreconciled_count: 2,
        unreconciled_paused_count: 1,
        waiting_count: null,
        unknown_count: 1,
        unknown_since: known.toISOString(),
      },
    });
  });

  it('when every mailbox is paused, the state is stopped and the advice says so', async () => {
    const id = await fixture.mailbox();
    await fixture.db.query(
      `insert into mailbox_settings (email_address, mailbox_id, access, is_paused)
       values ('orders@example.com', $1, 'environment', true)`,
      [id],
    );
    const status = await fixture.status();
    expect(status).toMatchObject({
      state: 'stopped',
      mailbox_count: 1,
      mailboxes: [{ state: 'stopped', is_paused: true, access: 'environment', waiting_count: null }],
      advice_items: [{ code: 'paused', text: expect.stringMatching(/^orders@example\.com is paused\./) }],
    });
    expect(status.advice[0]).toContain('npm run mailbox -- resume orders@example.com');
  });

  it('the waiting count is the sum while it is known for each mailbox', async () => {
    const first = await fixture.mailbox();
    const second = await fixture.addedMailbox({ email_address: 'm1@example.com' });
    await fixture.messages(first, 2, { state: "'pending'" });
    await fixture.messages(second, 3, { state: "'pending'" });
    await fixture.messages(second, 1, DEAD);
    expect((await fixture.status()).totals).toMatchObject({
      pending: 5,
      waiting_count: 5,
      unknown_count: 0,
      unknown_since: null,
      dead: 1,
      failing: 1,
    });
  });

  it('missing messages are summed over the mailboxes that were reconciled, and the others are counted', async () => {
    await fixture.mailbox();
    await addMailboxes(2);
    await fixture.db.query(
      `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, evaluated_at, gmail_count, missing_count)
       select id, now(), false, 'q', now() - interval '1 hour', 9, 7 from mailboxes where email_address = 'm1@example.com'
       union all
       select id, now(), false, 'q', now(), 9, 2 from mailboxes where email_address in ('m1@example.com', 'm2@example.com')`,
    );
    const { mailboxes, totals } = await fixture.status();
    expect(totals).toMatchObject({ missing: 4, unreconciled_count: 1 });
    expect(mailboxes.map((one) => one.state)).toEqual(['catching_up', 'catching_up', 'watching']);
  });
});

describe('advice', () => {
  it('one item per kind names the first mailboxes and adds up the messages', async () => {
    await addMailboxes(5, { 1: REVOKED, 2: REVOKED });
    const { rows } = await fixture.db.query<{ id: number }>('select id from mailboxes order by id');
    for (const { id } of rows) await fixture.messages(id, 2, DEAD);
    const { advice, advice_items: items } = await fixture.status(NO_CREDENTIALS);
    expect(items.map(({ code, text }) => [code, text.slice(0, 90)])).toEqual([
      [
        'reauth_required',
        expect.stringMatching(/^2 mailboxes \(m1@example\.com and m2@example\.com\): Gmail rejected/),
      ],
      ['messages_dead', expect.stringMatching(/^5 mailboxes \(.* and 2 others\): 10 /)],
    ]);
    expect(advice[1]).toMatch(/10 messages failed at every attempt\..*POST poll-now\?retry=dead\.$/);
  });

  it('mailboxes that are not polled are one item per reason', async () => {
    await addMailboxes(4, {
      1: { last_run_at: ago(20) },
      2: { last_run_at: ago(30) },
      3: { last_run_ended_at: ago(60), created_at: ago(90) },
    });
    await fixture.db.query(
      `insert into ingest_runs (mailbox_id, trigger, started_at)
       select id, 'schedule', now() - interval '30 minutes' from mailboxes where email_address = 'm3@example.com'`,
    );
    const { advice_items: items } = await fixture.status({ ...NO_CREDENTIALS, RUN_BUDGET_SECONDS: '60' });
    expect(items.map(({ code, text }) => [code, text.slice(0, 60)])).toEqual([
      ['not_polling', expect.stringMatching(/^2 mailboxes \(m1@example\.com and m2@example\.com\): No run/)],
      ['runs_not_ending', expect.stringMatching(/^m3@example\.com: No run has ended since/)],
    ]);
  });
});

describe('one mailbox of many', () => {
  it('the state, the totals, the mailboxes and the advice are of this mailbox only', async () => {
    await fixture.mailbox();
    await addMailboxes(2, { 1: REVOKED });
    const of = async (address: string) => await fixture.status({}, address);
    expect(await of('m2@example.com')).toMatchObject({
      state: 'watching',
      mailbox_count: 3,
      totals: { states: { watching: 1 }, unknown_count: 0 },
      mailboxes: [{ email_address: 'm2@example.com' }],
      advice: [],
    });
    expect(await of('m1@example.com')).toMatchObject({
      state: 'reauth_required',
      advice_items: [{ code: 'reauth_required', mailboxes: ['m1@example.com'] }],
    });
  });

  it('an unknown address is not found, and the remediation is the command that lists the known ones', async () => {
    await fixture.mailbox();
    await expect(fixture.status({}, 'unknown@example.com')).rejects.toMatchObject({
      code: 'mailbox_unknown',
      status: 404,
      remediation: expect.stringMatching(/^Check the address: `npm run mailbox -- list`/),
    });
  });
});

it('31 mailboxes need as many statements as one', async () => {
  const count = async () => {
    const context = createAppContext(fixture.env, () => undefined);
    let statements = 0;
    const db: Database = {
      ...context.db,
      query: (async (...given: Parameters<Database['query']>) => {
        statements += 1;
        return await context.db.query(...given);
      }) as Database['query'],
    };
    await readStatus({ ...createMonitor(context), db });
    await context.db.close();
    return statements;
  };
  await fixture.mailbox();
  expect(await count()).toBe(9);
  await addMailboxes(30);
  expect(await count()).toBe(9);
});

describe('after a start', () => {
  /** Stopped for so long, then started a minute ago, after which only the run of the first mailbox has ended. */
  const startAfter = async (minutes: number) => {
    const before = { last_run_at: ago(minutes), last_success_at: ago(minutes) };
    await fixture.mailbox();
    await addMailboxes(2, { 1: before, 2: { last_run_at: new Date(), last_success_at: new Date() } });
    await fixture.db.query(
      "update email_monitor_status set started_at = now() - interval '1 minute', last_poll_at = now(), updated_at = now()",
    );
    const { mailboxes, totals } = await fixture.status();
    return { unknown: totals.unknown_count, states: mailboxes.map((one) => [one.email_address, one.state]) };
  };

  it.each([3, 20])(
    'a mailbox without a run since a stop of %i minutes is catching_up, whatever runs of others have ended',
    async (minutes) => {
      expect(await startAfter(minutes)).toEqual({
        unknown: 1,
        states: [
          ['m1@example.com', 'catching_up'],
          ['orders@example.com', 'watching'],
          ['m2@example.com', 'watching'],
        ],
      });
    },
  );

  it('a mailbox whose runs do not begin is not_polling, counted from the start', async () => {
    await addMailboxes(1, { 1: { last_run_at: ago(20), last_success_at: ago(20) } });
    const set = async (minutes: number) =>
      await fixture.db.query(
        'update email_monitor_status set started_at = $1, last_poll_at = now(), updated_at = now()',
        [ago(minutes)],
      );
    await set(4.9);
    expect((await fixture.status({}, 'm1@example.com')).state).toBe('catching_up');
    await set(5.1);
    expect((await fixture.status({}, 'm1@example.com')).state).toBe('not_polling');
  });

  it('the time of a start is kept until the next one', async () => {
    const startedAt = async () =>
      (await fixture.db.query<{ at: Date }>('select started_at as at from email_monitor_status')).rows[0]?.at;
    const first = await startedAt();
    await setRunning(fixture.db, true);
    await setRunning(fixture.db, false);
    expect(await startedAt()).toEqual(first);
    await setRunning(fixture.db, true);
    expect((await startedAt())?.getTime()).toBeGreaterThan(first?.getTime() ?? 0);
  });

  it('a mailbox whose pause has ended is catching_up until its run ends, not not_polling', async () => {
    await fixture.mailbox();
    await fixture.addedMailbox({
      email_address: 'm1@example.com',
      last_run_at: ago(20),
      last_success_at: ago(20),
    });
    await setPaused(fixture.db, 'm1@example.com', true);
    await setPaused(fixture.db, 'm1@example.com', false);
    const m1 = await fixture.status({}, 'm1@example.com');
    expect([m1.state, m1.totals.unknown_count]).toEqual(['catching_up', 1]);
    await fixture.db.query(
      "update mailbox_settings set resumed_at = now() - interval '6 minutes' where email_address = 'm1@example.com'",
    );
    expect((await fixture.status({}, 'm1@example.com')).state).toBe('not_polling');
  });

  it('resuming a mailbox that is not paused changes no time', async () => {
    await fixture.addedMailbox({ email_address: 'm1@example.com' });
    await setPaused(fixture.db, 'm1@example.com', false);
    const { rows } = await fixture.db.query('select resumed_at from mailbox_settings');
    expect(rows).toEqual([{ resumed_at: null }]);
  });
});
