import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readMailboxDetails } from '../../../shared/control/status/mailbox-details.ts';
import { readFailingMessages, readMailboxes } from '../../../shared/control/status/mailbox-status.ts';
import { readReconciliationResults } from '../../../shared/control/status/reconciliation-results.ts';
import type { StatusJson } from '../../../shared/schemas/status.ts';
import { type StatusFixture, statusFixture } from '../../helpers/status-fixture.ts';

const NO_CREDENTIALS = { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '', GMAIL_REFRESH_TOKEN: '' };
const TOPIC = 'projects/p/topics/t';
const FAILED = {
  state: "'pending'",
  attempt_count: '1',
  last_attempt_at: "now() - interval '10 seconds'",
  next_attempt_at: "now() + interval '10 seconds'",
  error_code: "'gmail_unavailable'",
  error_detail: "'users.messages.get: 503'",
} as const;
const DEAD = {
  ...FAILED,
  state: "'dead'",
  attempt_count: '8',
  next_attempt_at: "now() + interval '1 day'",
} as const;

let fixture: StatusFixture;
beforeEach(async () => {
  fixture = await statusFixture();
});
afterEach(() => fixture.close());

function ago(minutes: number): Date {
  return new Date(Date.now() - minutes * 60_000);
}

/** The mailbox, the state and the advice codes of a status. */
function summarize({ advice_items: items, mailboxes, state }: StatusJson) {
  const [mailbox] = mailboxes;
  if (mailbox === undefined) throw new Error('There is no mailbox.');
  return { state, mailbox, codes: items.map((item) => item.code) };
}

