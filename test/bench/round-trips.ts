/** Summarizes the database round trips of several runs: the statements in their order, and their times. */
import { median } from './bench-database.ts';
import type { RoundTrip } from './query-recorder.ts';

/** A longer gap between statements is shown. It is a Gmail call or the parsing of an email. */
const PAUSE_MS = 5;

/** Uses the medians of the runs with the most common order of statements, and reports how many those are. */
export function describeRoundTrips(runs: readonly (readonly RoundTrip[])[]): string[] {
  const shapes = Map.groupBy(runs, (run) => run.map((trip) => trip.sql).join('\n'));
  const common = [...shapes.values()].toSorted((a, b) => b.length - a.length)[0] ?? [];
  const first = common[0] ?? [];
  const total = median(
    common.map((run) => run.reduce((sum, trip) => sum + trip.endedMs - trip.startedMs, 0)),
  );
  const lines = [
    `${first.length} database round trips per run, ${total.toFixed(1)} ms in total; ` +
      `this order in ${common.length} of ${runs.length} runs (times since the push, medians)`,
  ];
  let ended = 0;
  for (const [index, { sql }] of first.entries()) {
    const at = (pick: (trip: RoundTrip) => number): number =>
      median(common.flatMap((run) => (run[index] === undefined ? [] : [pick(run[index])])));
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
