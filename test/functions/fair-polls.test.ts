/** One instance that runs several mailboxes: fairness, poll-now, and work that is spread over time. */
import { describe, expect, it } from 'vitest';
import { freePort } from '../../local/ports.ts';
import { Deadline } from '../../shared/deadline.ts';
import { LARGE_BODY_BYTES } from '../../shared/gmail/response-body.ts';
import { MailboxContexts } from '../../shared/ingest/mailbox-contexts.ts';
import { pollMailboxes } from '../../shared/ingest/poll-mailboxes.ts';
import { removeMailbox } from '../../shared/mailboxes/mailbox-changes.ts';
import { createBucketFixture } from '../helpers/bucket-fixture.ts';
import { type ManyMailboxes, useManyMailboxes } from '../helpers/many-mailboxes.ts';
import { incompressible, mail, orderWithFile } from '../helpers/test-emails.ts';

const createSystem = useManyMailboxes();
const ANN = 'ann@example.com';
const BOB = 'bob@example.com';
const FIRST = 'orders@example.com';

const addressOf = (n: number) => `box-${n}@example.com`;

describe('poll in place', () => {
  it('a mailbox with a backlog does not delay the quiet ones, and continues after them', async () => {
    // The quota of the backlog lasts for 30 emails, then for 5 per second.
    const system = await createSystem({
      gmail: { quotaUnitsPerMinute: 6_000 },
      skipsDelays: true,
      env: { GMAIL_QUOTA_UNITS_PER_MINUTE: '600', RUN_BUDGET_SECONDS: '50' },
    });
    const backlog = await system.add(addressOf(0));
    for (let n = 0; n < 150; n += 1) backlog.gmail.deliver(mail(`Backlog ${n}`));
    const quiet = [];
    for (let n = 1; n <= 9; n += 1) quiet.push(await system.add(addressOf(n)));
    for (const { gmail } of quiet) gmail.deliver(mail('Quiet'));
    await system.turnOn();

    const polled = await system.call('poll');
    expect(polled.json).toMatchObject({ outcome: 'out_of_time', mailboxes: 11, failed_mailboxes: 0 });
    for (const { settings } of quiet) expect(await system.storedOf(settings.emailAddress)).toEqual(['Quiet']);
    const stored = await system.storedOf(addressOf(0));
    expect(stored.length).toBeGreaterThan(30);
    expect(stored.length).toBeLessThan(150);
    expect((await system.runsOf(addressOf(0))).length).toBeGreaterThan(1);
  });

  it('a message that takes longer than the share of its mailbox is stored after the others', async () => {
    const system = await createSystem({ skipsDelays: true, env: { RUN_BUDGET_SECONDS: '50' } });
    const boxes = [];
    for (let n = 0; n < 30; n += 1) boxes.push(await system.add(addressOf(n)));
    await system.turnOn();
    await system.call('poll');
    for (const { gmail } of boxes) gmail.deliver(mail('Order'));
    boxes[0]?.gmail.faults.add({ kind: 'delay', delayMs: 8_000, method: 'messages.get' });
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 30 });
    expect(await system.storedOf(addressOf(0))).toEqual(['Order']);
  });

  it('a mailbox with many large messages delays the large one of another mailbox by one of them', async () => {
    const { env, storage } = await createBucketFixture();
    const system = await createSystem({ env: { ...env, RUN_BUDGET_SECONDS: '600' } });
    const [ann, bob] = [await system.add(ANN), await system.add(BOB)];
    for (let n = 0; n < 4; n += 1)
      ann.gmail.deliver(orderWithFile(`Ann ${n}`, incompressible(`${n}`, LARGE_BODY_BYTES)));
    bob.gmail.deliver(orderWithFile('Bob', incompressible('bob', LARGE_BODY_BYTES)));
    const uploading = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    storage.beforeCall = async () => {
      uploading.resolve();
      await answer.promise;
    };
    const asked = async ({ gmail }: typeof ann, count: number) =>
      await expect.poll(() => gmail.callLog.countByMethod['messages.get']).toBe(count);

    const backlog = system.call('pollNow', { query: { mailbox: ANN } });
    await uploading.promise;
    await asked(ann, 4);
    const other = system.call('pollNow', { query: { mailbox: BOB } });
    await asked(bob, 1);
    answer.resolve();
    expect([(await backlog).json.new_emails, (await other).json.new_emails]).toEqual([4, 1]);
    const stored = await system.rows<{ subject: string }>('select subject from incoming_emails order by id');
    expect(stored.findIndex(({ subject }) => subject.endsWith('Bob'))).toBe(1);
  });

  it('fails only when the run of every mailbox failed', async () => {
    const system = await createSystem();
    const ann = await system.add(ANN);
    await system.turnOn();
    await system.call('poll');
    for (const gmail of [ann.gmail, system.gmail])
      gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    expect((await system.call('poll')).json).toMatchObject({
      code: 'gmail_unavailable',
      outcome: 'failed',
      mailboxes: 2,
      failed_mailboxes: 2,
    });
  });

  it('works on added mailboxes without credentials in the environment', async () => {
    const system = await createSystem({
      env: { GMAIL_CLIENT_ID: '', GMAIL_CLIENT_SECRET: '', GMAIL_REFRESH_TOKEN: '' },
    });
    const ann = await system.add(ANN);
    ann.gmail.deliver(mail('Ann'));
    expect((await system.call('start')).status).toBe(200);
    expect((await system.call('poll')).json).toMatchObject({
      outcome: 'completed',
      new_emails: 1,
      mailboxes: 1,
    });
  });
});

