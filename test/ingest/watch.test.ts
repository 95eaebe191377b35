import { describe, expect, test } from 'vitest';
import type { EmulatedGmailOptions } from '../../emulators/gmail/emulated-gmail.ts';
import { recordHint } from '../../shared/db/hints.ts';
import { callOutsideRun } from '../../shared/ingest/call-outside-run.ts';
import { identifyMailbox } from '../../shared/ingest/identify-mailbox.ts';
import { disableWatch, enableWatch, renewWatch } from '../../shared/ingest/watch.ts';
import { CallGate } from '../helpers/call-gate.ts';
import { createFixture, type IngestFixture } from '../helpers/ingest-fixture.ts';

const TOPIC = 'projects/orders-project/topics/gmail';
const OTHER_TOPIC = 'projects/orders-project/topics/other';

interface WatchFixture extends IngestFixture {
  readonly mailboxId: number;
  /** The watch step of a scheduled run. */
  renew(env?: Record<string, string>): Promise<void>;
  watch(): Promise<Record<string, unknown> | undefined>;
  readonly countCalls: (method: string) => number;
}

/** A known mailbox of an instance with a topic. */
async function createWatchFixture(gmail: EmulatedGmailOptions = {}): Promise<WatchFixture> {
  const fixture = await createFixture({ gmail, env: { GMAIL_PUBSUB_TOPIC: TOPIC } });
  const { id } = await identifyMailbox(fixture.app, callOutsideRun(fixture.app, null, fixture.deadline()));
  return {
    ...fixture,
    mailboxId: id,
    renew: async (env) => await renewWatch(fixture.run(id, env)),
    watch: async () => (await fixture.rows('select * from mailbox_watches'))[0],
    countCalls: (method) => fixture.gmail.callLog.countByMethod[method] ?? 0,
  };
}

async function started(): Promise<WatchFixture> {
  const fixture = await createWatchFixture();
  await enableWatch(fixture.app, fixture.mailboxId, fixture.deadline());
  return fixture;
}

test('a push that arrives before the watch is stored counts as a received push', async () => {
  const gate = new CallGate();
  const fixture = await createWatchFixture({ timers: gate.timers });
  gate.hold(fixture.gmail, 'watch');
  const renewed = fixture.renew();
  await gate.arrival();
  await recordHint(fixture.db, { emailAddress: 'orders@example.com', historyId: '1' });
  gate.release();
  await renewed;
  await fixture.rows(
    `with older as (
       update mailboxes set pushed_at = pushed_at - interval '3 minutes'
     )
     update mailbox_watches set registered_at = registered_at - interval '3 minutes'`,
  );
  expect(
    await fixture.rows(
      `select w.topic, is_push_silent(w, m) as is_silent
       from mailbox_watches w
       join mailboxes m on m.id = w.mailbox_id`,
    ),
  ).toEqual([{ topic: TOPIC, is_silent: false }]);
});

describe('renewWatch', () => {
  test('registers a watch for the first time and stores the credential fingerprint', async () => {
    const fixture = await createWatchFixture();
    await fixture.renew();
    expect(fixture.gmail.mailbox.watch?.topicName).toBe(TOPIC);
    expect(await fixture.watch()).toMatchObject({
      topic: TOPIC,
      registered_at: expect.any(Date),
      expires_at: expect.any(Date),
      credential_fingerprint: fixture.app.credentialFingerprint,
      error_code: null,
    });
  });

  test.each([
    ["registered_at = now() - interval '23 hours'", 0],
    ["registered_at = now() - interval '25 hours'", 1],
    ["expires_at = now() + interval '25 hours'", 0],
    ["expires_at = now() + interval '23 hours'", 1],
    ["credential_fingerprint = 'other'", 1],
    ["late_run_count = 3, registered_at = now() - interval '61 minutes'", 1],
    ["late_run_count = 3, registered_at = now() - interval '59 minutes'", 0],
    ["registered_at = now() - interval '25 hours', next_attempt_at = now() + interval '1 minute'", 0],
  ])('renewWatch with %s makes %i call', async (change, calls) => {
    const fixture = await started();
    await fixture.rows(`update mailbox_watches set ${change}`);
    fixture.gmail.resetCounters();
    await fixture.renew();
    expect(fixture.countCalls('watch')).toBe(calls);
  });

  test('renewWatch ends the watch when no topic is configured any more', async () => {
    const fixture = await started();
    await fixture.renew({ GMAIL_PUBSUB_TOPIC: '' });
    expect(fixture.gmail.mailbox.watch).toBeNull();
    expect(await fixture.watch()).toMatchObject({ topic: null, registered_at: null, expires_at: null });
  });

  test('renewWatch forgets an error when no topic is configured any more', async () => {
    const fixture = await createWatchFixture();
    fixture.gmail.faults.add({ kind: 'status', status: 403, reason: 'forbidden', method: 'watch' });
    await fixture.renew();
    expect(await fixture.watch()).toMatchObject({ error_code: 'watch_denied' });
    await fixture.renew({ GMAIL_PUBSUB_TOPIC: '' });
    expect(await fixture.watch()).toMatchObject({ error_code: null });
    expect(fixture.countCalls('stop')).toBe(0);
  });
});

