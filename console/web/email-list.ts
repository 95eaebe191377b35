/**
 * The list of stored emails, the last received first, or of those that the search and the filters find. New emails appear at
 * their place without moving the focus or an open email. A button loads older emails page by page.
 */

import type { EmailJson, EmailPageJson } from '../../shared/schemas/emails.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { CONSOLE_API, get, postQuery } from './api.ts';
import { byId, setText } from './element.ts';
import {
  DATE,
  type EmailQuery,
  filtersText,
  isFiltered,
  requestParameters,
  wireEmailFilters,
} from './email-filters.ts';
import { emailRow } from './email-row.ts';
import { pluralize } from './format-number.ts';
import { KeyedList } from './keyed-list.ts';
import { showError } from './notices.ts';
import { Section } from './section.ts';

const PAGE_ROWS = 25;
/** The largest `limit` that the server accepts. */
const MAX_PAGE_ROWS = 100;
/**
 * Further requests that fill one page. Each scans up to 13,000 emails; with a rare filter, a whole mailbox would take hundreds. The
 * button continues.
 */
const MAX_FURTHER_REQUESTS = 7;
/** A page that is neither full nor the last has scanned more emails than this. */
const MIN_SCANNED_EMAILS = 1_000;

interface Row {
  readonly email: EmailJson;
  readonly showsMailbox: boolean;
}

export function wireEmailList(): (overview: OverviewJson) => Promise<void> {
  const older = byId<HTMLButtonElement>('older');
  const list = new KeyedList<Row>(
    byId('email-list'),
    ({ email }) => String(email.id),
    ({ email, showsMailbox }) => emailRow(email, showsMailbox),
  );
  const filters = wireEmailFilters(() => void section.reload());
  let shown: readonly EmailJson[] = [];
  let nextBefore: string | null = null;
  let shownFor: EmailQuery | null = null;
  let hasSeveralMailboxes = false;
  let storedCount = 0;
  let storedCountAtLoad = 0;

  const show = (emails: readonly EmailJson[], next: string | null) => {
    shown = emails;
    nextBefore = next;
    list.show(shown.map((email) => ({ email, showsMailbox: hasSeveralMailboxes })));
    older.hidden = nextBefore === null;
    const count = byId('email-count');
    // The result of a search is announced; a new email in the whole list is not.
    count.setAttribute('aria-live', isFiltered(filters.query) ? 'polite' : 'off');
    setText(count, countText(shown.length, nextBefore, filters.query));
  };
  /** @returns false when nothing was added, because another list has been shown in the meantime */
  const appendPage = async (query: EmailQuery): Promise<boolean> => {
    const before = nextBefore;
    const page = await readPage(query, PAGE_ROWS, before);
    if (query !== filters.query || nextBefore !== before) return false;
    const known = new Set(shown.map((email) => email.id));
    show([...shown, ...page.emails.filter((email) => !known.has(email.id))], page.next_before);
    return true;
  };
  /** One call scans a limited number of emails, so it is repeated until the list has `count` rows, within a limit. */
  const fillTo = async (count: number, query: EmailQuery) => {
    for (let n = 0; n < MAX_FURTHER_REQUESTS && isFiltered(query); n += 1)
      if (shown.length >= count || nextBefore === null || !(await appendPage(query))) return;
  };
  const load = async () => {
    const { query } = filters;
    const isSameQuery = query === shownFor;
    const limit = isSameQuery ? Math.min(Math.max(shown.length, PAGE_ROWS), MAX_PAGE_ROWS) : PAGE_ROWS;
    const loadedCount = storedCount;
    const page = await readPage(query, limit, null);
    // The query has changed in the meantime; a newer load shows its result.
    if (query !== filters.query) return;
    const { emails, next_before: next } = page;
    const listed = new Set(emails.map((email) => email.id));
    const isShort = emails.length < limit && next !== null;
    // Without an overlap, there may be unseen emails between the new page and the rows that are shown.
    const isContinued =
      isSameQuery &&
      next !== null &&
      (isShort
        ? loadedCount - storedCountAtLoad < MIN_SCANNED_EMAILS
        : shown.some((email) => listed.has(email.id)));
    const olderRows = isContinued ? shown.filter((email) => isOlder(email, emails.at(-1))) : [];
    const keepsEnd = isContinued && (isShort || olderRows.length > 0);
    shownFor = query;
    storedCountAtLoad = loadedCount;
    show([...emails, ...olderRows], keepsEnd ? nextBefore : next);
    // The end that is kept was searched before.
    if (!keepsEnd) await fillTo(PAGE_ROWS, query);
  };
  const section = new Section(
    byId('emails'),
    ({ freshness, status }) => [
      freshness.newest_stored_at,
      status.emails_processed_total,
      status.mailboxes.length,
      // A consumer that completes emails changes what this filter finds.
      filters.query.processed === '' ? null : status.consumers,
    ],
    load,
  );

  older.addEventListener('click', () => void loadOlder());
  const loadOlder = async () => {
    if (older.getAttribute('aria-disabled') === 'true') return;
    older.setAttribute('aria-disabled', 'true');
    const { query } = filters;
    try {
      const wantedCount = shown.length + PAGE_ROWS;
      if (await appendPage(query)) await fillTo(wantedCount, query);
      // The button disappears with the last page: keyboard users continue at the last email.
      if (older.hidden) byId('email-list').querySelector<HTMLElement>('li:last-child .open')?.focus();
    } catch (error) {
      showError('Older emails', error);
    } finally {
      older.removeAttribute('aria-disabled');
    }
  };
  return async (overview) => {
    const { emails_processed_total: total, mailboxes } = overview.status;
    hasSeveralMailboxes = mailboxes.length > 1;
    storedCount = total;
    filters.showMailboxes(mailboxes.map(({ email_address: address }) => address));
    await section.update(overview);
  };
}

async function readPage(query: EmailQuery, limit: number, before: string | null): Promise<EmailPageJson> {
  if (isFiltered(query))
    return await postQuery<EmailPageJson>(`${CONSOLE_API}/emails/search`, {
      ...requestParameters(query),
      limit,
      ...(before === null ? {} : { before }),
    });
  const position = before === null ? '' : `&before=${before}`;
  return await get<EmailPageJson>(`${CONSOLE_API}/emails?limit=${limit}${position}`);
}

/** @param last of the newer rows; without one, every email is older */
function isOlder(email: EmailJson, last: EmailJson | undefined): boolean {
  if (last === undefined) return true;
  const ms = Date.parse(email.received_at) - Date.parse(last.received_at);
  return ms < 0 || (ms === 0 && email.id < last.id);
}

/** @param next position of the last email that was searched; null: all were */
function countText(count: number, next: string | null, query: EmailQuery): string {
  if (!isFiltered(query)) {
    if (count === 0) return 'No emails stored yet.';
    return next === null ? `All ${pluralize(count, 'email')}.` : `The newest ${pluralize(count, 'email')}.`;
  }
  const filters = filtersText(query);
  const progress = next === null ? '' : ` so far, back to ${DATE.format(timeOf(next))}`;
  return `${pluralize(count, 'email')} found${progress}${filters === '' ? '' : `: ${filters}`}.`;
}

/** @param position microseconds since 1970 and an id, with a dot between them */
function timeOf(position: string): Date {
  return new Date(Number.parseInt(position, 10) / 1_000);
}
