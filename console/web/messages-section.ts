/**
 * Messages that are not stored, by state. The list opens on its own while messages fail and no search is active, and otherwise
 * when the operator opens it.
 */
import type { MessageCountsJson, MessageJson, MessagePageJson } from '../../shared/schemas/messages.ts';
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import { CONSOLE_API, get } from './api.ts';
import { button, byId, element, fill, setText } from './element.ts';
import { formatNumber } from './format-number.ts';
import { withInlineCode } from './inline-code.ts';
import { createMessageList, retryMessages } from './message-row.ts';
import { onSearch } from './message-search.ts';
import { countedText, ruleReason } from './message-state.ts';
import { keepErrors } from './notices.ts';
import { wirePagedSection } from './paged-section.ts';

const INITIAL_ROW_COUNT = 25;
/** Loads with missing headers that are repeated with the next overviews. */
const MAX_HEADER_RETRIES = 4;

const STATES = {
  failing: { label: 'Failing', none: 'No message fails.' },
  waiting: { label: 'Waiting', none: 'No message waits.' },
  ignored: { label: 'Ignored', none: 'No message is ignored.' },
  gone: { label: 'Gone', none: 'No message has disappeared from Gmail before it was fetched.' },
  given_up: { label: 'Given up', none: 'No message is given up.' },
} as const;
type State = keyof typeof STATES;
const STATE_NAMES = Object.keys(STATES) as State[];

/** @param onChange called after each action, whether it succeeded or failed */
export function wireMessages(onChange: () => Promise<void>): (overview: OverviewJson) => Promise<void> {
  const body = byId('messages-body');
  const title = byId('messages-title');
  const toggle = byId<HTMLButtonElement>('messages-toggle');
  const retryAll = byId<HTMLButtonElement>('retry-all');
  const ruleSelect = byId<HTMLSelectElement>('message-rule');
  const list = createMessageList(byId('message-list'), title, onChange);
  /** What the operator chose; null: the page decides. */
  let chosenOpen: boolean | null = null;
  let chosenState: State | null = null;
  let isSearching = false;
  let latest: OverviewJson | null = null;
  /** What the rows that were read last are of. */
  let read = { key: '', error: null as MessagePageJson['gmail']['error'] };
  let headerRetries = 0;
  let needsHeaders = false;

  const state = (): State =>
    chosenState ?? (latest !== null && failingCount(latest) > 0 ? 'failing' : 'ignored');
  const rule = () => (state() === 'ignored' ? ruleSelect.value : '');
  const key = () => `${state()} ${rule()}`;

  const section = wirePagedSection<MessageJson>({
    name: 'messages',
    initialRowCount: INITIAL_ROW_COUNT,
    dependsOn: (overview) => [
      key(),
      overview.status.mailboxes.map(({ failing, ledger }) => [failing, { ...ledger, stored: 0 }]),
      { ...overview.status.totals, stored: 0, unknown_since: null },
      state() === 'failing' ? overview.status.last_poll_at : null,
      needsHeaders ? overview.now : null,
    ],
    read: async (query) => {
      const wanted = key();
      const filter = rule() === '' ? '' : `&rule=${encodeURIComponent(rule())}`;
      const page = await get<MessagePageJson>(`${CONSOLE_API}/messages?state=${state()}${filter}&${query}`);
      read = { key: wanted, error: page.gmail.error };
      return { rows: page.messages, nextBeforeId: page.next_before };
    },
    show: (messages) => {
      // The operator has chosen another state in the meantime; a newer load shows it.
      if (read.key !== key() || latest === null) return;
      list.show(messages, latest);
      fill(byId('messages-note'), ...withInlineCode(noteText(state(), messages, read.error, latest)));
      needsHeaders = messages.some(isMissingHeaders) && headerRetries < MAX_HEADER_RETRIES;
      headerRetries += 1;
      retryAll.hidden = state() !== 'failing' || messages.length < 2;
    },
  });

  const reload = async () => {
    headerRetries = 0;
    showFilters(state());
    await section.reload();
  };
  const showFilters = (selected: State) => {
    const failing = latest === null ? 0 : failingCount(latest);
    for (const name of STATE_NAMES) {
      const chip = byId(`messages-${name}`);
      setText(chip, name === 'failing' ? `Failing (${formatNumber(failing)})` : STATES[name].label);
      chip.setAttribute('aria-pressed', String(name === selected));
    }
    ruleSelect.hidden = selected !== 'ignored' || ruleSelect.options.length < 3;
  };
  fill(
    byId('message-states'),
    ...STATE_NAMES.map((name) =>
      button(
        STATES[name].label,
        () => {
          chosenState = name;
          void reload();
        },
        { id: `messages-${name}`, 'aria-pressed': false },
      ),
    ),
  );
  ruleSelect.addEventListener('change', () => void reload());
  retryAll.addEventListener(
    'click',
    () => void retryMessages(retryAll, `${CONSOLE_API}/messages/retry`, onChange),
  );
  toggle.addEventListener('click', () => {
    chosenOpen = body.hidden !== false;
    if (latest !== null) void update(latest);
  });

  onSearch((words) => {
    isSearching = words !== '';
    if (latest !== null) void update(latest);
  });

  let countsFor = '';
  const showCounts = async (overview: OverviewJson) => {
    const wanted = JSON.stringify([
      overview.status.totals.ignored,
      overview.status.mailboxes.map(({ ledger }) => ledger.ignored),
    ]);
    if (wanted === countsFor) return;
    countsFor = wanted;
    try {
      const { ignored } = await get<MessageCountsJson>(`${CONSOLE_API}/messages/counts`);
      showIgnored(ignored, ruleSelect);
      showFilters(state());
    } catch {
      // The list shows why the server does not answer.
      countsFor = '';
      setText(byId('ignored-counts'), 'Ignored in the last 7 days: unknown.');
    }
  };

  const update = async (overview: OverviewJson) => {
    latest = overview;
    const isOpen = chosenOpen ?? (failingCount(overview) > 0 && !isSearching);
    const hadFocus = body.contains(document.activeElement);
    keepErrors(body, () => {
      body.hidden = !isOpen;
    });
    toggle.setAttribute('aria-expanded', String(isOpen));
    toggle.setAttribute('aria-label', `${isOpen ? 'Hide' : 'Show'} messages that are not stored`);
    setText(toggle, isOpen ? 'Hide' : 'Show');
    if (!isOpen) {
      // The focused element is now hidden with the section.
      if (hadFocus) title.focus();
      return;
    }
    showFilters(state());
    await Promise.all([section.update(overview), showCounts(overview)]);
  };
  return update;
}

