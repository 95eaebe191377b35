/** Worlds that end with the test that made them. */
import { afterEach } from 'vitest';
import { createWorld, type World, type WorldOptions } from './world.ts';

/** To be called once in a test file. @returns makes a world */
export function useWorlds(): (options?: WorldOptions) => Promise<World> {
  const open: World[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map(async (world) => await world.close()));
  });
  return async (options) => {
    const world = await createWorld(options);
    open.push(world);
    return world;
  };
}
