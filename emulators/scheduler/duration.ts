/** The JSON formats of google.protobuf.Duration ("180s", "0.5s") and google.protobuf.Timestamp. */

/** Milliseconds of a well-formed duration; does not validate. */
export function durationToMs(duration: string): number {
  return Math.round(Number(duration.slice(0, -1)) * 1000);
}

/** RFC 3339 in UTC, without a zero fraction, as Google prints it. */
export function toTimestamp(date: Date): string {
  return date.toISOString().replace('.000Z', 'Z');
}
