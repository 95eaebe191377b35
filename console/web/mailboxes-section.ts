/**
 * The mailboxes, the worst first, 100 at a time, with what an operator can do about each, and a form that adds one. The list is
 * shown when there are several; with one, only the button of the form is.
 */
import type { MailboxStatusJson } from '../../shared/schemas/mailbox-status.ts';
import type { MailboxChange, MailboxPageJson } from '../../shared/schemas/mailboxes.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { CONSOLE_API, get, postJson } from './api.ts';
import { runAction } from './controls.ts';
import { byId, fill, setText } from './element.ts';
import { formatNumber } from './format-number.ts';
import { withInlineCode } from './inline-code.ts';
import { KeyedList } from './keyed-list.ts';
import { renderMailbox } from './mailbox-row.ts';
import { keepErrors } from './notices.ts';
import { Section } from './section.ts';
import { mailboxes as mailboxesText } from './several-mailboxes.ts';

const PAGE_ROWS = 100;
const TYPING_PAUSE_MS = 250;

/** @param onChange called after each action, whether it succeeded or failed */
export function wireMailboxes(onChange: () => Promise<void>): (overview: OverviewJson) => Promise<void> {
  const body = byId('mailboxes-body');
  const title = byId('mailboxes-title');
  const filter = byId<HTMLInputElement>('mailbox-filter');
  const more = byId<HTMLButtonElement>('mailboxes-more');
  const parent = byId('mailbox-list');
  let rowCount = PAGE_ROWS;
  let latest: OverviewJson | null = null;
  let typing: ReturnType<typeof setTimeout> | undefined;

  const list = new KeyedList<MailboxStatusJson>(
    parent,
    (mailbox) => mailbox.email_address,
    (mailbox, previous) => renderMailbox(mailbox, previous, onChange),
  );
  const section = new Section(
    byId('mailboxes'),
    ({ status }) => [status.mailboxes, status.totals, status.mailbox_count],
    async () => {
      const contains = filter.value.trim();
      const wanted = rowCount;
      // The overview has the worst ones already.
      const isFirstPage = contains === '' && wanted === PAGE_ROWS && latest !== null;
      const rows: MailboxStatusJson[] = isFirstPage ? [...(latest?.status.mailboxes ?? [])] : [];
      let found = isFirstPage ? Math.max(rows.length, latest?.status.mailbox_count ?? 0) : 0;
      if (rows.length < PAGE_ROWS) found = rows.length;
      while (!isFirstPage) {
        const query = `offset=${rows.length}&contains=${encodeURIComponent(contains)}`;
        const page: MailboxPageJson = await get<MailboxPageJson>(`${CONSOLE_API}/mailboxes?${query}`);
        rows.push(...page.mailboxes);
        found = page.found_count;
        if (page.mailboxes.length === 0 || rows.length >= Math.min(wanted, found)) break;
      }
      // The operator has typed in the meantime, or asked for more; a newer load shows it.
      if (contains !== filter.value.trim() || wanted !== rowCount) return;
      const hadFocus = parent.contains(document.activeElement) || document.activeElement === more;
      // A mailbox may have moved to another page between two reads.
      const unique = [...new Map(rows.map((row) => [row.email_address, row])).values()];
      keepErrors(parent, () => list.show(unique));
      const left = found - rows.length;
      more.hidden = left <= 0;
      setText(more, `Show more (${formatNumber(Math.max(0, left))} left)`);
      setText(byId('mailbox-count'), countText(found, rows.length, contains));
      if (hadFocus && (document.activeElement === document.body || document.activeElement === null))
        title.focus();
    },
  );
  more.addEventListener('click', () => {
    rowCount += PAGE_ROWS;
    void section.reload();
  });
  filter.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      rowCount = PAGE_ROWS;
      void section.reload();
    }, TYPING_PAUSE_MS);
  });
  // The page has an event of this name too.
  filter.addEventListener('search', (event) => event.stopPropagation());
  wireForm(onChange);

  return async (overview) => {
    latest = overview;
    body.hidden =
      overview.status.mailbox_count < 2 && overview.status.mailboxes.every((one) => !one.is_paused);
    if (!body.hidden) await section.update(overview);
  };
}

function countText(found: number, shown: number, contains: string): string {
  if (found === 0) return contains === '' ? 'No mailbox is known.' : 'No address contains this text.';
  return found === shown
    ? `${mailboxesText(found)}, the worst first`
    : `The worst ${formatNumber(shown)} of ${mailboxesText(found)}`;
}

function wireForm(onChange: () => Promise<void>): void {
  const form = byId<HTMLFormElement>('mailbox-form');
  const toggle = byId<HTMLButtonElement>('mailbox-add-toggle');
  const address = byId<HTMLInputElement>('mailbox-address');
  toggle.addEventListener('click', () => {
    form.hidden = !form.hidden;
    toggle.setAttribute('aria-expanded', String(!form.hidden));
    if (!form.hidden) address.focus();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    fill(byId('mailbox-next'));
    void runAction(byId<HTMLButtonElement>('mailbox-add'), 'Adding…', onChange, async () => {
      const added = await postJson<MailboxChange>(`${CONSOLE_API}/mailboxes/add`, {
        email_address: address.value,
        access: byId<HTMLSelectElement>('mailbox-access').value,
        label: byId<HTMLInputElement>('mailbox-label').value,
        initial_query: byId<HTMLInputElement>('mailbox-query').value,
      });
      form.reset();
      const text = `${added.email_address} is added. ${added.next_step ?? ''}`;
      fill(byId('mailbox-next'), ...withInlineCode(text));
      return `${added.email_address} is added.`;
    });
  });
}
