import { expect, it } from 'vitest';
import { Semaphore } from '../../shared/limits/semaphore.ts';

/** Requests a permit. @returns its release function once it is granted; null before */
function request(semaphore: Semaphore, permits: 'one' | 'all' = 'one') {
  const requested: { release: (() => void) | null } = { release: null };
  const granted = permits === 'all' ? semaphore.acquireAll() : semaphore.acquire();
  void granted.then((release) => {
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

it('grants all permits after those that are held, and before those that are requested later', async () => {
  const semaphore = new Semaphore(Number.MAX_SAFE_INTEGER);
  const requests = (['one', 'one', 'all', 'one', 'all'] as const).map((permits) =>
    request(semaphore, permits),
  );
  const held = () => requests.map(({ release }) => release !== null);
  const endOf = async (n: number) => {
    requests[n]?.release?.();
    await settled();
  };
  await settled();
  expect(held()).toEqual([true, true, false, false, false]);
  await endOf(0);
  expect(held()).toEqual([true, true, false, false, false]);
  await endOf(1);
  expect(held()).toEqual([true, true, true, false, false]);
  await endOf(2);
  expect(held()).toEqual([true, true, true, true, false]);
  await endOf(3);
  expect(held()).toEqual([true, true, true, true, true]);
});