describe('the state', () => {
  it('the state is not_configured without credentials, and the response names the variables to set', async () => {
    expect(await fixture.status({ ...NO_CREDENTIALS, GMAIL_CLIENT_ID: 'id' })).toEqual({
      is_running: false,
      last_poll_at: null,
      last_error: null,
      emails_processed_total: 0,
      state: 'not_configured',
      scheduler: null,
      mailbox_count: 0,
      totals: {
        pending: 0,
        stored: 0,
        gone: 0,
        ignored: 0,
        dead: 0,
        failing: 0,
        missing: null,
        unreconciled_count: 0,
        unreconciled_paused_count: 0,
        waiting_count: null,
        unknown_count: 0,
        unknown_since: null,
        states: {},
        paused_count: 0,
      },
      mailboxes: [],
      consumers: [],
      retention: null,
      uncollected_objects: null,
      advice: [
        'Not set: GMAIL_CLIENT_SECRET, GMAIL_REFRESH_TOKEN. Run `npm run authorize`; for a deployment, add --secret-manager.',
      ],
      advice_items: [
        {
          code: 'not_configured',
          text: 'Not set: GMAIL_CLIENT_SECRET, GMAIL_REFRESH_TOKEN.',
          action: 'authorize',
        },
      ],
    });
  });

  it('the state is not_configured for every mailbox of other credentials, even when its rows look like watching', async () => {
    await fixture.turnOn();
    await fixture.mailbox();
    expect(summarize(await fixture.status())).toMatchObject({ state: 'watching' });
    expect(summarize(await fixture.status(NO_CREDENTIALS))).toMatchObject({
      state: 'not_configured',
      mailbox: { state: 'not_configured', is_current: false, waiting_count: null },
    });
    await fixture.mailbox({ email_address: 'former@example.com', credential_fingerprint: 'f'.repeat(64) });
    const { mailboxes, state } = await fixture.status();
    expect(state).toBe('watching');
    expect(mailboxes.map((one) => one.state)).toEqual(['watching', 'not_configured']);
  });

  it.each([
    ['reauth_required', 'reauth_required'],
    ['bad_client', 'access_denied'],
    ['gmail_denied', 'access_denied'],
  ])('the state after the error %s is %s, also while stopped', async (code, state) => {
    await fixture.mailbox({ last_error_code: code, last_error: 'Rejected.', failure_count: 1 });
    expect(summarize(await fixture.status()).state).toBe(state);
    await fixture.turnOn();
    expect(summarize(await fixture.status()).state).toBe(state);
  });

  it('the state is stopped while the monitor is off, whatever a run would find', async () => {
    const id = await fixture.mailbox({ failure_count: 2, last_error_code: 'gmail_unavailable' });
    await fixture.messages(id, 1, DEAD);
    expect(summarize(await fixture.status()).state).toBe('stopped');
  });

  it.each([
    ['gmail_unavailable', 'promises a retry', null],
    ['gmail_daily_limit', 'says what to do', expect.stringMatching(/quota/)],
  ])(
    'while stopped, the error %s, whose remediation %s, has the remediation %s',
    async (code, _what, text) => {
      const id = await fixture.mailbox({ last_error_code: code, last_error: 'Failed.', failure_count: 1 });
      await fixture.db.query(
        `insert into mailbox_watches (mailbox_id, topic, error_code, error) values ($1, 't', $2, 'Failed.')`,
        [id, code],
      );
      const errors = async () => {
        const [mailbox] = (await fixture.status()).mailboxes;
        return [mailbox?.last_error?.remediation, mailbox?.watch?.error?.remediation];
      };
      expect(await errors()).toEqual([text, text]);
      await fixture.turnOn();
      expect(await errors()).toEqual([expect.any(String), expect.any(String)]);
    },
  );

  it('the state is backing_off after a failed run, with the time of the next run', async () => {
    await fixture.turnOn();
    const next = new Date(Date.now() + 20_000);
    await fixture.mailbox({ failure_count: 2, next_poll_at: next, last_error_code: 'gmail_unavailable' });
    expect(summarize(await fixture.status())).toMatchObject({
      state: 'backing_off',
      mailbox: { next_poll_at: next.toISOString(), waiting_count: null },
      codes: ['gmail_unavailable'],
    });
  });

  it('the state is not_polling when the monitor is on and no run began for three intervals, at least five minutes', async () => {
    await fixture.turnOn();
    const id = await fixture.mailbox({ last_run_at: ago(4.9) });
    expect(summarize(await fixture.status()).state).toBe('watching');
    const setLastRun = async (minutes: number) =>
      await fixture.db.query('update mailboxes set last_run_at = $2 where id = $1', [id, ago(minutes)]);
    await setLastRun(5.1);
    const idle = summarize(await fixture.status());
    expect(idle).toMatchObject({
      state: 'not_polling',
      codes: ['not_polling'],
      mailbox: { waiting_count: null },
    });
    const env = { GMAIL_POLL_INTERVAL_SECONDS: '600' };
    await setLastRun(29);
    expect(summarize(await fixture.status(env)).state).toBe('watching');
    await setLastRun(31);
    expect(summarize(await fixture.status(env)).state).toBe('not_polling');
    // The next poll time of a mailbox that does not back off explains no gap.
    await fixture.db.query('update mailboxes set next_poll_at = $2 where id = $1', [id, ago(1)]);
    expect(summarize(await fixture.status(env)).state).toBe('not_polling');
  });

  it('the state is not_polling when the backoff ended long ago, and when the first run never began', async () => {
    await fixture.turnOn();
    expect(await fixture.status()).toMatchObject({ state: 'not_polling', mailboxes: [] });
    await fixture.mailbox({ last_run_at: ago(20), next_poll_at: ago(2), failure_count: 3 });
    expect(summarize(await fixture.status()).state).toBe('backing_off');
    await fixture.db.query('update mailboxes set next_poll_at = $1', [ago(6)]);
    expect(summarize(await fixture.status()).state).toBe('not_polling');
  });

  it('the state is never not_polling just after a start, however long ago the last run was', async () => {
    await fixture.mailbox({ last_run_at: ago(600) });
    await fixture.db.query('update email_monitor_status set is_running = true, updated_at = now()');
    expect(summarize(await fixture.status()).state).toBe('catching_up');
  });

  it('the state after a start is catching_up, and the waiting count unknown since the last run, until a run ends', async () => {
    const lastSuccess = ago(600);
    await fixture.mailbox({ last_success_at: lastSuccess });
    await fixture.db.query('update email_monitor_status set is_running = true, updated_at = now()');
    expect(summarize(await fixture.status())).toMatchObject({
      state: 'catching_up',
      mailbox: { waiting_count: null, unknown_since: lastSuccess.toISOString() },
    });
    await fixture.db.query('update email_monitor_status set last_poll_at = now(), updated_at = now()');
    expect(summarize(await fixture.status())).toMatchObject({
      state: 'watching',
      mailbox: { waiting_count: 0, unknown_since: null },
    });
  });

  it('the state is not_polling when runs begin but none has ended for the gap limit plus one run budget', async () => {
    await fixture.turnOn();
    const id = await fixture.mailbox({
      last_success_at: ago(60),
      last_run_ended_at: ago(60),
      created_at: ago(90),
    });
    const env = { RUN_BUDGET_SECONDS: '120' };
    const beginRun = async (minutes: number) =>
      await fixture.db.query(
        "insert into ingest_runs (mailbox_id, trigger, started_at) values ($1, 'schedule', $2)",
        [id, ago(minutes)],
      );
    await beginRun(61);
    expect(summarize(await fixture.status(env)).state).toBe('watching');
    await beginRun(6.9);
    expect(summarize(await fixture.status(env)).state).toBe('watching');
    await beginRun(7.1);
    expect(summarize(await fixture.status(env))).toMatchObject({
      state: 'not_polling',
      codes: ['runs_not_ending'],
      mailbox: { waiting_count: null, unknown_since: expect.any(String) },
    });
    await fixture.db.query('update mailboxes set last_success_at = $1, last_run_ended_at = $1', [ago(6.5)]);
    expect(summarize(await fixture.status(env)).state).toBe('watching');
  });

  it('the state is not_polling when runs after a failed run do not end, but not just after a start', async () => {
    await fixture.turnOn();
    const failure = { failure_count: 1, last_run_ended_at: ago(59), next_poll_at: ago(58) };
    const id = await fixture.mailbox({ last_success_at: ago(60), created_at: ago(90), ...failure });
    await fixture.db.query(
      "insert into ingest_runs (mailbox_id, trigger, started_at) values ($1, 'schedule', $2)",
      [id, ago(57)],
    );
    expect(summarize(await fixture.status())).toMatchObject({
      state: 'not_polling',
      codes: ['runs_not_ending'],
    });
    await fixture.db.query('update mailboxes set next_poll_at = now()');
    expect(summarize(await fixture.status()).state).toBe('backing_off');
    await fixture.db.query('update mailboxes set failure_count = 0');
    await fixture.db.query('update email_monitor_status set updated_at = now()');
    expect(summarize(await fixture.status()).state).toBe('catching_up');
  });

  it('the end of a run does not count as a start of the monitor', async () => {
    await fixture.turnOn();
    await fixture.mailbox({ last_run_at: ago(10) });
    await fixture.db.query('update email_monitor_status set last_poll_at = now(), updated_at = now()');
    expect(summarize(await fixture.status()).state).toBe('not_polling');
  });

  it('the state is fetch_failing while a pending message has an error, with count, error and next attempt', async () => {
    await fixture.turnOn();
    const id = await fixture.mailbox();
    await fixture.messages(id, 2, FAILED);
    const { codes, mailbox, state } = summarize(await fixture.status());
    expect({ state, codes }).toEqual({ state: 'fetch_failing', codes: ['messages_failing'] });
    expect(mailbox.failing).toMatchObject({
      count: 2,
      dead_count: 0,
      error_code: 'gmail_unavailable',
      error_detail: 'users.messages.get: 503',
      next_attempt_at: expect.any(String),
      oldest_since: expect.any(String),
    });
    expect(mailbox).toMatchObject({ waiting_count: 2, unknown_since: null });
  });

  it('the state is fetch_failing while a message is dead, until it is given up', async () => {
    await fixture.turnOn();
    const id = await fixture.mailbox();
    await fixture.messages(id, 1, DEAD);
    expect(summarize(await fixture.status())).toMatchObject({
      state: 'fetch_failing',
      mailbox: { failing: { count: 1, dead_count: 1 } },
      codes: ['messages_dead'],
    });
    await fixture.db.query('update email_ledger set given_up_at = now()');
    expect(summarize(await fixture.status())).toMatchObject({
      state: 'watching',
      mailbox: { failing: null, ledger: { dead: 1 } },
      codes: [],
    });
  });

  it('the state is starting until the first run succeeds, and catching_up while messages wait or a listing is unfinished', async () => {
    await fixture.turnOn();
    const id = await fixture.mailbox({ last_success_at: null });
    expect(summarize(await fixture.status())).toMatchObject({
      state: 'starting',
      mailbox: { waiting_count: null, unknown_since: expect.any(String) },
    });
    await fixture.db.query('update mailboxes set last_success_at = now()');
    await fixture.messages(id, 3, { state: "'pending'" });
    expect(summarize(await fixture.status())).toMatchObject({
      state: 'catching_up',
      mailbox: { waiting_count: 3, unknown_since: null, oldest_pending_at: expect.any(String) },
    });
    await fixture.db.query("update email_ledger set state = 'stored'");
    expect(summarize(await fixture.status())).toMatchObject({
      state: 'watching',
      mailbox: { waiting_count: 0 },
    });
    await fixture.db.query(
      "insert into list_jobs (mailbox_id, purpose, query) values ($1, 'initial', 'in:inbox')",
      [id],
    );
    expect(summarize(await fixture.status())).toMatchObject({
      state: 'catching_up',
      mailbox: { is_listing: true, waiting_count: null, unknown_since: expect.any(String) },
    });
  });
});

