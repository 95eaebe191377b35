/**
 * The latest emails, or those that a search finds. New ones come in above without moving what is open, focused or
 * read; older ones by pages.
 */
import { DATA, get, post } from './api.ts';
import type { Email, EmailPage, Overview } from './contract.ts';
import { byId, setText } from './element.ts';
import { openEmail } from './email-dialog.ts';
import { emailRow } from './email-row.ts';
import { KeyedList } from './keyed-list.ts';
import { showFault } from './notices.ts';
import { counted } from './quantities.ts';
import { Section } from './section.ts';

const PAGE = 25;
const TYPING_PAUSE_MS = 250;

export function wireEmails(): (overview: Overview) => Promise<void> {
  const root = byId('emails');
  const search = byId<HTMLInputElement>('search');
  const older = byId<HTMLButtonElement>('older');
  const list = new KeyedList<Email>(
    byId('email-list'),
    (email) => String(email.id),
    (email) => emailRow(email, (opened) => void openEmail(opened)),
  );
  let shown: readonly Email[] = [];
  let nextBefore: number | null = null;
  let shownFor = '';

  const read = async (before: number | null): Promise<EmailPage> => {
    const q = search.value.trim();
    if (q !== '')
      return await post<EmailPage>(`${DATA}/emails/search`, {
        q,
        limit: PAGE,
        ...(before === null ? {} : { before }),
      });
    return await get<EmailPage>(`${DATA}/emails?limit=${PAGE}${before === null ? '' : `&before=${before}`}`);
  };
  const show = (emails: readonly Email[], next: number | null) => {
    shown = emails;
    nextBefore = next;
    list.show(shown);
    older.hidden = nextBefore === null;
    const q = search.value.trim();
    const count = counted(shown.length, 'email');
    setText(
      byId('email-count'),
      q === ''
        ? shown.length === 0
          ? 'No email is stored yet.'
          : ''
        : `${count}${nextBefore === null ? '' : ' so far'} found`,
    );
  };
  const load = async () => {
    const asked = search.value;
    const page = await read(null);
    // Typed on meanwhile: the newer question has its own answer.
    if (asked !== search.value) return;
    const oldest = page.emails.at(-1)?.id ?? 0;
    const isContinued = shownFor === asked && shown.some((email) => email.id >= oldest);
    shownFor = asked;
    if (!isContinued) return show(page.emails, page.next_before);
    const behind = shown.filter((email) => email.id < oldest);
    show([...page.emails, ...behind], behind.length === 0 ? page.next_before : nextBefore);
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
      const page = await read(nextBefore);
      if (asked !== search.value) return;
      const known = new Set(shown.map((email) => email.id));
      const added = page.emails.filter((email) => !known.has(email.id));
      show([...shown, ...added], page.next_before);
      // The button has gone with the last page; whoever was on it reads on where the new ones begin.
      if (older.hidden) byId('email-list').querySelector<HTMLElement>('li:last-child button')?.focus();
    } catch (fault) {
      showFault('Older emails', fault);
    } finally {
      older.removeAttribute('aria-disabled');
    }
  };
  return async (overview) => await section.update(overview);
}
