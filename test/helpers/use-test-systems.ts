/** Creates systems that are closed at the end of the test that created them. */
import { afterEach } from 'vitest';
import { createTestSystem, type TestSystem, type TestSystemOptions } from './test-system.ts';

/** Call once per test file. @returns a function that creates a system */
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
