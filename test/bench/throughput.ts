/** `npm run bench -- throughput`: emails a second without a quota, 50 ms a Gmail call, by calls in flight. */
import { median } from './bench-database.ts';
import { inSystem, NO_QUOTA } from './bench-system.ts';
import { startIngest } from './ingest-run.ts';
import { type Section, tableOf } from './measured.ts';
import { pollNaively } from './naive-poller.ts';

const LATENCY_MS = 50;
const EMAILS = 2_000;
/** Enough for some seconds at each pace. */
const EMAILS_AT = new Map<number | null, number>([
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
    for (const [inFlight, count] of EMAILS_AT) {
      const rate = await ourRate(inFlight, count);
      rates.set(inFlight, [...(rates.get(inFlight) ?? []), rate]);
      process.stdout.write(
        `run ${run + 1}, ${inFlight ?? 'felt for'} in flight: ${rate.toFixed(1)} a second\n`,
      );
    }
  }
  const at = (inFlight: number | null): number => median(rates.get(inFlight) ?? []);
  const allowed = (inFlight: number): number => (inFlight * 1_000) / LATENCY_MS;
  const times = median((rates.get(16) ?? []).map((rate, n) => rate / (naive[n] ?? Number.NaN)));
  const shares = [1, 2, 5, 10, 16].map((inFlight) => ({ inFlight, share: at(inFlight) / allowed(inFlight) }));
  return {
    name: 'throughput',
    title: 'Emails a second without a quota',
    how:
      `${EMAILS} emails of 40 KB with one attachment, ${LATENCY_MS} ms a Gmail call, a warm instance; medians of ${RUNS} ` +
      'runs. A poller with one call for each attachment and one thing at a time ran between them.',
    findings: [
      ...shares.map(({ inFlight, share }) => ({
        what: `share of what ${inFlight} in flight ${inFlight === 1 ? 'allows' : 'allow'}`,
        goal: 'at least 75 %',
        reached: `${(share * 100).toFixed(0)} %`,
        isMet: share >= 0.75,
      })),
      { what: 'a second at 16', goal: 'at least 120', reached: at(16).toFixed(0), isMet: at(16) >= 120 },
      {
        what: 'times the naive poller, at 16',
        goal: 'at least 16',
        reached: times.toFixed(1),
        isMet: times >= 16,
      },
    ],
    more: tableOf(
      ['calls in flight', 'emails a second', 'of each run', 'the calls allow'],
      [
        ['naive poller', median(naive).toFixed(1), naive.map((rate) => rate.toFixed(1)).join(', '), ''],
        ...[...rates].map(([inFlight, all]) => [
          inFlight === null ? 'felt for, from 5 on' : String(inFlight),
          median(all).toFixed(1),
          all.map((rate) => rate.toFixed(1)).join(', '),
          inFlight === null ? '' : allowed(inFlight).toFixed(0),
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

async function ourRate(inFlight: number | null, count: number): Promise<number> {
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
