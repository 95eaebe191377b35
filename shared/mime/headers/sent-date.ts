/**
 * The Date header. It does not use `new Date(text)`, which accepts nearly any text and reads a date without
 * a zone in the local time zone.
 */

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
/** Month names of German, French, Italian, Spanish and Portuguese programs, where they differ. */
const OTHER_MONTHS: ReadonlyMap<string, string> = new Map([
  ['ene', 'jan'],
  ['mrz', 'mar'],
  ['abr', 'apr'],
  ['avr', 'apr'],
  ['mai', 'may'],
  ['ago', 'aug'],
  ['okt', 'oct'],
  ['dez', 'dec'],
  ['dic', 'dec'],
]);

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
  ['akdt', -8],
  ['akst', -9],
  ['hst', -10],
  ['west', 1],
  ['mez', 1],
  ['mesz', 2],
  ['sast', 2],
  ['hkt', 8],
  ['sgt', 8],
  ['kst', 9],
  ['aest', 10],
  ['aedt', 11],
  ['nzst', 12],
  ['nzdt', 13],
]);

const MAX_LENGTH = 200;

const DAY_NAME = '(?:[a-z]{2,9}\\.?\\s*,?\\s*)?';
const MONTH = '(?<month>[a-z]{3})[a-z]*\\.?';
const TIME =
  '(?<hour>\\d{1,2})\\s?[:.]\\s?(?<minute>\\d{1,2})(?:\\s?[:.]\\s?(?<second>\\d{1,2})(?:[.,]\\d+)?)?(?:\\s?(?<half>[ap])\\.?m\\b\\.?)?';
const OFFSET = '(?:gmt|utc)?\\s?[+-]\\s?(?:\\d{1,2}:?\\d{2}|\\d{1,2})(?!\\d)';
const ZONE = `"?(?<zone>${OFFSET}|[a-z]{1,5})`;

const FORMS: readonly RegExp[] = [
  // `Tue, 1 Jul 2003 10:52:37 +0200 (CEST)`, with optional day name, seconds and zone.
  `${DAY_NAME}(?<day>\\d{1,2})[\\s-]+${MONTH},?[\\s-]+(?<year>\\d{2,4}),?\\s+${TIME}\\s*(?:${ZONE})?`,
  // `Tue Jul  1 10:52:37 2003`, as C's `ctime` writes it, with a zone before or after the year.
  `${DAY_NAME}${MONTH}\\s+(?<day>\\d{1,2}),?\\s+${TIME}\\s+(?:(?<zone>${OFFSET}|[a-z]{1,5})\\s+)?(?<year>\\d{4})(?:\\s+(?<behind>[+-]\\d{4}))?`,
  // `Tuesday, July 1, 2003 10:52 AM`.
  `${DAY_NAME}${MONTH}\\s+(?<day>\\d{1,2}),?\\s+(?<year>\\d{4}),?\\s+${TIME}\\s*(?:${ZONE})?`,
  // ISO 8601.
  `(?<year>\\d{4})[-/](?<month>\\d{2})[-/](?<day>\\d{2})[t\\s]${TIME}\\s*(?:${ZONE})?`,
].map((form) => new RegExp(`^"?${form}`, 'i'));

/** The time of a Date header; null when unreadable. A missing or unknown zone is read as UTC. */
export function parseSentDate(header: string): Date | null {
  const text = withoutComments(header.slice(0, MAX_LENGTH)).trim();
  for (const form of FORMS) {
    const groups = form.exec(text)?.groups;
    if (groups !== undefined) return moment(groups);
  }
  return null;
}

function moment(groups: Readonly<Record<string, string | undefined>>): Date | null {
  const { day, half, minute, month = '', second, year: yearText = '' } = groups;
  const year = fullYear(yearText);
  const name = month.toLowerCase();
  const monthIndex = /^\d/.test(name) ? Number(name) - 1 : MONTHS.indexOf(OTHER_MONTHS.get(name) ?? name);
  const hour = hourOf(Number(groups['hour']), half);
  // A leap second is read as second 59.
  const seconds = Math.min(Number(second ?? 0), 59);
  const date = new Date(0);
  date.setUTCFullYear(year, monthIndex, Number(day));
  const isReal = monthIndex >= 0 && date.getUTCMonth() === monthIndex && date.getUTCDate() === Number(day);
  // Hour 24 is the midnight that ends the day.
  const isTime = hour < 24 || (hour === 24 && Number(minute) === 0 && seconds === 0);
  if (!isReal || year < 1 || !isTime || Number(minute) > 59) return null;
  date.setUTCHours(hour, Number(minute), seconds);
  return new Date(date.getTime() - zoneMinutes(groups['zone'] ?? groups['behind']) * 60_000);
}

/** The hour of the day, of a clock of 12 hours when `half` is given. */
function hourOf(hour: number, half: string | undefined): number {
  if (half === undefined || hour > 12) return hour;
  return (hour % 12) + (half.toLowerCase() === 'p' ? 12 : 0);
}

/** RFC 5322 section 4.3: two digits below 50 are of this century, other two and three digits count from 1900. */
function fullYear(text: string): number {
  const year = Number(text);
  if (text.length >= 4) return year;
  return text.length === 2 && year < 50 ? 2000 + year : 1900 + year;
}

/** Minutes east of UTC. An offset beyond 14 hours does not exist and counts as unknown. */
function zoneMinutes(zone: string | undefined): number {
  const [, sign, hours, minutes] = /([+-])\s?(\d{1,2}?):?(\d{2})?$/.exec(zone ?? '') ?? [];
  if (hours === undefined) return (ZONE_HOURS.get((zone ?? '').toLowerCase()) ?? 0) * 60;
  const offset = Number(hours) * 60 + Number(minutes ?? 0);
  if (offset > 14 * 60) return 0;
  return sign === '-' ? -offset : offset;
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
