/**
 * The search field and the filters of the email list. Each active filter is shown with a button that removes it.
 * Invariant: search words and filters never reach a URL. They are kept in the state of the history entry, which survives a visit
 * to another page and a reload.
 */
import { button, byId, element, fill, setText } from './element.ts';

export interface EmailQuery {
  readonly q: string;
  /** Dates in the time zone of the browser, as `2026-11-28`, both inclusive; empty without the filter. */
  readonly from: string;
  readonly to: string;
  /** The other filters are empty or a parameter of the request. */
  readonly mailbox: string;
  readonly processed: string;
  readonly attachments: string;
  readonly defects: string;
}

export interface EmailFilters {
  readonly query: EmailQuery;
  /** @param addresses of all mailboxes; the filter is shown when there are several */
  showMailboxes(addresses: readonly string[]): void;
}

type FilterName = Exclude<keyof EmailQuery, 'q'>;

const FILTERS: readonly FilterName[] = ['to', 'from', 'mailbox', 'processed', 'attachments', 'defects'];
/** Event of the document: an operator wants the emails of `detail.address`. */
export const SHOW_EMAILS = 'show-emails';
const TYPING_PAUSE_MS = 250;
const STATE_KEY = 'emailQuery';
export const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });

/** @param onChange called after each change of the search text, when the operator pauses, and of a filter */
export function wireEmailFilters(onChange: () => void): EmailFilters {
  const search = byId<HTMLInputElement>('search');
  const toggle = byId('filter-toggle');
  const row = byId('filters');
  let typing: ReturnType<typeof setTimeout> | undefined;
  let query = restore();

  const read = (): EmailQuery => ({
    q: search.value.trim(),
    from: dateOf(control('from')),
    to: dateOf(control('to')),
    mailbox: control('mailbox').value,
    processed: control('processed').value,
    attachments: checkedValue(control('attachments')),
    defects: checkedValue(control('defects')),
  });
  const showActive = () => {
    const active = FILTERS.filter((name) => query[name] !== '');
    fill(
      byId('active-filters'),
      ...active.map((name) => element('li', {}, removeButton(name, filterText(name, query)))),
    );
    setText(toggle, active.length === 0 ? 'Filters' : `Filters (${active.length})`);
  };
  const apply = () => {
    clearTimeout(typing);
    const changed = read();
    if (JSON.stringify(changed) === JSON.stringify(query)) return;
    query = changed;
    history.replaceState({ ...history.state, [STATE_KEY]: query }, '');
    showActive();
    announceSearch(query);
    onChange();
  };
  const removeButton = (name: FilterName, text: string) =>
    button(
      text,
      () => {
        setControl(name, '');
        apply();
        // The button is gone, and its control may be hidden.
        search.focus();
      },
      { 'aria-label': `Remove the filter: ${text}` },
    );

  search.value = query.q;
  for (const name of FILTERS) setControl(name, query[name]);
  showActive();
  // After the other parts of the page, which may listen to it.
  if (query.q !== '') queueMicrotask(() => announceSearch(query));

  search.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(apply, TYPING_PAUSE_MS);
  });
  // The browser has an event of this name too; it must not reach the listeners of the other one.
  search.addEventListener('search', (event) => event.stopPropagation());
  byId('search-form').addEventListener('submit', (event) => {
    event.preventDefault();
    apply();
  });
  row.addEventListener('change', apply);
  document.addEventListener(SHOW_EMAILS, (event) => {
    byId('filter-mailbox-label').hidden = false;
    setControl('mailbox', (event as CustomEvent<{ address: string }>).detail.address);
    apply();
    byId('emails-title').focus();
  });
  toggle.addEventListener('click', () => {
    toggle.setAttribute('aria-expanded', String(row.classList.toggle('is-open')));
  });
  return {
    get query() {
      return query;
    },
    showMailboxes: (addresses) => {
      byId('filter-mailbox-label').hidden = addresses.length < 2 && query.mailbox === '';
      for (const address of addresses) addMailbox(address);
    },
  };
}

/** Without words and filters, the list has all emails. */
export function isFiltered(query: EmailQuery): boolean {
  return query.q !== '' || FILTERS.some((name) => query[name] !== '');
}

/** The parameters of a request: only those that are set. Dates become the instants at which they begin and end here. */
export function requestParameters({ from, to, ...others }: EmailQuery): Record<string, string> {
  const set = Object.entries({ ...others, from: startOf(from, 0), to: startOf(to, 1) });
  return Object.fromEntries(set.filter(([, value]) => value !== ''));
}

/** All active filters as one text; empty without a filter. */
export function filtersText(query: EmailQuery): string {
  return FILTERS.filter((name) => query[name] !== '')
    .map((name) => filterText(name, query))
    .join(', ');
}

function filterText(name: FilterName, query: EmailQuery): string {
  switch (name) {
    case 'from':
      return `from ${dateText(query.from)}`;
    case 'to':
      return `up to ${dateText(query.to)}`;
    case 'mailbox':
      return query.mailbox;
    case 'processed':
      return query.processed === 'yes' ? 'processed' : 'not processed';
    case 'attachments':
      return 'with attachments';
    case 'defects':
      return 'with defects';
  }
}

function dateText(date: string): string {
  return DATE.format(new Date(`${date}T00:00:00`));
}

/** The first instant of the day that is so many days later, in the time zone of the browser. */
function startOf(date: string, daysLater: number): string {
  if (date === '') return '';
  const start = new Date(`${date}T00:00:00`);
  start.setDate(start.getDate() + daysLater);
  return start.toISOString();
}

function announceSearch({ mailbox, q }: EmailQuery): void {
  document.dispatchEvent(new CustomEvent('search', { detail: { q, mailbox } }));
}

function control(name: FilterName): HTMLInputElement | HTMLSelectElement {
  return byId<HTMLInputElement | HTMLSelectElement>(`filter-${name}`);
}

function setControl(name: FilterName, value: string): void {
  const target = control(name);
  if (name === 'mailbox' && value !== '') addMailbox(value);
  if (target instanceof HTMLInputElement && target.type === 'checkbox') target.checked = value !== '';
  else target.value = value;
}

function addMailbox(address: string): void {
  const select = control('mailbox') as HTMLSelectElement;
  if ([...select.options].some((option) => option.value === address)) return;
  select.append(element('option', { value: address }, address));
}

function checkedValue(target: HTMLInputElement | HTMLSelectElement): string {
  return target instanceof HTMLInputElement && target.checked ? target.value : '';
}

/** Empty while the operator is typing the year. */
function dateOf(target: HTMLInputElement | HTMLSelectElement): string {
  return target.validity.valid ? target.value : '';
}

function restore(): EmailQuery {
  const none = { q: '', from: '', to: '', mailbox: '', processed: '', attachments: '', defects: '' };
  const kept: unknown = history.state?.[STATE_KEY];
  return typeof kept === 'object' && kept !== null ? { ...none, ...kept } : none;
}