describe('spent quota', () => {
  test('renewWatch waits some seconds for its units and succeeds', async () => {
    const fixture = await createWatchFixture();
    await fixture.rows('update mailbox_quota set available_units = 0, refilled_at = clock_timestamp()');
    await fixture.renew();
    expect(fixture.gmail.mailbox.watch?.topicName).toBe(TOPIC);
    const sleptMs = fixture.sleeps.reduce((sum, ms) => sum + ms, 0);
    expect(sleptMs).toBeGreaterThan(500);
    expect(sleptMs).toBeLessThan(10_000);
    expect(await fixture.watch()).toMatchObject({ error_code: null, topic: TOPIC });
  });

  test('a renewal without units in time records no error, and the next run tries it again', async () => {
    const fixture = await createWatchFixture();
    await fixture.rows(
      "update mailbox_quota set available_units = 0, paused_until = clock_timestamp() + interval '1 minute', pause_seconds = 16",
    );
    await fixture.renew();
    expect(fixture.countCalls('watch')).toBe(0);
    expect(await fixture.watch()).toMatchObject({ error_code: null, error: null, next_attempt_at: null });
    expect(
      fixture.log.filter((line) => line['severity'] !== 'DEBUG' && line['event'] === 'watch_failed'),
    ).toEqual([]);
    await fixture.rows(
      'update mailbox_quota set available_units = 5000, paused_until = null, pause_seconds = 0',
    );
    await fixture.renew();
    expect(fixture.countCalls('watch')).toBe(1);
  });

  test('a run without time for the call leaves the renewal to the next run', async () => {
    const fixture = await createWatchFixture();
    const run = fixture.run(fixture.mailboxId);
    await run.sleep(58_000);
    await renewWatch(run);
    expect(fixture.countCalls('watch')).toBe(0);
    expect(await fixture.watch()).toMatchObject({ error_code: null });
  });
});

describe('Gmail error', () => {
  test('records a Gmail error and waits ten minutes', async () => {
    const fixture = await createWatchFixture();
    fixture.gmail.faults.add({ kind: 'status', status: 503, method: 'watch' });
    await fixture.renew();
    expect(await fixture.watch()).toMatchObject({ error_code: 'gmail_unavailable', topic: null });
    fixture.gmail.faults.clear();
    fixture.gmail.resetCounters();
    await fixture.renew();
    expect(fixture.countCalls('watch')).toBe(0);
    await fixture.rows(
      "update mailbox_watches set next_attempt_at = next_attempt_at - interval '601 seconds'",
    );
    await fixture.renew();
    expect(await fixture.watch()).toMatchObject({ error_code: null, topic: TOPIC });
  });

  test('keeps the registered watch after a Gmail error, because Gmail keeps it too', async () => {
    const fixture = await started();
    await fixture.rows("update mailbox_watches set registered_at = now() - interval '2 days'");
    fixture.gmail.faults.add({ kind: 'status', status: 403, reason: 'forbidden', method: 'watch' });
    await fixture.renew();
    expect(await fixture.watch()).toMatchObject({ error_code: 'watch_denied', topic: TOPIC });
  });

  test('ends the other watch of the client and registers again after a conflict', async () => {
    const fixture = await started();
    await fixture.renew({ GMAIL_PUBSUB_TOPIC: OTHER_TOPIC });
    expect(fixture.gmail.mailbox.watch?.topicName).toBe(OTHER_TOPIC);
    expect([fixture.countCalls('watch'), fixture.countCalls('stop')]).toEqual([3, 1]);
    expect(await fixture.watch()).toMatchObject({ topic: OTHER_TOPIC, error_code: null });
  });

  test('records a conflict that comes back after one try', async () => {
    const fixture = await createWatchFixture();
    fixture.gmail.faults.add({
      kind: 'status',
      status: 400,
      reason: 'failedPrecondition',
      message: 'Only one user push notification client allowed per developer (call /stop then try again)',
      method: 'watch',
    });
    await fixture.renew();
    expect([fixture.countCalls('watch'), fixture.countCalls('stop')]).toEqual([2, 1]);
    expect(await fixture.watch()).toMatchObject({ error_code: 'watch_conflict' });
  });

  test('leaves an error that an operator must fix to the next call of the run', async () => {
    const fixture = await createWatchFixture();
    fixture.gmail.revokeRefreshToken();
    await fixture.renew();
    expect(await fixture.watch()).toMatchObject({ error_code: null });
  });
});

test('enableWatch registers the watch whether it is due or not, and disableWatch ends it', async () => {
  const fixture = await started();
  await enableWatch(fixture.app, fixture.mailboxId, fixture.deadline());
  expect(fixture.countCalls('watch')).toBe(2);
  await disableWatch(fixture.app, fixture.mailboxId, fixture.deadline());
  expect(fixture.gmail.mailbox.watch).toBeNull();
  expect(await fixture.watch()).toMatchObject({ topic: null, credential_fingerprint: null });
});
