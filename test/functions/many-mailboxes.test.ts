/** Several mailboxes in one deployment, in place: without WORK_PUBSUB_TOPIC. */
import { describe, expect, it } from 'vitest';
import { useManyMailboxes } from '../helpers/many-mailboxes.ts';
import { mail } from '../helpers/test-emails.ts';

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
