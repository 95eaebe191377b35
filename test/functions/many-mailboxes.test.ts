/** Several mailboxes in one deployment, in place: without WORK_PUBSUB_TOPIC. */
import { describe, expect, it } from 'vitest';
import { MailboxContexts } from '../../shared/ingest/mailbox-contexts.ts';
import { removeMailbox, setPaused } from '../../shared/mailboxes/mailbox-changes.ts';
import { useManyMailboxes } from '../helpers/many-mailboxes.ts';
import { mail } from '../helpers/test-emails.ts';
import type { TestSystem, TestSystemOptions } from '../helpers/test-system.ts';

const createSystem = useManyMailboxes();
const ANN = 'ann@example.com';
const BOB = 'bob@example.com';

describe('poll', () => {
  it('runs every mailbox that is due, and sums the counts', async () => {
    const system = await createSystem();
    const ann = await system.add(ANN);
    const bob = await system.add(BOB);
    await system.turnOn();
    system.gmail.deliver(mail('First'));
    ann.gmail.deliver(mail('Ann 1'));
    ann.gmail.deliver(mail('Ann 2'));
    bob.gmail.deliver(mail('Bob'));

    const polled = await system.call('poll');
    expect(polled.status).toBe(200);
    expect(polled.json).toMatchObject({
      outcome: 'completed',
      new_emails: 4,
      mailboxes: 3,
      failed_mailboxes: 0,
    });
    expect(await system.storedOf('orders@example.com')).toEqual(['First']);
    expect(await system.storedOf(ANN)).toEqual(['Ann 1', 'Ann 2']);
    expect(await system.storedOf(BOB)).toEqual(['Bob']);
  });

  it('answers as with one mailbox while none was added', async () => {
    const system = await createSystem();
    await system.turnOn();
    expect((await system.call('poll')).json).not.toHaveProperty('mailboxes');
  });

  it('the last error of status ends with the credentials that it belongs to', async () => {
    const system = await createSystem();
    await system.add(ANN);
    await system.turnOn();
    await system.call('poll');
    system.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    await system.pass(60);
    await system.call('poll');
    expect((await system.call('status')).json.last_error).toContain('503');
    const { call } = system.instance({
      GMAIL_CLIENT_ID: '',
      GMAIL_CLIENT_SECRET: '',
      GMAIL_REFRESH_TOKEN: '',
    });
    await call('poll');
    expect((await call('status')).json).toMatchObject({ state: 'watching', last_error: null });
  });

  it('two instances that poll at the same time store nothing twice', async () => {
    const system = await createSystem();
    const accounts = [await system.add(ANN), await system.add(BOB)];
    await system.turnOn();
    for (const { gmail } of accounts) for (let n = 0; n < 10; n += 1) gmail.deliver(mail(`Order ${n}`));
    const other = system.instance();
    const polls = await Promise.all([system.call('poll'), other.call('poll')]);
    expect(polls.map(({ status }) => status)).toEqual([200, 200]);
    await system.call('poll');
    expect(await system.storedOf(ANN)).toHaveLength(10);
    expect(await system.storedOf(BOB)).toHaveLength(10);
    expect(await system.rows('select email_address from mailboxes order by id')).toHaveLength(3);
  });
});

