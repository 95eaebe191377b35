/**
 * Searches Gmail for messages that are not stored, while the operator searches stored emails. The search of stored emails
 * announces its words and its mailbox by the event `search` on the document; empty words end the search.
 */
import type { FoundMessagesJson, MessageJson } from '../../shared/schemas/messages.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { CONSOLE_API, postQuery } from './api.ts';
import { byId, fill } from './element.ts';
import { resultText } from './found-text.ts';
import { withInlineCode } from './inline-code.ts';
import { createMessageList } from './message-row.ts';
import { toProblem } from './notices.ts';

/** Each search costs quota units of the mailbox. */
const TYPING_PAUSE_MS = 800;
const MIN_CHARACTERS = 3;
/** What the server returns at most. */
const PAGE_ROWS = 25;
/** A word of these scripts has few characters. */
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;

/** @param onChange called after each action, whether it succeeded or failed */
export function wireMessageSearch(onChange: () => Promise<void>): (overview: OverviewJson) => Promise<void> {
  const root = byId('found');
  const older = byId<HTMLButtonElement>('found-older');
  const list = createMessageList(byId('found-list'), byId('messages-title'), onChange);
  let words = '';
  /** Empty: every mailbox. */
  let mailbox = '';
  let timer: ReturnType<typeof setTimeout> | undefined;
  let shown: readonly MessageJson[] = [];
  let shownText = '';
  let next: string | null = null;
  let latest: OverviewJson | null = null;
  /** What the result depends on; null while no result is shown. */
  let shownFor: string | null = null;

  const show = (messages: readonly MessageJson[], text: string, isProblem = false) => {
    shown = messages;
    root.hidden = words === '';
    list.show(shown, latest);
    older.hidden = next === null;
    byId('found-text').classList.toggle('is-problem', isProblem);
    // A screen reader announces every write.
    if (text !== shownText) fill(byId('found-text'), ...withInlineCode(text));
    shownText = text;
  };

  /** @param before continues the search there; null searches from the start */
  const search = async (before: string | null) => {
    const q = words;
    const chosen = mailbox;
    const isOutdated = () => q !== words || chosen !== mailbox;
    shownFor = latest === null ? '' : dependsOn(latest);
    try {
      const parameters = { q, ...(chosen !== '' && { mailbox: chosen }), ...(before !== null && { before }) };
      const found = await postQuery<FoundMessagesJson>(`${CONSOLE_API}/messages/search`, parameters);
      // The words have changed in the meantime, or another page was added.
      if (isOutdated() || (before !== null && before !== next)) return;
      const known = before === null ? [] : shown;
      const keyOf = (one: MessageJson) => `${one.email_address} ${one.gmail_message_id}`;
      const keys = new Set(known.map(keyOf));
      next = found.next_before;
      const messages = [...known, ...found.messages.filter((one) => !keys.has(keyOf(one)))];
      show(messages, resultText(messages, found), found.gmail.error !== null);
    } catch (error) {
      if (isOutdated()) return;
      const { detail, remediation, title } = toProblem(error);
      next = null;
      show([], `Messages that are not stored were not searched. ${title}: ${detail} ${remediation}`, true);
    }
  };
  const begin = () => {
    clearTimeout(timer);
    timer = undefined;
    show([], 'Searching Gmail for messages that are not stored…');
    void search(null);
  };
  const change = (q: string, chosen: string) => {
    if (q === words && chosen === mailbox) return;
    words = q;
    mailbox = chosen;
    clearTimeout(timer);
    timer = undefined;
    shownFor = null;
    next = null;
    if (isLongEnough(q)) timer = setTimeout(begin, TYPING_PAUSE_MS);
    show([], q === '' || isLongEnough(q) ? '' : 'Gmail is searched for longer words only.');
  };
  onSearch(change);
  // Enter does not wait for the pause. The search of stored emails handles this event first.
  document.addEventListener('submit', () => {
    if (timer !== undefined) begin();
  });
  older.addEventListener('click', () => void loadOlder());
  const loadOlder = async () => {
    if (older.getAttribute('aria-disabled') === 'true') return;
    older.setAttribute('aria-disabled', 'true');
    await search(next);
    older.removeAttribute('aria-disabled');
    if (older.hidden) byId('messages-title').focus();
  };
  return async (overview) => {
    latest = overview;
    if (shownFor === null) return;
    list.show(shown, overview);
    // A message that was found may be stored now. Further pages stay as they are.
    const isOnePage = shown.length > 0 && shown.length <= PAGE_ROWS;
    if (isOnePage && shownFor !== dependsOn(overview)) await search(null);
  };
}

/** Calls back with the words of each search of stored emails, empty when it has ended, and with its mailbox, empty for all. */
export function onSearch(callback: (words: string, mailbox: string) => void): void {
  document.addEventListener('search', (event) => {
    // Browsers have an event of this name too, without words.
    const detail: unknown = event instanceof CustomEvent ? event.detail : null;
    if (!isSearch(detail)) return;
    callback(detail.q.trim(), typeof detail.mailbox === 'string' ? detail.mailbox : '');
  });
}

function isSearch(detail: unknown): detail is { readonly q: string; readonly mailbox?: unknown } {
  return typeof detail === 'object' && detail !== null && 'q' in detail && typeof detail.q === 'string';
}

function isLongEnough(q: string): boolean {
  return [...q].length >= (CJK.test(q) ? 2 : MIN_CHARACTERS);
}

function dependsOn({ status }: OverviewJson): string {
  return JSON.stringify([
    status.emails_processed_total,
    status.mailboxes.map(({ failing, ledger }) => [failing, ledger.ignored, ledger.dead]),
  ]);
}
