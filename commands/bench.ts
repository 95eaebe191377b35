/**
 * `npm run bench -- NAME`: measures the built functions against the emulated Gmail and a real PostgreSQL; `cost` reckons
 * a month from such figures.
 */
import { runCommand } from './command.ts';

const BENCHES: Record<string, () => Promise<void>> = {
  throughput: async () => await (await import('../test/bench/throughput.ts')).throughput(),
  quota: async () => await (await import('../test/bench/quota.ts')).quota(),
  memory: async () => await (await import('../test/bench/memory.ts')).memory(),
  gap: async () => await (await import('../test/bench/gap.ts')).gap(),
  kills: async () => await (await import('../test/bench/kills.ts')).kills(),
  console: async () => await (await import('../test/bench/console.ts')).consoleAnswers(),
  push: async () => await (await import('../test/bench/push.ts')).push(),
  cost: async () => await (await import('../test/bench/cost.ts')).cost(),
  'cost-inputs': async () => await (await import('../test/bench/cost-measure.ts')).costInputs(),
};

const USAGE = `Usage: npm run bench -- NAME
Measures the built functions against the emulated Gmail and a real PostgreSQL. NAME is one of
  ${Object.keys(BENCHES).join(', ')}`;

await runCommand(USAGE, async () => {
  const name = process.argv[2] ?? '';
  const bench = BENCHES[name];
  if (bench === undefined) throw new Error(USAGE);
  await bench();
});
