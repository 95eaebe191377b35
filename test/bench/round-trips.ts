/** The database round trips of several runs as one list: what is asked in which order, and where the time goes. */
import { median } from './bench-database.ts';
import type { RoundTrip } from './wire-tap.ts';

/** A pause of the database so long is a Gmail call or the reading of a mail. */
const PAUSE_MS = 5;

/** Runs that ask in the usual order are averaged; the others are counted. */
export function describeRoundTrips(runs: readonly (readonly RoundTrip[])[]): string[] {
  const shapes = Map.groupBy(runs, (run) => run.map((trip) => trip.sql).join('\n'));
  const usual = [...shapes.values()].toSorted((a, b) => b.length - a.length)[0] ?? [];
  const first = usual[0] ?? [];
  const total = median(usual.map((run) => run.reduce((sum, trip) => sum + trip.endedMs - trip.startedMs, 0)));
  const lines = [
    `${first.length} database round trips a run, ${total.toFixed(1)} ms together; ` +
      `this order in ${usual.length} of ${runs.length} runs (times since the push, medians)`,
  ];
  let ended = 0;
  for (const [index, { sql }] of first.entries()) {
    const at = (pick: (trip: RoundTrip) => number): number =>
      median(usual.flatMap((run) => (run[index] === undefined ? [] : [pick(run[index])])));
    const started = at((trip) => trip.startedMs);
    if (started - ended > PAUSE_MS)
      lines.push(`          ${(started - ended).toFixed(1)} ms without the database`);
    const took = at((trip) => trip.endedMs - trip.startedMs);
    lines.push(`${started.toFixed(1).padStart(8)}  ${took.toFixed(2).padStart(6)} ms  ${index + 1}. ${sql}`);
    ended = Math.max(
      ended,
      at((trip) => trip.endedMs),
    );
  }
  return lines;
}
