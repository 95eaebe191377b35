/** Validates the parameters of the email list and of the search: position, number of rows, search text and filters. */
import { AppError } from '../../shared/errors.ts';
import { integerParameter, MAX_PAGE_ROWS, type RequestParameters, searchText } from './request-parameters.ts';

export interface EmailFilters {
  /** Received at this time or later. */
  readonly from: Date | null;
  /** The address of the mailbox. */
  readonly mailbox: string | null;
  readonly processed: boolean | null;
  readonly hasAttachments: boolean;
  readonly hasDefects: boolean;
}

/** A position in the list, which `email_cursor` makes: microseconds since 1970 and the id of an email, `1795870000000000.42`. */
export type EmailCursor = `${number}.${number}`;

export interface EmailListRequest {
  /** Words, a Gmail id or a Message-ID; null lists every email. */
  readonly text: string | null;
  readonly filters: EmailFilters;
  /** Only emails that follow this position, which is at or below the parameter `to`; null starts at the newest. */
  readonly before: EmailCursor | null;
  readonly limit: number;
}

const DEFAULT_PAGE_ROWS = 25;
const MAX_ADDRESS_CHARACTERS = 320;
/** The year 9999, which a sender may choose as the date of an imported email, has 18 digits. PostgreSQL has no time before 4714 BC. */
const CURSOR = /^(\d{1,18}|-\d{1,17})\.\d{1,10}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)$/;

/** @throws {AppError} bad_request, whose detail does not repeat a value */
export function emailListRequest(parameters: RequestParameters): EmailListRequest {
  const processed = wordParameter(parameters['processed'], 'processed', ['yes', 'no']);
  return {
    text: searchText(parameters['q']),
    filters: {
      from: timeParameter(parameters['from'], 'from'),
      mailbox: mailboxParameter(parameters['mailbox']),
      processed: processed === null ? null : processed === 'yes',
      hasAttachments: wordParameter(parameters['attachments'], 'attachments', ['with']) !== null,
      hasDefects: wordParameter(parameters['defects'], 'defects', ['with']) !== null,
    },
    before: firstOf(cursorParameter(parameters['before']), timeParameter(parameters['to'], 'to')),
    limit: integerParameter(parameters['limit'] ?? DEFAULT_PAGE_ROWS, 'limit', 1, MAX_PAGE_ROWS),
  };
}

function cursorParameter(value: unknown): EmailCursor | null {
  if (isAbsent(value)) return null;
  if (typeof value === 'string' && CURSOR.test(value)) return value as EmailCursor;
  throw new AppError(
    'bad_request',
    '"before" must be the "next_before" of the previous page. Leave it out to start at the newest email.',
  );
}

/** One position instead of two conditions, because an index scan begins at only one of them. */
function firstOf(before: EmailCursor | null, to: Date | null): EmailCursor | null {
  if (to === null) return before;
  const micros = BigInt(to.getTime()) * 1_000n;
  return before === null || micros < BigInt(before.split('.')[0] ?? '') ? `${Number(micros)}.0` : before;
}

function timeParameter(value: unknown, name: string): Date | null {
  if (isAbsent(value)) return null;
  const time = new Date(typeof value === 'string' && TIME.test(value) ? value : Number.NaN);
  if (!Number.isNaN(time.getTime())) return time;
  throw new AppError('bad_request', `"${name}" must be a time with a time zone, as in 2026-11-28T00:00:00Z.`);
}

/** @throws {AppError} bad_request */
export function mailboxParameter(value: unknown): string | null {
  if (isAbsent(value)) return null;
  if (
    typeof value === 'string' &&
    value.length <= MAX_ADDRESS_CHARACTERS &&
    !/[\0\p{Surrogate}]/u.test(value)
  )
    return value;
  throw new AppError('bad_request', '"mailbox" must be the address of a mailbox.');
}

function wordParameter(value: unknown, name: string, words: readonly string[]): string | null {
  if (isAbsent(value)) return null;
  if (typeof value === 'string' && words.includes(value)) return value;
  const valid = words.map((word) => `"${word}"`).join(' or ');
  throw new AppError('bad_request', `"${name}" must be ${valid}. Leave it out for all emails.`);
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}
