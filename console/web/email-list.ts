/**
 * The list of the emails that were stored last, or of the emails that a search finds. New emails are inserted at the top without moving the
 * focus or an open email. A button loads older emails page by page.
 */

import type { EmailJson, EmailPageJson } from '../../shared/schemas/emails.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { CONSOLE_API, get, postQuery } from './api.ts';
import { byId, setText } from './element.ts';
import { emailRow } from './email-row.ts';
import { pluralize } from './format-number.ts';
import { KeyedList } from './keyed-list.ts';
import { showError } from './notices.ts';
import { Section } from './section.ts';

const PAGE_ROWS = 25;
const TYPING_PAUSE_MS = 250;
/** A search page that is neither full nor the last has scanned more emails than this. */
const MIN_SCANNED_EMAILS = 1_000;

export function wireEmailList(): (overview: OverviewJson) => Promise<void> {
  const root = byId('emails');
  const search = byId<HTMLInputElement>('search');
  const older = byId<HTMLButtonElement>('older');
  const list = new KeyedList<EmailJson>(byId('email-list'), (email) => String(email.id), emailRow);
  let shown: readonly EmailJson[] = [];
  let nextBeforeId: number | null = null;
  let shownFor = '';
  /** The first page covers the emails down to this id. */
  let firstPageFloor = 0;

  const read = async (before: number | null): Promise<EmailPageJson> => {
    const q = search.value.trim();
    if (q !== '')
      return await postQuery<EmailPageJson>(`${CONSOLE_API}/emails/search`, {
        q,
        limit: PAGE_ROWS,
        ...(before === null ? {} : { before }),
      });
    return await get<EmailPageJson>(
      `${CONSOLE_API}/emails?limit=${PAGE_ROWS}${before === null ? '' : `&before=${before}`}`,
    );
  };
  const show = (emails: readonly EmailJson[], next: number | null) => {
    shown = emails;
    nextBeforeId = next;
    list.show(shown);
    older.hidden = nextBeforeId === null;
    const q = search.value.trim();
    const count = pluralize(shown.length, 'email');
    setText(
      byId('email-count'),
      q === ''
        ? shown.length === 0
          ? 'No emails stored yet.'
          : ''
        : `${count} found${nextBeforeId === null ? '' : ' so far'}`,
    );
  };
  /** @returns false when nothing was added, because another list has been shown in the meantime */
  const appendPage = async (query: string): Promise<boolean> => {
    const before = nextBeforeId;
    const page = await read(before);
    if (query !== search.value || nextBeforeId !== before) return false;
    const known = new Set(shown.map((email) => email.id));
    show([...shown, ...page.emails.filter((email) => !known.has(email.id))], page.next_before);
    return true;
  };
  /** One call of a search scans a limited number of emails, so it is repeated until the list has `count` rows. */
  const fillTo = async (count: number, query: string) => {
    while (query.trim() !== '' && shown.length < count && nextBeforeId !== null)
      if (!(await appendPage(query))) return;
  };
  const load = async () => {
    const query = search.value;
    const page = await read(null);
    // The query has changed in the meantime; a newer load shows its result.
    if (query !== search.value) return;
    const floor = page.next_before ?? 0;
    const isFull = page.emails.length === PAGE_ROWS;
    // Without an overlap, there may be unseen emails between the new page and the rows that are shown.
    const overlaps =
      shown.some((email) => email.id >= floor) || (!isFull && floor - firstPageFloor < MIN_SCANNED_EMAILS);
    const isContinued = shownFor === query && overlaps;
    const olderRows = isContinued ? shown.filter((email) => email.id < floor) : [];
    const extendsFurther = isContinued && (nextBeforeId ?? 0) < floor;
    shownFor = query;
    firstPageFloor = floor;
    show([...page.emails, ...olderRows], extendsFurther ? nextBeforeId : page.next_before);
    await fillTo(PAGE_ROWS, query);
  };
  const section = new Section(
    root,
    ({ freshness, status }) => [freshness.newest_stored_at, status.emails_processed_total],
    load,
  );

  let typing: ReturnType<typeof setTimeout> | undefined;
  search.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => void section.reload(), TYPING_PAUSE_MS);
  });
  byId('search-form').addEventListener('submit', (event) => {
    event.preventDefault();
    clearTimeout(typing);
    void section.reload();
  });
  older.addEventListener('click', () => void loadOlder());
  const loadOlder = async () => {
    if (older.getAttribute('aria-disabled') === 'true') return;
    older.setAttribute('aria-disabled', 'true');
    const query = search.value;
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
  return async (overview) => await section.update(overview);
}