describe('poll-now', () => {
  const FIRST = 'orders@example.com';
  const DEAD = `insert into email_ledger (mailbox_id, gmail_message_id, source, state, attempt_count, error_code)
    select id, 'dead', 'history', 'dead', 8, 'gmail_unavailable' from mailboxes where email_address = $1`;

  it.each([{}, { retry: 'dead' }, { reconcile: 'all' }])(
    'with %o fetches nothing for the only mailbox while it is paused; naming it fetches',
    async (query) => {
      const system = await createSystem();
      await system.turnOn();
      await system.call('poll');
      await setPaused(system.db, FIRST, true);
      await system.rows(DEAD, [FIRST]);
      system.gmail.deliver(mail('Order'));
      system.gmail.resetCounters();
      const skipped = await system.call('pollNow', { query });
      expect([skipped.status, skipped.json]).toEqual([
        200,
        expect.objectContaining({ outcome: 'paused', new_emails: 0 }),
      ]);
      expect(system.gmail.callLog.calls).toHaveLength(0);
      expect(await system.rows("select 1 from email_ledger where state = 'dead'")).toHaveLength(1);
      expect(await system.storedOf(FIRST)).toEqual([]);

      expect((await system.call('pollNow', { query: { mailbox: FIRST } })).json).toMatchObject({
        outcome: 'completed',
        new_emails: 1,
      });
    },
  );

  it('says that all mailboxes are paused, with several too', async () => {
    const { system } = await knownSystem();
    for (const address of [FIRST, ANN, BOB]) await setPaused(system.db, address, true);
    system.gmail.resetCounters();
    expect((await system.call('pollNow')).json).toMatchObject({ outcome: 'paused' });
    expect(system.gmail.callLog.calls).toHaveLength(0);
    await setPaused(system.db, BOB, false);
    expect((await system.call('pollNow')).json).toMatchObject({ outcome: 'completed', mailboxes: 1 });
  });
});

function push(emailAddress: string, historyId: string) {
  const data = Buffer.from(JSON.stringify({ emailAddress, historyId })).toString('base64');
  return { body: { message: { data, messageId: '1' } } };
}

/** A system whose mailboxes are identified and have listed their first mail. */
async function knownSystem(options: TestSystemOptions = {}) {
  const system = await createSystem(options);
  const ann = await system.add(ANN);
  const bob = await system.add(BOB);
  await system.turnOn();
  await system.call('poll');
  await system.pass(100);
  await system.call('poll');
  return { system, ann, bob };
}

const DAY = { env: { GMAIL_POLL_INTERVAL_SECONDS: '86400' } };

describe('a push for an added mailbox', () => {
  it('is fetched with the credentials of that mailbox', async () => {
    const { system, ann } = await knownSystem(DAY);
    const { historyId } = ann.gmail.deliver(mail('Order'));
    const other = system.instance();
    expect((await other.call('gmailPush', push('Ann@Example.com', historyId))).status).toBe(204);
    expect(await system.storedOf(ANN)).toEqual(['Order']);
    expect(await system.storedOf('orders@example.com')).toEqual([]);
  });

  it('keeps its hint and fetches nothing while the mailbox is paused', async () => {
    const { system, ann } = await knownSystem(DAY);
    await system.pause(ANN);
    const { historyId } = ann.gmail.deliver(mail('Order'));
    ann.gmail.resetCounters();
    expect((await system.call('gmailPush', push(ANN, historyId))).status).toBe(204);
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'not_due', mailboxes: 0 });
    expect(ann.gmail.callLog.calls).toHaveLength(0);

    await system.pause(ANN, false);
    expect((await system.call('poll')).json).toMatchObject({ outcome: 'completed', new_emails: 1 });
  });

  it('is acknowledged without a run after the mailbox was removed', async () => {
    const { system, ann } = await knownSystem(DAY);
    await system.rows('delete from mailbox_settings where email_address = $1', [ANN]);
    const runs = await system.rows('select id from ingest_runs');
    const { historyId } = ann.gmail.deliver(mail('Order'));
    expect((await system.call('gmailPush', push(ANN, historyId))).status).toBe(204);
    expect(await system.rows('select id from ingest_runs')).toEqual(runs);
  });

  it('no credentials reach a removed mailbox, not even those of the first one', async () => {
    const { system, ann } = await knownSystem(DAY);
    const contexts = new MailboxContexts(system.context);
    const rows = await system.rows<{ id: number; email_address: string }>(
      'select id, email_address from mailboxes',
    );
    await removeMailbox(system.db, ANN);
    for (const { email_address: address, id } of rows) {
      const app = await contexts.ofMailbox(id, system.context.log);
      expect(app === null).toBe(address === ann.gmail.emailAddress);
    }
  });

  it('is delivered again when its run failed temporarily', async () => {
    const { system, ann } = await knownSystem(DAY);
    ann.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    const { historyId } = ann.gmail.deliver(mail('Order'));
    expect((await system.call('gmailPush', push(ANN, historyId))).status).toBe(503);
  });
});