it('the state is catching_up after a reconciliation that found messages missing, until the next one finds none', async () => {
  await fixture.turnOn();
  const id = await fixture.mailbox();
  const reconcile = async (minutesAgo: number, missing: number) =>
    await fixture.db.query(
      `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, started_at, evaluated_at, missing_count)
       values ($1, now() - interval '2 days', false, 'q', $2, $3, $4)`,
      [id, ago(minutesAgo + 1), ago(minutesAgo), missing],
    );
  await reconcile(30, 0);
  expect(summarize(await fixture.status()).state).toBe('watching');
  await reconcile(15, 1);
  expect(summarize(await fixture.status())).toMatchObject({
    state: 'catching_up',
    codes: ['messages_missing'],
    mailbox: { waiting_count: 0, reconciliation: { missing_count: 1 } },
  });
  await reconcile(1, 0);
  const { mailbox, state } = summarize(await fixture.status());
  expect(state).toBe('watching');
  const { at, up_to: upTo } = mailbox.reconciliation ?? { at: '', up_to: '' };
  expect(Date.parse(at) - Date.parse(upTo)).toBe(60_000);
});

it('the state is catching_up and the waiting count unknown while the history is not listed to its end', async () => {
  await fixture.turnOn();
  const since = ago(3);
  const id = await fixture.mailbox({ unconfirmed_history_id: '900', unconfirmed_at: since });
  const cut = {
    state: 'catching_up',
    mailbox: { is_listing: false, waiting_count: null, unknown_since: since.toISOString() },
  };
  expect(summarize(await fixture.status())).toMatchObject(cut);
  const listTo = async (historyId: number) =>
    await fixture.db.query('update mailboxes set listed_history_id = $2 where id = $1', [id, historyId]);
  await listTo(899);
  expect(summarize(await fixture.status())).toMatchObject(cut);
  await listTo(900);
  expect(summarize(await fixture.status())).toMatchObject({
    state: 'watching',
    mailbox: { waiting_count: 0, unknown_since: null },
  });
});

