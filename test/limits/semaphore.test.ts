import { expect, it } from 'vitest';
import { Semaphore } from '../../shared/limits/semaphore.ts';

/** Requests a permit. @returns its release function once it is granted; null before */
function request(semaphore: Semaphore) {
  const requested: { release: (() => void) | null } = { release: null };
  void semaphore.acquire().then((release) => {
    requested.release = release;
  });
  return requested;
}

/** Waits for everything that can happen without another release. */
async function settled(): Promise<void> {
  await new Promise(setImmediate);
}

it('grants as many permits as its limit, and further ones in FIFO order', async () => {
  const semaphore = new Semaphore(2);
  const requests = [1, 2, 3, 4].map(() => request(semaphore));
  const held = () => requests.map(({ release }) => release !== null);
  await settled();
  expect(held()).toEqual([true, true, false, false]);
  requests[1]?.release?.();
  await settled();
  expect(held()).toEqual([true, true, true, false]);
  requests[0]?.release?.();
  await settled();
  expect(held()).toEqual([true, true, true, true]);
});

it('ignores the second release of a permit', async () => {
  const semaphore = new Semaphore(1);
  const first = request(semaphore);
  await settled();
  first.release?.();
  const second = request(semaphore);
  await settled();
  first.release?.();
  expect(second.release).not.toBeNull();
  const third = request(semaphore);
  await settled();
  expect(third.release).toBeNull();
});

it('run releases the permit when the work fails', async () => {
  const semaphore = new Semaphore(1);
  const failing = semaphore.run(async () => await Promise.reject(new Error('failed')));
  await expect(failing).rejects.toThrow('failed');
  expect(await semaphore.run(async () => await Promise.resolve(7))).toBe(7);
});

it('with a shared one, users of one semaphore wait for each other before they wait for others', async () => {
  const shared = new Semaphore(1);
  const [many, few] = [new Semaphore(1, shared), new Semaphore(1, shared)];
  const order: string[] = [];
  const use = async (semaphore: Semaphore, name: string) =>
    await semaphore.run(async () => void order.push(name));
  await Promise.all([use(many, 'm1'), use(many, 'm2'), use(many, 'm3'), use(few, 'f1')]);
  expect(order).toEqual(['m1', 'f1', 'm2', 'm3']);
});

it('gives up after the time, and passes on the permit that it gets later', async () => {
  const shared = new Semaphore(1);
  const semaphore = new Semaphore(1, shared);
  const held = await semaphore.acquire();
  expect(await semaphore.acquireWithin(1)).toBeNull();
  const next = request(semaphore);
  held();
  await settled();
  expect(next.release).not.toBeNull();
  next.release?.();
  expect(await shared.acquireWithin(60_000)).not.toBeNull();
});
