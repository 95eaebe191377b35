/** The top of the page: the state, its reason, and what to do. */
import type { OverviewJson } from '../../shared/schemas/overview.ts';
import type { PollAnswerJson } from '../../shared/schemas/poll.ts';
import type { AdviceAction } from '../../shared/schemas/actions.ts';
import type { AdviceItem } from '../../shared/schemas/status.ts';
import { MONITOR_API, post } from './api.ts';
import { pollResultText, runAction } from './controls.ts';
import { currentMailbox, describeState } from './describe-state.ts';
import { button, byId, element, fill, setText } from './element.ts';
import { withInlineCode } from './inline-code.ts';
import { showInTab } from './tab-icon.ts';
import { ageElement } from './times.ts';

/** How to perform the action of an advice item on this page. */
const INSTRUCTIONS: Readonly<Record<AdviceAction, string>> = {
  start: 'Press “Start”.',
  stop: 'Press “Stop”.',
  poll_now: 'Press “Poll now”.',
  reconcile_all: '',
  retry_dead: 'Retry them under “Dead messages” below.',
  requeue_emails: 'Then process them again under “Processing” below.',
  authorize: 'Run `npm run authorize`; for a deployment add --secret-manager.',
};

let shownAdvice = '';
let onChange: () => Promise<void> = async () => undefined;

/** @param callback called after each action of an advice item, whether it succeeded or failed */
export function wireAdvice(callback: () => Promise<void>): void {
  onChange = callback;
}

export function showState(overview: OverviewJson): void {
  const { label, reason, tone } = describeState(overview);
  const { status } = overview;
  const mailbox = currentMailbox(overview);
  document.documentElement.dataset['tone'] = tone;
  document.documentElement.dataset['state'] = status.state;
  showInTab(label, tone);
  setText(byId('state-label'), label);
  setText(byId('state-reason'), reason);
  setText(byId('mailbox'), mailbox?.email_address ?? '');
  showAdvice(status.advice_items);
  showPolls(overview);
  setText(byId('all-mailboxes'), allMailboxesText(overview));
  // Start is highlighted while it would change something.
  byId('start').classList.toggle('is-main', !status.is_running);
}

function showAdvice(advice: readonly AdviceItem[]): void {
  const json = JSON.stringify(advice);
  if (json === shownAdvice) return;
  shownAdvice = json;
  const list = byId('advice');
  list.hidden = advice.length === 0;
  fill(list, ...advice.map(renderAdvice));
}

function renderAdvice({ action, text }: AdviceItem): HTMLLIElement {
  if (action === 'reconcile_all')
    return element(
      'li',
      {},
      ...withInlineCode(`${text} `),
      button('Reconcile all', (self) => void reconcileAll(self)),
    );
  return element('li', {}, ...withInlineCode(action === null ? text : `${text} ${INSTRUCTIONS[action]}`));
}

async function reconcileAll(control: HTMLButtonElement): Promise<void> {
  await runAction(control, 'Reconciling…', onChange, async () => {
    const result = await post<PollAnswerJson>(`${MONITOR_API}/poll-now?reconcile=all`);
    return `${pollResultText(result)} The next runs continue until all messages are reconciled.`;
  });
}

function showPolls(overview: OverviewJson): void {
  const { is_running: isRunning, last_poll_at: lastAt } = overview.status;
  const nextAt = currentMailbox(overview)?.next_poll_at ?? null;
  const isAhead = isRunning && nextAt !== null && nextAt > overview.now;
  fill(
    byId('polls'),
    ...(lastAt === null ? ['No run yet'] : ['Last run ', ageElement(lastAt)]),
    ...(isAhead ? [', next attempt ', ageElement(nextAt)] : []),
  );
}

/** Empty for a single mailbox. */
function allMailboxesText({ status: { mailboxes } }: OverviewJson): string {
  if (mailboxes.length < 2) return '';
  const names = mailboxes.map((mailbox) => mailbox.email_address).join(', ');
  return `The charts and the lists below include all mailboxes: ${names}.`;
}