describe('watch_failing', () => {
  const env = { GMAIL_PUBSUB_TOPIC: TOPIC };
  const watch = async (id: number, columns: Readonly<Record<string, unknown>>) => {
    const all: Record<string, unknown> = {
      mailbox_id: id,
      topic: TOPIC,
      registered_at: ago(60),
      expires_at: ago(-600),
      ...columns,
    };
    const names = Object.keys(all);
    await fixture.db.query('delete from mailbox_watches');
    await fixture.db.query(
      `insert into mailbox_watches (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')})`,
      Object.values(all),
    );
  };

  beforeEach(async () => await fixture.turnOn());

  it('the state is watch_failing when the registration of the watch fails', async () => {
    const id = await fixture.mailbox();
    await watch(id, { error_code: 'watch_denied', error: 'No.', registered_at: null, expires_at: null });
    expect(summarize(await fixture.status(env))).toMatchObject({
      state: 'watch_failing',
      codes: ['watch_denied'],
    });
  });

  it('the state is watch_failing when no push arrives within two minutes of the registration, and the remediation names topic, subscription and endpoint', async () => {
    const id = await fixture.mailbox({ pushed_at: null });
    await watch(id, { registered_at: ago(1.9) });
    expect(summarize(await fixture.status(env)).state).toBe('watching');
    await watch(id, { registered_at: ago(2.1) });
    const { mailbox, state } = summarize(await fixture.status(env));
    expect(state).toBe('watch_failing');
    expect(mailbox.watch).toMatchObject({ is_silent: true, error: { code: 'push_silent' } });
    const { advice } = await fixture.status(env);
    expect(advice[0]).toMatch(/projects\/p\/topics\/t.*push subscription.*endpoint/);
    await fixture.db.query('update mailboxes set pushed_at = now()');
    expect(summarize(await fixture.status(env)).state).toBe('watching');
  });

  it('the state is watch_failing after three consecutive late runs without a push, and a later push ends it', async () => {
    const id = await fixture.mailbox({ pushed_at: ago(30) });
    await watch(id, { late_run_count: 2, late_since: ago(20) });
    expect(summarize(await fixture.status(env)).state).toBe('watching');
    await watch(id, { late_run_count: 3, late_since: ago(20) });
    expect(summarize(await fixture.status(env)).state).toBe('watch_failing');
    await fixture.db.query('update mailboxes set pushed_at = now()');
    expect(summarize(await fixture.status(env)).state).toBe('watching');
  });

  it('the state is watch_failing when the watch has expired', async () => {
    const id = await fixture.mailbox({ pushed_at: ago(1) });
    await watch(id, { expires_at: ago(1) });
    expect(summarize(await fixture.status(env))).toMatchObject({
      state: 'watch_failing',
      codes: ['watch_expired'],
    });
    await fixture.db.query('update email_monitor_status set is_running = false');
    expect(summarize(await fixture.status(env))).toMatchObject({ state: 'stopped', codes: ['stopped'] });
  });

  it('the state is never watch_failing without a configured topic', async () => {
    const id = await fixture.mailbox({ pushed_at: null });
    await watch(id, { registered_at: ago(10) });
    expect(summarize(await fixture.status()).state).toBe('watching');
  });
});

