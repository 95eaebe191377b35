// Parses the values of search operators: dates, time spans and sizes.

/**
 * Gmail reads a date in a search as midnight Pacific Standard Time.
 * https://developers.google.com/workspace/gmail/api/guides/filtering
 */
const pacificMidnightHours = 8;

const dayMs = 86_400_000;

/** `2026/11/05`, `2026-11-05` or epoch seconds, as epoch milliseconds; undefined for anything else. */
export function parseDay(value: string): number | undefined {
  const [, year, month, day] = /^(\d{4})[/-](\d{1,2})[/-](\d{1,2})$/.exec(value) ?? [];
  if (year !== undefined && month !== undefined && day !== undefined) {
    return Date.UTC(Number(year), Number(month) - 1, Number(day), pacificMidnightHours);
  }
  return /^\d{5,13}$/.test(value) ? Number(value) * 1000 : undefined;
}

/** `3d`, `2m`, `1y` (and `h`) in milliseconds; undefined for anything else. */
export function spanMs(value: string): number | undefined {
  const [, count, unit] = /^(\d+)([hdmy])$/.exec(value) ?? [];
  if (count === undefined) return undefined;
  const unitMs = { h: dayMs / 24, d: dayMs, m: 30 * dayMs, y: 365 * dayMs }[unit ?? ''];
  return unitMs === undefined ? undefined : Number(count) * unitMs;
}

/** `500`, `20k`, `10M` in bytes; undefined for anything else. */
export function parseSize(value: string): number | undefined {
  const [, count, unit] = /^(\d+)(k|kb|m|mb)?$/i.exec(value) ?? [];
  if (count === undefined) return undefined;
  const letter = (unit ?? '').slice(0, 1).toLowerCase();
  return Number(count) * (letter === 'm' ? 1_048_576 : letter === 'k' ? 1024 : 1);
}
