/** The top of the page: the state, its reason, and what to do. */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { AdviceItem } from '../../shared/schemas/status.ts';
import { actionButtons } from './actions.ts';
import { speak } from './announcer.ts';
import { currentMailbox, type StateDescription } from './describe-state.ts';
import { byId, element, fill, setText } from './element.ts';
import { withInlineCode } from './inline-code.ts';
import { KeyedList } from './keyed-list.ts';
import { hasSeveral, mailboxes } from './several-mailboxes.ts';
import { showInTab } from './tab-icon.ts';
import { ageElement } from './times.ts';

const AUTHORIZE =
  'Run `npm run authorize -- --client-secret client_secret.json --write`; for a deployment, `--secret-manager` instead of `--write`.';

/** The reason of one mailbox says the same, and Poll now is above. Of several, the reason has only their numbers. */
const REPEATED_ADVICE: ReadonlySet<string> = new Set(['paused', 'messages_failing']);

let announcedState = '';
let shownReason = '';
let advice: KeyedList<AdviceRow> | null = null;

/** An advice item with the addresses that its buttons name. */
type AdviceRow = AdviceItem & { readonly known: readonly string[] };

/** @param overview null while the data is not known */
export function showState(description: StateDescription, overview: OverviewJson | null): void {
  const { label, reason, state, tone } = description;
  document.documentElement.dataset['tone'] = tone;
  document.documentElement.dataset['state'] = overview?.status.state ?? state;
  showInTab(label, tone);
  setText(byId('state-label'), label);
  showReason(reason);
  announceState(description);
  showAdvice(overview);
  showPolls(overview);
  if (overview === null) return;
  setText(
    byId('mailbox'),
    hasSeveral(overview)
      ? mailboxes(overview.status.mailbox_count)
      : (currentMailbox(overview)?.email_address ?? ''),
  );
  setText(byId('all-mailboxes'), allMailboxesText(overview));
  // Start is highlighted while it would change something.
  byId('start').classList.toggle('is-main', !overview.status.is_running);
}

/** The elements stay while the text is the same, so that a refresh keeps a selection. */
function showReason(reason: string): void {
  if (reason === shownReason) return;
  shownReason = reason;
  fill(byId('state-reason'), ...withInlineCode(reason));
}

/** Once per state: neither a refresh nor a changed number in the reason is announced. */
function announceState({ label, reason, state }: StateDescription): void {
  if (state === announcedState || state === 'loading') return;
  announcedState = state;
  speak(`${label}. ${reason.replaceAll('`', '')}`);
}

/** Old advice may be wrong, so none is shown while the data is not known. */
function showAdvice(overview: OverviewJson | null): void {
  const list = byId('advice');
  const hadFocus = list.contains(document.activeElement);
  const items =
    overview?.status.advice_items.filter(
      // Start is above.
      ({ code }) => code !== 'stopped' && (hasSeveral(overview) || !REPEATED_ADVICE.has(code)),
    ) ?? [];
  // An added mailbox has its own credentials, so the account of the environment cannot become it.
  const known = (overview?.status.mailboxes ?? [])
    .filter(({ access }) => access === null || access === 'environment')
    .map((mailbox) => mailbox.email_address);
  list.hidden = items.length === 0;
  advice ??= new KeyedList<AdviceRow>(
    list,
    ({ code, consumer, text }) => `${code} ${consumer ?? text.slice(0, 40)}`,
    renderAdvice,
  );
  advice.show(items.map((item) => ({ ...item, known: item.action === 'confirm_mailbox' ? known : [] })));
  // The focused button is gone with its advice.
  if (hadFocus && !list.contains(document.activeElement)) byId('state-label').focus();
}

function renderAdvice({
  action,
  command: given,
  known,
  mailboxes: about,
  text,
  ...names
}: AdviceRow): HTMLLIElement {
  const buttons = action === null ? [] : actionButtons({ action, known, ...names });
  const authorize = about === undefined ? AUTHORIZE : (given ?? AUTHORIZE);
  const command = action === 'authorize' ? ` ${authorize}` : '';
  return element(
    'li',
    {},
    element('p', {}, ...withInlineCode(`${text}${command}`)),
    buttons.length === 0 ? null : element('div', { class: 'buttons' }, ...buttons),
  );
}

function showPolls(overview: OverviewJson | null): void {
  if (overview === null) {
    fill(byId('polls'));
    return;
  }
  const { is_running: isRunning, last_poll_at: lastAt } = overview.status;
  const nextAt = hasSeveral(overview) ? null : (currentMailbox(overview)?.next_poll_at ?? null);
  const isAhead = isRunning && nextAt !== null && nextAt > overview.now;
  fill(
    byId('polls'),
    ...(lastAt === null ? ['No run yet'] : ['Last run ', ageElement(lastAt)]),
    ...(isAhead ? [', next attempt ', ageElement(nextAt)] : []),
  );
}

/** Empty for a single mailbox. The section of mailboxes lists several monitored ones. */
function allMailboxesText(overview: OverviewJson): string {
  const { mailboxes: shown } = overview.status;
  if (hasSeveral(overview)) return 'The charts and the lists below include all mailboxes.';
  if (shown.length < 2) return '';
  const names = shown.map((mailbox) => mailbox.email_address).join(', ');
  return `The charts and the lists below include all mailboxes: ${names}.`;
}
