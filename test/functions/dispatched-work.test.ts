/** Work messages of `poll`, delivered to `ingestMailbox` late, twice, and by a Pub/Sub whose clock differs from the database's. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { useManyMailboxes } from '../helpers/many-mailboxes.ts';
import { mail } from '../helpers/test-emails.ts';
import { WorkTopic } from '../helpers/work-topic.ts';

const createSystem = useManyMailboxes();
const ANN = 'ann@example.com';

interface PushBody {
  readonly message: object;
}

/** @param clockMs how far Pub/Sub's clock is ahead of the database's; negative: behind */
async function dispatchingSystem(clockMs = 0) {
  const bodies: PushBody[] = [];
  const topic = await WorkTopic.open({
    receive: async (body) => {
      const publishTime = new Date(Date.now() + clockMs).toISOString();
      bodies.push({ message: { ...(body as PushBody).message, publishTime } });
      return await Promise.resolve(204);
    },
  });
  onTestFinished(async () => await topic.close());
  const system = await createSystem({ env: topic.env });
  const ann = await system.add(ANN);
  await system.turnOn();
  const deliver = async (body: PushBody) => (await system.call('ingestMailbox', { body })).status;
  /** Polls. @returns the message for the added mailbox */
  const dispatch = async (): Promise<PushBody> => {
    bodies.length = 0;
    await system.call('poll');
    return await vi.waitFor(
      () => {
        const body = bodies.find(({ message }) => JSON.stringify(message).includes(ANN));
        if (body === undefined) throw new Error('not published');
        return body;
      },
      { timeout: 20_000 },
    );
  };
  return { system, ann, deliver, dispatch };
}

it.each([-120_000, 0, 120_000])(
  'a mailbox that is due runs once, with a clock of Pub/Sub that is %i ms ahead',
  async (clockMs) => {
    const { system, ann, deliver, dispatch } = await dispatchingSystem(clockMs);
    expect(await deliver(await dispatch())).toBe(204);
    await system.pass(100);
    const due = await dispatch();
    ann.gmail.deliver(mail('Order'));
    expect(await deliver(due)).toBe(204);
    expect(await system.storedOf(ANN)).toEqual(['Order']);
    ann.gmail.resetCounters();
    expect(await deliver(due)).toBe(204);
    expect(ann.gmail.callLog.calls).toHaveLength(0);
  },
);

it('messages of several polls cause one run, and the next poll another', async () => {
  const { system, ann, deliver, dispatch } = await dispatchingSystem();
  const first = [await dispatch(), await dispatch()];
  for (const body of first) await deliver(body);
  expect(await system.runsOf(ANN)).toEqual(['completed']);
  ann.gmail.deliver(mail('Order'));
  await deliver(await dispatch());
  expect(await system.runsOf(ANN)).toEqual(['completed', 'completed']);
  expect(await system.storedOf(ANN)).toEqual(['Order']);
});

it.each([undefined, 1_800_000_000, 'yesterday'])(
  'a mailbox runs when its message says %o as its last run, which is not read',
  async (lastRunAt) => {
    const { system, ann, deliver, dispatch } = await dispatchingSystem();
    await deliver(await dispatch());
    ann.gmail.deliver(mail('Order'));
    const data = Buffer.from(JSON.stringify({ mailbox: ANN, last_run_at: lastRunAt })).toString('base64');
    expect(await deliver({ message: { data } })).toBe(204);
    expect(await system.storedOf(ANN)).toEqual(['Order']);
  },
);

it('a mailbox whose run died runs again with the message of the next poll, and not with that of the dead run', async () => {
  const { system, ann, deliver, dispatch } = await dispatchingSystem();
  await deliver(await dispatch());
  await system.pass(100);
  ann.gmail.deliver(mail('Order'));
  const body = await dispatch();
  await system.rows(
    `update mailboxes
     set lease_token = gen_random_uuid(), lease_expires_at = now() + interval '40 seconds', last_run_at = now()
     where email_address = $1`,
    [ANN],
  );
  await system.pass(60);
  // Pub/Sub delivers it again.
  expect(await deliver(body)).toBe(204);
  expect(await system.storedOf(ANN)).toEqual([]);
  expect(await deliver(await dispatch())).toBe(204);
  expect(await system.storedOf(ANN)).toEqual(['Order']);
});
