/**
 * `npm run bench`: measures against the emulated Gmail and a real PostgreSQL, and writes test/bench/RESULTS.md; with a
 * name, that section alone. Some more benches only print; `cost` and `scale` reckon with such figures.
 */
import { type Section, writeSection } from '../test/bench/measured.ts';
import { runCommand } from './support/command.ts';

/** In the order of RESULTS.md. */
const SECTIONS: Record<string, () => Promise<Section>> = {
  units: async () => await (await import('../test/bench/units.ts')).units(),
  throughput: async () => await (await import('../test/bench/throughput.ts')).throughput(),
  quota: async () => await (await import('../test/bench/quota.ts')).quota(),
  push: async () => await (await import('../test/bench/push.ts')).push(),
  cpu: async () => await (await import('../test/bench/cpu.ts')).cpu(),
  memory: async () => await (await import('../test/bench/memory.ts')).memory(),
  'cold-start': async () => await (await import('../test/bench/cold-start.ts')).coldStart(),
  growth: async () => await (await import('../test/bench/growth.ts')).growth(),
  'bad-messages': async () => await (await import('../test/bench/bad-messages.ts')).badMessages(),
  'long-history': async () => await (await import('../test/bench/long-history.ts')).longHistory(),
  'bulk-import': async () => await (await import('../test/bench/bulk-import.ts')).bulkImport(),
  outage: async () => await (await import('../test/bench/outage.ts')).outage(),
};

const OTHERS: Record<string, () => Promise<void>> = {
  gap: async () => await (await import('../test/bench/gap.ts')).gap(),
  kills: async () => await (await import('../test/bench/kills.ts')).kills(),
  console: async () => await (await import('../test/bench/console.ts')).consoleAnswers(),
  cost: async () => await (await import('../test/bench/cost.ts')).cost(),
  scale: async () => await (await import('../test/bench/scale.ts')).scale(),
  'cost-inputs': async () => await (await import('../test/bench/cost-measure.ts')).costInputs(),
};

const USAGE = `Usage: npm run bench [-- NAME]
Measures against the emulated Gmail and a real PostgreSQL, and writes test/bench/RESULTS.md. Without a name all of
  ${Object.keys(SECTIONS).join(', ')},
which takes some 40 minutes; with one of them that section alone. These print, and write nothing:
  ${Object.keys(OTHERS).join(', ')}`;

await runCommand(USAGE, async () => {
  const name = process.argv[2];
  const other = OTHERS[name ?? ''];
  if (other !== undefined) return await other();
  const chosen = Object.entries(SECTIONS).filter(([section]) => name === undefined || section === name);
  if (chosen.length === 0) throw new Error(USAGE);
  for (const [, measure] of chosen) writeSection(await measure());
});
