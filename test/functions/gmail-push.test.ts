import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWorld, type World } from '../helpers/world.ts';

const MAIL = Buffer.from('From: buyer@example.com\r\nSubject: Order\r\n\r\nOne\r\n');

let world: World;
beforeEach(async () => {
  world = await createWorld();
  // The mailbox is known from its first cycle on.
  await world.call('pollNow');
  world.gmail.resetCounters();
});
afterEach(() => world.close());

function push(historyId: string, emailAddress = 'orders@example.com'): object {
  const data = Buffer.from(JSON.stringify({ emailAddress, historyId })).toString('base64');
  return { message: { data, messageId: '1' }, subscription: 'projects/demo/subscriptions/gmail' };
}

async function hint(): Promise<string | null | undefined> {
  const rows = await world.rows<{ hint_history_id: string | null }>('select hint_history_id from mailboxes');
  return rows[0]?.hint_history_id;
}

async function storedCount(): Promise<number> {
  return (await world.rows('select 1 from incoming_emails')).length;
}

describe('a push', () => {
  it('is recorded, fetched and acknowledged without a body', async () => {
    await world.switchOn();
    const { historyId } = world.gmail.deliver(MAIL);
    const acknowledged = await world.call('gmailPush', { body: push(historyId) });
    expect([acknowledged.status, acknowledged.body]).toEqual([204, null]);
    expect(await hint()).toBe(historyId);
    expect(await storedCount()).toBe(1);
    expect((await world.call('status')).json.mailboxes[0].last_push_at).not.toBeNull();
  });

  it('while the monitor is off is recorded and acknowledged, and nothing is fetched', async () => {
    const { historyId } = world.gmail.deliver(MAIL);
    expect((await world.call('gmailPush', { body: push(historyId) })).status).toBe(204);
    expect(await hint()).toBe(historyId);
    expect([await storedCount(), world.gmail.callLog.calls.length]).toEqual([0, 0]);
  });

  it('that is older than another changes nothing', async () => {
    await world.call('gmailPush', { body: push('18446744073709551615') });
    await world.call('gmailPush', { body: push('7') });
    expect(await hint()).toBe('18446744073709551615');
  });

  it('finds its mailbox whatever the case of the address', async () => {
    await world.call('gmailPush', { body: push('7', 'Orders@Example.COM') });
    expect(await hint()).toBe('7');
  });

  it('whose fetching fails is acknowledged: the hint is durable, the next poll serves it', async () => {
    await world.switchOn();
    const { historyId } = world.gmail.deliver(MAIL);
    world.gmail.faults.add({ kind: 'status', status: 503 });
    expect((await world.call('gmailPush', { body: push(historyId) })).status).toBe(204);
    expect([await hint(), await storedCount()]).toEqual([historyId, 0]);
    world.gmail.faults.clear();
    await world.db.query('update mailboxes set next_poll_at = null');
    await world.call('poll');
    expect(await storedCount()).toBe(1);
  });

  it('that cannot be recorded is not acknowledged', async () => {
    await world.db.query('alter table mailboxes drop column hint_at cascade');
    const refused = await world.call('gmailPush', { body: push('7') });
    expect(refused).toMatchObject({ status: 503, json: { code: 'schema_outdated' } });
  });

  it('without credentials is recorded and acknowledged', async () => {
    await world.switchOn();
    const { call } = world.instance({
      GMAIL_CLIENT_ID: '',
      GMAIL_CLIENT_SECRET: '',
      GMAIL_REFRESH_TOKEN: '',
    });
    expect((await call('gmailPush', { body: push('7') })).status).toBe(204);
    expect(await hint()).toBe('7');
  });
});

describe('what would be no better the next time is acknowledged, dropped and told', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['garbage', '{bad'],
    ['an address with NUL', push('7', 'orders\0@example.com')],
    ['another mailbox', push('7', 'somebody@example.com')],
  ])('%s', async (_, body) => {
    expect((await world.call('gmailPush', { body })).status).toBe(204);
    expect(await hint()).toBeNull();
    const [line, ...rest] = world.log.filter((one) => one['event'] === 'push_ignored');
    expect(line).toMatchObject({ severity: 'WARNING' });
    expect(rest).toEqual([]);
    expect(JSON.stringify(line)).not.toContain('somebody');
  });
});
