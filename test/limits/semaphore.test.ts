import { expect, it } from 'vitest';
import { Semaphore } from '../../shared/limits/semaphore.ts';

/** Asks for a permit. @returns how it went so far */
function ask(semaphore: Semaphore) {
  const asked: { release: (() => void) | null } = { release: null };
  void semaphore.acquire().then((release) => {
    asked.release = release;
  });
  return asked;
}

/** All that can happen without a further release has happened. */
async function settled(): Promise<void> {
  await new Promise(setImmediate);
}

it('admits as many as its limit, and the others in the order of asking', async () => {
  const semaphore = new Semaphore(2);
  const asked = [1, 2, 3, 4].map(() => ask(semaphore));
  const held = () => asked.map(({ release }) => release !== null);
  await settled();
  expect(held()).toEqual([true, true, false, false]);
  asked[1]?.release?.();
  await settled();
  expect(held()).toEqual([true, true, true, false]);
  asked[0]?.release?.();
  await settled();
  expect(held()).toEqual([true, true, true, true]);
});

it('counts a permit that is released twice once', async () => {
  const semaphore = new Semaphore(1);
  const first = ask(semaphore);
  await settled();
  first.release?.();
  const second = ask(semaphore);
  await settled();
  first.release?.();
  expect(second.release).not.toBeNull();
  const third = ask(semaphore);
  await settled();
  expect(third.release).toBeNull();
});

it('releases the permit when the work fails', async () => {
  const semaphore = new Semaphore(1);
  const failing = semaphore.run(async () => await Promise.reject(new Error('failed')));
  await expect(failing).rejects.toThrow('failed');
  expect(await semaphore.run(async () => await Promise.resolve(7))).toBe(7);
});