/** The list of mailboxes may have only the worst of them. */
function failingCount({ status }: OverviewJson): number {
  if (status.mailbox_count > 1) return status.totals.failing;
  return status.mailboxes.reduce((sum, { failing }) => sum + (failing?.count ?? 0), 0);
}

function isMissingHeaders({ headers_missing: missing, state }: MessageJson): boolean {
  return missing === 'failed' || (missing === 'not_asked' && state !== 'pending');
}

function noteText(
  state: State,
  messages: readonly MessageJson[],
  error: MessagePageJson['gmail']['error'],
  overview: OverviewJson,
): string {
  if (messages.length === 0)
    return state === 'waiting' && overview.status.totals.waiting_count === null
      ? 'The monitor knows of no waiting message, but it has not read all new email. More may wait in Gmail.'
      : STATES[state].none;
  if (error !== null)
    return `Some senders and subjects are missing. ${error.detail ?? error.code} ${error.remediation ?? ''}`;
  const isBacklog = state === 'waiting' && messages.some((one) => one.headers_missing === 'not_asked');
  return isBacklog
    ? 'Many messages wait, so Gmail is not asked for each: sender and subject are known once a message is fetched. Search to find a particular one.'
    : '';
}

function showIgnored(ignored: MessageCountsJson['ignored'], ruleSelect: HTMLSelectElement): void {
  const counts = ignored.map(({ count, is_capped: isCapped, rule }) => countedText(rule, count, isCapped));
  setText(
    byId('ignored-counts'),
    `Ignored in the last 7 days: ${counts.length === 0 ? 'none' : counts.join(', ')}.`,
  );
  const selected = ruleSelect.value;
  // A rule stays selectable while it is selected.
  const rules = new Set([...ignored.map(({ rule }) => rule), ...(selected === '' ? [] : [selected])]);
  fill(
    ruleSelect,
    element('option', { value: '' }, 'All reasons'),
    ...[...rules].map((rule) =>
      element('option', { value: rule, selected: rule === selected }, ruleReason(rule)),
    ),
  );
}
