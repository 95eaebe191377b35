/** Systems that end with the test that made them. */
import { afterEach } from 'vitest';
import { createTestSystem, type TestSystem, type TestSystemOptions } from './test-system.ts';

/** To be called once in a test file. @returns makes a system */
export function useTestSystems(): (options?: TestSystemOptions) => Promise<TestSystem> {
  const open: TestSystem[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map(async (system) => await system.close()));
  });
  return async (options) => {
    const system = await createTestSystem(options);
    open.push(system);
    return system;
  };
}
