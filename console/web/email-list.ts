/**
 * The latest emails, or those that a search finds. New ones come in above without moving what is open, focused or
 * read; older ones by pages.
 */

import type { EmailJson, EmailPageJson } from '../../shared/schemas/emails.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { ask, CONSOLE_API, get } from './api.ts';
import { byId, setText } from './element.ts';
import { openEmail } from './email-dialog.ts';
import { emailRow } from './email-row.ts';
import { KeyedList } from './keyed-list.ts';
import { showError } from './notices.ts';
import { pluralize } from './format-number.ts';
import { Section } from './section.ts';

const PAGE = 25;
const TYPING_PAUSE_MS = 250;
/** A page that is not full and not the last has looked through more of the newest emails than these. */
const LOOKED_THROUGH = 1_000;

export function wireEmails(): (overview: OverviewJson) => Promise<void> {
  const root = byId('emails');
  const search = byId<HTMLInputElement>('search');
  const older = byId<HTMLButtonElement>('older');
  const list = new KeyedList<EmailJson>(
    byId('email-list'),
    (email) => String(email.id),
    (email) => emailRow(email, (opened) => void openEmail(opened)),
  );
  let shown: readonly EmailJson[] = [];
  let nextBeforeId: number | null = null;
  let shownFor = '';
  /** The first page was looked for down to this id. */
  let firstFloor = 0;

  const read = async (before: number | null): Promise<EmailPageJson> => {
    const q = search.value.trim();
    if (q !== '')
      return await ask<EmailPageJson>(`${CONSOLE_API}/emails/search`, {
        q,
        limit: PAGE,
        ...(before === null ? {} : { before }),
      });
    return await get<EmailPageJson>(
      `${CONSOLE_API}/emails?limit=${PAGE}${before === null ? '' : `&before=${before}`}`,
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
          ? 'No email is stored yet.'
          : ''
        : `${count} found${nextBeforeId === null ? '' : ' so far'}`,
    );
  };
  /** @returns false when nothing was added: what is shown is another list by now */
  const readOn = async (asked: string): Promise<boolean> => {
    const before = nextBeforeId;
    const page = await read(before);
    if (asked !== search.value || nextBeforeId !== before) return false;
    const known = new Set(shown.map((email) => email.id));
    show([...shown, ...page.emails.filter((email) => !known.has(email.id))], page.next_before);
    return true;
  };
  /** One call of a search looks through a part of what is stored: it goes on until there is a page to read. */
  const fillTo = async (count: number, asked: string) => {
    while (asked.trim() !== '' && shown.length < count && nextBeforeId !== null)
      if (!(await readOn(asked))) return;
  };
  const load = async () => {
    const asked = search.value;
    const page = await read(null);
    // Typed on meanwhile: the newer question has its own answer.
    if (asked !== search.value) return;
    const floor = page.next_before ?? 0;
    const isFull = page.emails.length === PAGE;
    // Where the new page does not reach what was shown, emails may be between them that nobody has seen.
    const joins =
      shown.some((email) => email.id >= floor) || (!isFull && floor - firstFloor < LOOKED_THROUGH);
    const isContinued = shownFor === asked && joins;
    const behind = isContinued ? shown.filter((email) => email.id < floor) : [];
    const reachesFurther = isContinued && (nextBeforeId ?? 0) < floor;
    shownFor = asked;
    firstFloor = floor;
    show([...page.emails, ...behind], reachesFurther ? nextBeforeId : page.next_before);
    await fillTo(PAGE, asked);
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
    const asked = search.value;
    try {
      const wanted = shown.length + PAGE;
      if (await readOn(asked)) await fillTo(wanted, asked);
      // The button has gone with the last page; whoever was on it reads on where the new ones begin.
      if (older.hidden) byId('email-list').querySelector<HTMLElement>('li:last-child button')?.focus();
    } catch (error) {
      showError('Older emails', fault);
    } finally {
      older.removeAttribute('aria-disabled');
    }
  };
  return async (overview) => await section.update(overview);
}
