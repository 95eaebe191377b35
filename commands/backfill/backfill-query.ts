/**
 * The Gmail query of `npm run backfill`, from its options. Gmail reads a date such as `after:2026/01/01` as midnight
 * Pacific time, so local dates become epoch seconds.
 * https://developers.google.com/workspace/gmail/api/guides/filtering
 */
import { invalidArgument, UsageError } from '../support/flags.ts';

export interface BackfillFlags {
  readonly query?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/**
 * Returns the query for messages that match `--query` and arrived from the start of the day `--since` to the end of the
 * day `--until`. Days are those of this machine's time zone.
 *
 * @throws {UsageError} without any option, for an impossible date, or for a range that no email can be in
 */
export function backfillQuery(flags: BackfillFlags, now: Date): string {
  const query = flags.query?.trim() ?? '';
  const since = flags.since === undefined ? null : localDate('--since', flags.since);
  const until = flags.until === undefined ? null : localDate('--until', flags.until);
  if (flags.query !== undefined && query === '') throw new UsageError('--query is empty.');
  if (query === '' && since === null && until === null)
    throw new UsageError('No emails are selected: set --query, --since or --until.');
  if (since !== null && until !== null && since > until)
    throw new UsageError(`--since ${flags.since} is later than --until ${flags.until}.`);
  if (since !== null && since > now)
    throw new UsageError(`--since ${flags.since} is in the future: no email has arrived since then.`);
  const terms: string[] = [];
  if (since !== null) terms.push(`after:${epochSeconds(since)}`);
  if (until !== null) terms.push(`before:${epochSeconds(nextDay(until))}`);
  if (query !== '') terms.push(terms.length === 0 ? query : `(${query})`);
  return terms.join(' ');
}

/** Midnight at the start of the day, local time. */
function localDate(name: string, text: string): Date {
  const [, year, month, day] = (/^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? []).map(Number);
  if (year === undefined || month === undefined || day === undefined)
    throw invalidArgument(name, text, 'a date such as 2026-01-31');
  const date = new Date(year, month - 1, day);
  // Date turns the 31st of June into the 1st of July.
  if (date.getFullYear() !== year || date.getMonth() !== month - 1 || date.getDate() !== day)
    throw new UsageError(`${name} ${text} is not a date in the calendar.`);
  // Gmail's search reads no negative epoch seconds, and would find nothing.
  if (year < 1971) throw invalidArgument(name, text, 'a date from 1971-01-01 on');
  return date;
}

/** Not 24 hours later: a day on which the clocks change has 23 or 25. */
function nextDay(date: Date): Date {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + 1);
}

function epochSeconds(date: Date): number {
  return date.getTime() / 1_000;
}