describe('unknown values', () => {
  it('the waiting count is null and not zero while stopped, with the time since when it is unknown', async () => {
    const known = ago(30);
    const id = await fixture.mailbox({ last_success_at: known });
    await fixture.messages(id, 2, { state: "'pending'" });
    expect(summarize(await fixture.status()).mailbox).toMatchObject({
      state: 'stopped',
      waiting_count: null,
      unknown_since: known.toISOString(),
      ledger: { pending: 2 },
    });
  });

  it('status shows the newest finished reconciliation and the newest full one, and no unfinished one', async () => {
    const id = await fixture.mailbox();
    expect(summarize(await fixture.status()).mailbox.reconciliation).toBeNull();
    await fixture.db.query(
      `insert into reconciliations (mailbox_id, window_begins_at, is_full, query, evaluated_at, gmail_count,
         stored_count, pending_count, failed_count, ignored_count, gone_count, missing_count)
       values ($1, now() - interval '30 days', true, 'q', now() - interval '2 days', 9, 9, 0, 0, 0, 0, 0),
              ($1, now() - interval '2 days', false, 'q', now() - interval '1 hour', 6, 1, 1, 1, 1, 1, 1),
              ($1, now() - interval '2 days', false, 'q', null, null, null, null, null, null, null, null)`,
      [id],
    );
    expect(summarize(await fixture.status()).mailbox.reconciliation).toMatchObject({
      gmail_count: 6,
      stored_count: 1,
      pending_count: 1,
      failed_count: 1,
      ignored_count: 1,
      gone_count: 1,
      missing_count: 1,
      full: { gmail_count: 9, stored_count: 9, missing_count: 0 },
    });
  });
});

it('an unreadable credential file leads to not_configured with path and reason, and does not end the process', async () => {
  await fixture.turnOn();
  const env = { GMAIL_REFRESH_TOKEN: '', GMAIL_REFRESH_TOKEN_FILE: '/no/such/file' };
  const status = await fixture.status(env);
  expect(status).toMatchObject({
    state: 'not_configured',
    last_error: 'GMAIL_REFRESH_TOKEN_FILE names /no/such/file, which cannot be read (ENOENT)',
  });
  expect(status.advice_items.map((item) => item.code)).toEqual(['credentials_unreadable']);
  expect(status.advice[0]).toContain('/no/such/file');
});

it('status reads few ledger rows even when there are 100,000, because sums and partial indexes answer it', async () => {
  await fixture.turnOn();
  const id = await fixture.mailbox();
  await fixture.messages(id, 100_000, { state: "'stored'", resolved_at: 'now()' });
  await fixture.messages(id, 5_000, { state: "'pending'", priority: '1' });
  await fixture.messages(id, 3, DEAD);
  await fixture.db.query('analyze');
  const read = await fixture.db.transaction(async (tx) => {
    const [mailbox] = await readMailboxes(tx);
    expect(mailbox).toMatchObject({ stored_count: 100_000, pending_count: 5_000, dead_count: 3 });
    expect((await readFailingMessages(tx)).get(id)).toMatchObject({ failing_count: 3, dead_count: 3 });
    await readMailboxDetails(tx, [id]);
    await readReconciliationResults(tx, [id]);
    const { rows } = await tx.query<{ seq_scan: number; idx_tup_fetch: number }>(
      "select seq_scan, idx_tup_fetch from pg_stat_xact_user_tables where relname = 'email_ledger'",
    );
    return rows[0];
  });
  expect(read?.seq_scan).toBe(0);
  expect(read?.idx_tup_fetch).toBeLessThan(20);
});