describe('poll-now', () => {
  async function stoppedSystem(): Promise<ManyMailboxes> {
    const system = await createSystem();
    for (const address of [ANN, BOB]) (await system.add(address)).gmail.deliver(mail(address));
    system.gmail.deliver(mail(FIRST));
    await system.call('pollNow');
    return system;
  }

  it('runs all mailboxes that are not paused, while the monitor is stopped', async () => {
    const system = await createSystem();
    for (const address of [ANN, BOB]) (await system.add(address)).gmail.deliver(mail(address));
    system.gmail.deliver(mail(FIRST));
    await system.pause(BOB);
    expect((await system.call('pollNow')).json).toMatchObject({ new_emails: 2, mailboxes: 2 });
    expect(await system.storedOf(BOB)).toEqual([]);
  });

  it('?mailbox runs that one, even while it is paused', async () => {
    const system = await createSystem();
    for (const address of [ANN, BOB]) (await system.add(address)).gmail.deliver(mail(address));
    await system.pause(BOB);
    const polled = await system.call('pollNow', { query: { mailbox: 'Bob@example.com' } });
    expect(polled.json).toMatchObject({ outcome: 'completed', new_emails: 1 });
    expect(polled.json).not.toHaveProperty('mailboxes');
    expect(await system.storedOf(ANN)).toEqual([]);
  });

  it('?mailbox names the first mailbox too, and no unknown one', async () => {
    const system = await stoppedSystem();
    expect((await system.call('pollNow', { query: { mailbox: FIRST } })).json).toMatchObject({
      outcome: 'completed',
    });
    const unknown = await system.call('pollNow', { query: { mailbox: 'eve@example.com' } });
    expect(unknown.json).toMatchObject({ status: 404, code: 'mailbox_unknown' });
  });

  it('?mailbox with the address of a removed mailbox is not found, and the detail does not deny that it is known', async () => {
    const system = await stoppedSystem();
    await removeMailbox(system.db, BOB);
    const removed = await system.call('pollNow', { query: { mailbox: BOB } });
    expect(removed.json).toMatchObject({
      status: 404,
      code: 'mailbox_unknown',
      detail: expect.stringMatching(/^No monitored mailbox has this address\./),
    });
  });

  it('?retry=dead and ?reconcile=all apply to the named mailbox only, or to all', async () => {
    const system = await stoppedSystem();
    await system.rows("update email_ledger set state = 'dead', next_attempt_at = now() + interval '1 day'");
    const one = await system.call('pollNow', { query: { mailbox: ANN, retry: 'dead', reconcile: 'all' } });
    expect(one.json).toMatchObject({ retried: 1 });
    expect((await system.call('pollNow', { query: { retry: 'dead' } })).json).toMatchObject({ retried: 2 });
    const full = await system.rows(
      'select m.email_address from reconciliations r join mailboxes m on m.id = r.mailbox_id where r.is_full and m.email_address <> $1',
      [FIRST],
    );
    expect(full).toEqual([{ email_address: ANN }]);
  });
});

it('poll-now?reconcile=all plans the reconciliation of mailboxes that it has no time for too', async () => {
  const system = await createSystem();
  for (const address of [ANN, BOB]) await system.add(address);
  await system.call('pollNow');
  // Each reading of the clock takes six seconds, so that no run is started.
  let nowMs = 0;
  const deadline = Deadline.after(10_000, () => {
    nowMs += 6_000;
    return nowMs;
  });
  const contexts = new MailboxContexts(system.context);
  const request = { trigger: 'manual', reconcile: 'all', deadline } as const;
  await pollMailboxes(contexts, request, system.context.log);
  const full = await system.rows('select mailbox_id from reconciliations where is_full');
  expect(full).toHaveLength(3);
});