/** @param lastRunAt of the mailbox when it was published; undefined: the message does not say */
function work(mailbox: string, lastRunAt?: string | null, attributes: object = {}) {
  const data = Buffer.from(JSON.stringify({ mailbox, last_run_at: lastRunAt })).toString('base64');
  return { body: { message: { data, attributes } } };
}

async function lastRunOf(system: TestSystem, address: string): Promise<string | null> {
  const [row] = await system.rows<{ last_run_at: Date | null }>(
    'select last_run_at from mailboxes where email_address = $1',
    [address],
  );
  return row?.last_run_at?.toISOString() ?? null;
}

describe('ingestMailbox', () => {
  it('runs the mailbox that the message names, the first one too', async () => {
    const { system, ann } = await knownSystem();
    ann.gmail.deliver(mail('Ann'));
    system.gmail.deliver(mail('First'));
    expect((await system.call('ingestMailbox', work(ANN))).status).toBe(204);
    expect((await system.call('ingestMailbox', work('orders@example.com'))).status).toBe(204);
    expect(await system.storedOf(ANN)).toEqual(['Ann']);
    expect(await system.storedOf('orders@example.com')).toEqual(['First']);
  });

  it('acknowledges a duplicate without a call to Gmail, when a run began after it was published', async () => {
    const { system, ann } = await knownSystem();
    const published = work(ANN, await lastRunOf(system, ANN));
    await system.call('ingestMailbox', published);
    ann.gmail.resetCounters();
    const duplicate = await system.call('ingestMailbox', published);
    expect([duplicate.status, duplicate.body]).toEqual([204, null]);
    expect(ann.gmail.callLog.calls).toHaveLength(0);
    await system.call('ingestMailbox', work(ANN, await lastRunOf(system, ANN)));
    expect(ann.gmail.callLog.calls.length).toBeGreaterThan(0);
  });

  it('runs for an operator also when another run began after the message was published', async () => {
    const { system, ann } = await knownSystem();
    const lastRunAt = await lastRunOf(system, ANN);
    await system.call('ingestMailbox', work(ANN, lastRunAt));
    ann.gmail.resetCounters();
    await system.call('ingestMailbox', work(ANN, lastRunAt, { trigger: 'manual' }));
    expect(ann.gmail.callLog.calls.length).toBeGreaterThan(0);
  });

  it.each([
    ['stopped', 'update email_monitor_status set is_running = false'],
    ['paused', 'update mailbox_settings set is_paused = true'],
    ['removed', 'delete from mailbox_settings'],
    ['not due', "update mailboxes set next_poll_at = now() + interval '1 hour'"],
    [
      'worked on',
      "update mailboxes set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '1 minute'",
    ],
  ])('acknowledges work for a mailbox that is %s, without a call to Gmail', async (_case, change) => {
    const { system, ann } = await knownSystem();
    await system.rows(change);
    ann.gmail.resetCounters();
    expect((await system.call('ingestMailbox', work(ANN))).status).toBe(204);
    expect(ann.gmail.callLog.calls).toHaveLength(0);
  });

  it.each([
    ['no mailbox', { message: { data: Buffer.from('{}').toString('base64') } }],
    ['no data', { message: { attributes: { mailbox: ANN } } }],
    ['text', 'hello'],
    ['nothing', undefined],
    ['a NUL', work('a\u0000b').body],
  ])('acknowledges a message with %s, with a warning', async (_case, body) => {
    const { system } = await knownSystem();
    expect((await system.call('ingestMailbox', { body })).status).toBe(204);
    expect(system.log.at(-1)).toMatchObject({ severity: 'WARNING', event: 'work_ignored' });
  });

  it('acknowledges a failed run, because the backoff of the mailbox decides about the next one', async () => {
    const { system, ann } = await knownSystem();
    ann.gmail.faults.add({ kind: 'status', status: 503, method: 'history.list' });
    expect((await system.call('ingestMailbox', work(ANN))).status).toBe(204);
    expect((await system.runsOf(ANN)).at(-1)).toBe('failed');
    ann.gmail.resetCounters();
    expect((await system.call('ingestMailbox', work(ANN))).status).toBe(204);
    expect(ann.gmail.callLog.calls).toHaveLength(0);
  });
});
