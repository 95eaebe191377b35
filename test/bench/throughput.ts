/** `npm run bench -- throughput`: emails per second without a quota, 50 ms per Gmail call, by number of calls in flight. */
import { median } from './bench-database.ts';
import { inSystem, NO_QUOTA } from './bench-system.ts';
import { startIngest } from './ingest-run.ts';
import { pollNaively } from './naive-poller.ts';
import { type Section, tableOf } from './results.ts';

const LATENCY_MS = 50;
const EMAILS = 2_000;
/** Emails by number of calls in flight (null = adaptive), enough for several seconds each. */
const EMAIL_COUNTS = new Map<number | null, number>([
  [1, 150],
  [2, 300],
  [5, 700],
  [10, 1_200],
  [16, EMAILS],
  [null, EMAILS],
]);
const NAIVE_EMAILS = 60;
const RUNS = 3;

export async function throughput(): Promise<Section> {
  const naive: number[] = [];
  const rates = new Map<number | null, number[]>();
  for (let run = 0; run < RUNS; run += 1) {
    naive.push(await naiveRate());
    for (const [inFlight, count] of EMAIL_COUNTS) {
      const rate = await systemRate(inFlight, count);
      rates.set(inFlight, [...(rates.get(inFlight) ?? []), rate]);
      process.stdout.write(
        `run ${run + 1}, ${inFlight ?? 'adaptive'} in flight: ${rate.toFixed(1)} per second\n`,
      );
    }
  }
  const at = (inFlight: number | null): number => median(rates.get(inFlight) ?? []);
  const maximum = (inFlight: number): number => (inFlight * 1_000) / LATENCY_MS;
  const times = median((rates.get(16) ?? []).map((rate, n) => rate / (naive[n] ?? Number.NaN)));
  const shares = [1, 2, 5, 10, 16].map((inFlight) => ({ inFlight, share: at(inFlight) / maximum(inFlight) }));
  return {
    name: 'throughput',
    title: 'Emails per second without a quota',
    how:
      `${EMAILS} emails of 40 KB with one attachment, ${LATENCY_MS} ms per Gmail call, a warm instance; medians of ${RUNS} ` +
      'runs. For comparison, a naive sequential poller with one call per attachment ran between them.',
    results: [
      ...shares.map(({ inFlight, share }) => ({
        what: `share of the maximum with ${inFlight} in flight`,
        goal: 'at least 75 %',
        reached: `${(share * 100).toFixed(0)} %`,
        isMet: share >= 0.75,
      })),
      {
        what: 'emails per second with 16 in flight',
        goal: 'at least 120',
        reached: at(16).toFixed(0),
        isMet: at(16) >= 120,
      },
      {
        what: 'ratio to the naive poller, with 16 in flight',
        goal: 'at least 16',
        reached: times.toFixed(1),
        isMet: times >= 16,
      },
    ],
    more: tableOf(
      ['calls in flight', 'emails per second', 'each run', 'maximum'],
      [
        ['naive poller', median(naive).toFixed(1), naive.map((rate) => rate.toFixed(1)).join(', '), ''],
        ...[...rates].map(([inFlight, all]) => [
          inFlight === null ? 'adaptive, starting at 5' : String(inFlight),
          median(all).toFixed(1),
          all.map((rate) => rate.toFixed(1)).join(', '),
          inFlight === null ? '' : maximum(inFlight).toFixed(0),
        ]),
      ],
    ),
  };
}

async function naiveRate(): Promise<number> {
  return await inSystem({ quotaUnitsPerMinute: null, latencyMs: LATENCY_MS }, async (system) => {
    await system.deliver(NAIVE_EMAILS);
    const startedMs = performance.now();
    const count = await pollNaively(system.gmail, system.db.url);
    return (count * 1_000) / (performance.now() - startedMs);
  });
}

async function systemRate(inFlight: number | null, count: number): Promise<number> {
  return await inSystem({ quotaUnitsPerMinute: null, latencyMs: LATENCY_MS }, async (system) => {
    const ingest = await startIngest({ ...system.env, ...NO_QUOTA }, { inFlight, trigger: 'schedule' });
    await ingest.warmUp();
    await system.deliver(count);
    const { counts, wallMs } = await ingest.run();
    await ingest.close();
    if (counts.stored !== count) throw new Error(`${counts.stored} of ${count} stored.`);
    return (counts.stored * 1_000) / wallMs;
  });
}
