/** google.protobuf.Duration in its JSON form ("180s", "0.5s"). */

/** Milliseconds of a duration that is known to be well-formed. */
export function durationToMs(duration: string): number {
  return Math.round(Number(duration.slice(0, -1)) * 1000);
}

/** RFC 3339 in UTC, without a fraction where there is none, as Google prints it. */
export function toTimestamp(date: Date): string {
  return date.toISOString().replace('.000Z', 'Z');
}
