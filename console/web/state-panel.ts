/** The first thing seen: one word, why it is so, and what to do. */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { PollAnswerJson } from '../../shared/schemas/poll.ts';
import type { AdviceAction, AdviceItem } from '../../shared/schemas/status.ts';
import { post, MONITOR_API } from './api.ts';
import { reportText, whileBusy } from './controls.ts';
import { button, byId, element, fill, setText } from './element.ts';
import { showInTab } from './tab-icon.ts';
import { withInlineCode } from './inline-code.ts';
import { currentMailbox, describeState } from './describe-state.ts';
import { ageElement } from './times.ts';

/** The buttons of this page that do what an advice asks for. */
const BUTTONS: Readonly<Record<AdviceAction, string>> = {
  start: 'Press “Start”.',
  stop: 'Press “Stop”.',
  poll_now: 'Press “Poll now”.',
  reconcile_all: '',
  retry_dead: 'Retry them in the list “Dead messages” below.',
  authorize: 'Run `npm run authorize`; for a deployment add --secret-manager.',
};

let shownAdvice = '';
let onChange: () => Promise<void> = async () => undefined;

/** @param changed called once the server has answered a button of an advice */
export function wireAdvice(changed: () => Promise<void>): void {
  onChange = changed;
}

export function showState(overview: OverviewJson): void {
  const { reason, tone, word } = describeState(overview);
  const { status } = overview;
  const mailbox = currentMailbox(overview);
  document.documentElement.dataset['tone'] = tone;
  document.documentElement.dataset['state'] = status.state;
  showInTab(word, tone);
  setText(byId('state-word'), word);
  setText(byId('state-reason'), reason);
  setText(byId('mailbox'), mailbox?.email_address ?? '');
  showAdvice(status.advice_items);
  showPolls(overview);
  // The one that changes something stands out.
  byId('start').classList.toggle('is-main', !status.is_running);
  byId('stop').classList.toggle('is-main', false);
}

function showAdvice(advice: readonly AdviceItem[]): void {
  const text = JSON.stringify(advice);
  if (text === shownAdvice) return;
  shownAdvice = text;
  const list = byId('advice');
  list.hidden = advice.length === 0;
  fill(list, ...advice.map(adviceRow));
}

function adviceRow({ action, text }: AdviceItem): HTMLLIElement {
  if (action === 'reconcile_all')
    return element(
      'li',
      {},
      ...withInlineCode(`${text} `),
      button('Compare all', (self) => void reconcileAll(self)),
    );
  return element('li', {}, ...withInlineCode(action === null ? text : `${text} ${BUTTONS[action]}`));
}

async function reconcileAll(control: HTMLButtonElement): Promise<void> {
  await whileBusy(control, 'Comparing…', onChange, async () => {
    const report = await post<PollAnswerJson>(`${MONITOR_API}/poll-now?reconcile=all`);
    return `${reportText(report)} The comparison goes on with the next runs until everything is compared.`;
  });
}

function showPolls(overview: OverviewJson): void {
  const { last_poll_at: last } = overview.status;
  const next = currentMailbox(overview)?.next_poll_at ?? null;
  const isAhead = overview.status.is_running && next !== null && next > overview.now;
  fill(
    byId('polls'),
    ...(last === null ? ['Not polled yet'] : ['Last run ', ageElement(last)]),
    ...(isAhead ? [', next attempt ', ageElement(next)] : []),
  );
}
