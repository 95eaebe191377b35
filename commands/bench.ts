/**
 * `npm run bench [-- NAME]`: measures with the emulated Gmail and a real PostgreSQL, and writes test/bench/RESULTS.md or
 * one section of it. Some benchmarks only print; `cost` and `scale` compute estimates from measured figures.
 */
import { printSection, type Section, writeSection } from '../test/bench/results.ts';
import { runCommand } from './support/command.ts';
import { UsageError } from './support/flags.ts';
import { quoted } from './support/terminal.ts';

/** In the order of RESULTS.md. */
const SECTIONS: Record<string, () => Promise<Section>> = {
  units: async () => await (await import('../test/bench/units.ts')).units(),
  throughput: async () => await (await import('../test/bench/throughput.ts')).throughput(),
  quota: async () => await (await import('../test/bench/quota.ts')).quota(),
  push: async () => await (await import('../test/bench/push.ts')).push(),
  queue: async () => await (await import('../test/bench/queue.ts')).queue(),
  cpu: async () => await (await import('../test/bench/cpu.ts')).cpu(),
  memory: async () => await (await import('../test/bench/memory.ts')).memory(),
  'cold-start': async () => await (await import('../test/bench/cold-start.ts')).coldStart(),
  growth: async () => await (await import('../test/bench/growth.ts')).growth(),
  'bad-messages': async () => await (await import('../test/bench/bad-messages.ts')).badMessages(),
  'long-history': async () => await (await import('../test/bench/long-history.ts')).longHistory(),
  'bulk-import': async () => await (await import('../test/bench/bulk-import.ts')).bulkImport(),
  outage: async () => await (await import('../test/bench/outage.ts')).outage(),
  mailboxes: async () => await (await import('../test/bench/mailboxes.ts')).mailboxes(),
  'parse-shapes': async () => await (await import('../test/bench/parse-shapes.ts')).parseShapes(),
};

const PRINTING: Record<string, () => Promise<void>> = {
  gap: async () => await (await import('../test/bench/gap.ts')).gap(),
  kills: async () => await (await import('../test/bench/kills.ts')).kills(),
  console: async () => await (await import('../test/bench/console.ts')).consoleResponses(),
  cost: async () => await (await import('../test/bench/cost.ts')).cost(),
  scale: async () => await (await import('../test/bench/scale.ts')).scale(),
  'cost-inputs': async () => await (await import('../test/bench/cost-measure.ts')).costInputs(),
};

/** These read the arguments after their name: numbers of emails, kinds of fault, hours. */
const TAKES_ARGUMENTS = ['growth', 'console', 'bad-messages', 'outage', 'queue', 'mailboxes'];

const USAGE = `Usage: npm run bench [-- NAME]
Measures with the emulated Gmail and a real PostgreSQL, and writes test/bench/RESULTS.md. Without a name, it writes all
of these sections, which takes about 40 minutes; with a name, only that one:
  ${Object.keys(SECTIONS).join(', ').replace(', cold-start', ',\n  cold-start')}
These only print:
  ${Object.keys(PRINTING).join(', ')}
These take arguments: growth [EMAILS...], console [EMAILS], bad-messages [KIND], outage [HOURS],
queue [workers|claims|stores...],
mailboxes [throughput|push|idle], which only prints that part.`;

await runCommand(USAGE, async () => {
  const [name, extra] = process.argv.slice(2);
  if (extra !== undefined && !TAKES_ARGUMENTS.includes(name ?? ''))
    throw new UsageError(`Unexpected argument ${quoted(extra)}: only one name is allowed.`);
  const printing = PRINTING[name ?? ''];
  if (printing !== undefined) return await printing();
  const chosen = Object.entries(SECTIONS).filter(([section]) => name === undefined || section === name);
  if (chosen.length === 0) throw new UsageError(`There is no benchmark ${quoted(name ?? '')}.`);
  for (const [, measure] of chosen) {
    const section = await measure();
    // A part of a section must not replace all of it.
    if (name === 'mailboxes' && extra !== undefined) printSection(section);
    else writeSection(section);
  }
});
