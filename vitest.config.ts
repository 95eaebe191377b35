import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Takes a minute in one file, which would begin last because the file is small. */
const SLOWEST = 'test/faults/faults.test.ts';

class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isSlowest = (file: TestSpecification) => file.moduleId.endsWith(SLOWEST);
    return [...sorted.filter(isSlowest), ...sorted.filter((file) => !isSlowest(file))];
  }
}

// Workers and the commands that tests start compile the same large packages, such as googleapis.
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, 'node_modules/.cache/node-compile');

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/global-postgres.ts'],
    // The default leaves one core idle, half of a small machine.
    maxWorkers: '100%',
    sequence: { sequencer: SlowestFirst },
    // Guards against a hang, not against a slow machine: nothing here is timed.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    restoreMocks: true,
    unstubEnvs: true,
  },
});
