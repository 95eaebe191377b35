/**
 * The Date header. It does not use `new Date(text)`, which accepts nearly any text and reads a date without
 * a zone in the local time zone.
 */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** Zones by name, in hours; RFC 5322 section 4.3, and what senders outside America write. */
const ZONE_HOURS: ReadonlyMap<string, number> = new Map([
  ['edt', -4],
  ['est', -5],
  ['cdt', -5],
  ['cst', -6],
  ['mdt', -6],
  ['mst', -7],
  ['pdt', -7],
  ['pst', -8],
  ['bst', 1],
  ['cet', 1],
  ['cest', 2],
  ['eet', 2],
  ['eest', 3],
  ['msk', 3],
  ['jst', 9],
]);

const MAX_LENGTH = 200;

/** `Tue, 1 Jul 2003 10:52:37 +0200 (CEST)`, with optional day name, seconds and zone. */
const RFC_5322 =
  /^(?:[a-z]{2,9}\.?\s*,?\s*)?(\d{1,2})[\s-]+([a-z]{3})[a-z]*\.?,?[\s-]+(\d{2,4}),?\s+(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:[.,]\d+)?)?\s*([+-]\d{2}:?\d{2}|[a-z]{1,5})?/i;
/** `Tue Jul  1 10:52:37 2003`, as C's `ctime` writes it, with a zone before or after the year. */
const CTIME =
  /^(?:[a-z]{2,9}\.?,?\s+)?([a-z]{3})[a-z]*\.?\s+(\d{1,2}),?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s+(?:([+-]\d{4}|[a-z]{1,5})\s+)?(\d{4})(?:\s+([+-]\d{4}))?/i;
const ISO_8601 =
  /^(\d{4})-(\d{2})-(\d{2})[t\s](\d{2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*([+-]\d{2}:?\d{2}|z)?/i;

/** The time of a Date header; null when unreadable. A missing or unknown zone is read as UTC. */
export function parseSentDate(header: string): Date | null {
  const text = withoutComments(header.slice(0, MAX_LENGTH)).trim();
  let match = RFC_5322.exec(text);
  if (match !== null) {
    const [, day, month, year, hour, minute, second, zone] = match;
    return moment(year, MONTHS.indexOf((month ?? '').toLowerCase()), day, hour, minute, second, zone);
  }
  match = CTIME.exec(text);
  if (match !== null) {
    const [, month, day, hour, minute, second, zone, year, zoneBehind] = match;
    return moment(
      year,
      MONTHS.indexOf((month ?? '').toLowerCase()),
      day,
      hour,
      minute,
      second,
      zone ?? zoneBehind,
    );
  }
  match = ISO_8601.exec(text);
  if (match !== null) {
    const [, year, month, day, hour, minute, second, zone] = match;
    return moment(year, Number(month) - 1, day, hour, minute, second, zone);
  }
  return null;
}

function moment(
  yearText: string | undefined,
  month: number,
  day: string | undefined,
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined,
  zone: string | undefined,
): Date | null {
  const year = fullYear(yearText ?? '');
  // A leap second is read as second 59.
  const seconds = Math.min(Number(second ?? 0), 59);
  const date = new Date(0);
  date.setUTCFullYear(year, month, Number(day));
  date.setUTCHours(Number(hour), Number(minute), seconds);
  const isReal = month >= 0 && date.getUTCMonth() === month && date.getUTCDate() === Number(day);
  if (!isReal || year < 1 || Number(hour) > 23 || Number(minute) > 59) return null;
  return new Date(date.getTime() - zoneMinutes(zone) * 60_000);
}

/** RFC 5322 section 4.3: two digits below 50 are of this century, other two and three digits count from 1900. */
function fullYear(text: string): number {
  const year = Number(text);
  if (text.length >= 4) return year;
  return text.length === 2 && year < 50 ? 2000 + year : 1900 + year;
}

function zoneMinutes(zone: string | undefined): number {
  const offset = /^([+-])(\d{2}):?(\d{2})$/.exec(zone ?? '');
  if (offset === null) return (ZONE_HOURS.get((zone ?? '').toLowerCase()) ?? 0) * 60;
  const minutes = Number(offset[2]) * 60 + Number(offset[3]);
  return offset[1] === '-' ? -minutes : minutes;
}

function withoutComments(text: string): string {
  let depth = 0;
  let result = '';
  for (const character of text) {
    if (character === '(') depth += 1;
    else if (character === ')' && depth > 0) depth -= 1;
    else if (depth === 0) result += character;
  }
  return result.replace(/\s+/g, ' ');
}