describe('unpublished emails of a mailbox without a run', () => {
  const EMAILS = 'projects/demo/topics/emails';

  /** One email of each mailbox in the outbox. @returns `attempted`: mailboxes that the next poll tried to publish for */
  async function withLeftovers() {
    const system = await createSystem({ env: { GMAIL_POLL_INTERVAL_SECONDS: '86400' } });
    const ann = await system.add(ANN);
    ann.gmail.deliver(mail('Ann'));
    system.gmail.deliver(mail('First'));
    await system.turnOn();
    for (let polls = 0; polls < 2; polls += 1) await system.call('poll');
    await system.rows(
      'insert into email_outbox (mailbox_id, email_id) select mailbox_id, id from incoming_emails',
    );
    // No process listens on the port.
    const publishing = system.instance({
      EMAILS_PUBSUB_TOPIC: EMAILS,
      PUBSUB_EMULATOR_HOST: `127.0.0.1:${await freePort()}`,
    });
    const attempted = async () => {
      await publishing.call('poll');
      const ids = publishing.log
        .filter((line) => line['event'] === 'publish_failed')
        .map((line) => line['mailbox_id']);
      const rows = await system.rows<{ id: number; email_address: string }>(
        'select id, email_address from mailboxes',
      );
      return rows.filter(({ id }) => ids.includes(id)).map((row) => row.email_address);
    };
    return { system, attempted };
  }

  it.each([
    ['not due', 'select 1'],
    ['paused', 'update mailbox_settings set is_paused = true'],
    ['removed', 'delete from mailbox_settings'],
    ['added, while the monitor is stopped', 'update email_monitor_status set is_running = false'],
  ])('are published while it is %s', async (_case, change) => {
    const { system, attempted } = await withLeftovers();
    await system.rows(change);
    expect(await attempted()).toContain(ANN);
  });

  it('keep no other mailbox from its run when the row of their mailbox cannot be changed', async () => {
    const { system, attempted } = await withLeftovers();
    await system.rows(
      `create function refuse() returns trigger language plpgsql
       as $$ begin raise exception 'locked' using errcode = 'lock_not_available'; end $$`,
    );
    await system.rows(
      `create trigger refuse before update on mailboxes for each row when (old.email_address = '${ANN}') execute function refuse()`,
    );
    system.gmail.deliver(mail('Second of the first'));
    await system.rows(`update mailboxes set next_poll_at = null where email_address <> '${ANN}'`);
    await attempted();
    const stored = await system.rows("select subject from incoming_emails where subject like 'Second%'");
    expect(stored).toHaveLength(1);
  });

  it('are published while the only mailbox is paused and due', async () => {
    const { system, attempted } = await withLeftovers();
    await system.rows('delete from mailbox_settings');
    await system.rows(
      `insert into mailbox_settings (email_address, mailbox_id, access, is_paused)
       select email_address, id, 'environment', true from mailboxes where email_address = $1`,
      [FIRST],
    );
    await system.rows('update mailboxes set next_poll_at = null');
    expect(await attempted()).toContain(FIRST);
  });
});

describe('a paused first mailbox', () => {
  it('is not polled, and its pushes only store the hint', async () => {
    const system = await createSystem();
    await system.turnOn();
    await system.call('poll');
    await system.rows(
      "insert into mailbox_settings (email_address, mailbox_id, access, is_paused) select email_address, id, 'environment', true from mailboxes",
    );
    const { historyId } = system.gmail.deliver(mail('Order'));
    const data = Buffer.from(JSON.stringify({ emailAddress: FIRST, historyId })).toString('base64');
    system.gmail.resetCounters();
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'paused' });
    expect((await system.call('gmailPush', { body: { message: { data } } })).status).toBe(204);
    expect(system.gmail.callLog.calls).toHaveLength(0);
    const named = await system.call('pollNow', { query: { mailbox: FIRST } });
    expect(named.json).toMatchObject({ outcome: 'completed', new_emails: 1 });
  });
});

describe('periodic work of added mailboxes', () => {
  it('their next polls are spread over the interval, and the next one after at least half of it', async () => {
    const system = await createSystem({ env: { GMAIL_POLL_INTERVAL_SECONDS: '3600' } });
    for (let n = 0; n < 5; n += 1) await system.add(addressOf(n));
    await system.turnOn();
    await system.call('poll');
    const waits = await system.rows<{ minutes: number }>(
      `select extract(epoch from next_poll_at - now())::integer / 60 as minutes
       from mailboxes
       where email_address <> $1`,
      [FIRST],
    );
    const minutes = waits.map((row) => row.minutes);
    expect(new Set(minutes).size).toBe(5);
    expect(Math.min(...minutes)).toBeGreaterThanOrEqual(29);
    expect(Math.max(...minutes)).toBeLessThanOrEqual(90);
  });

  it('a reconciliation of an added mailbox is due once per period', async () => {
    const system = await createSystem();
    await system.add(ANN);
    await system.turnOn();
    await system.call('poll');
    const count = async () =>
      (
        await system.rows(
          'select r.id from reconciliations r join mailboxes m on m.id = r.mailbox_id where m.email_address = $1',
          [ANN],
        )
      ).length;
    await system.pass(900);
    await system.rows("update mailboxes set created_at = created_at - interval '900 seconds'");
    await system.call('poll');
    await system.call('poll');
    expect(await count()).toBe(1);
    await system.pass(900);
    await system.call('poll');
    expect(await count()).toBe(2);
  });
});
