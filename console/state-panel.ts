/** The first thing seen: one word, why it is so, and what to do. */
import type { Overview } from './contract.ts';
import { withCommands } from './remediations.ts';
import { byId, element, fill, setText } from './element.ts';
import { showInTab } from './icon.ts';
import { currentMailbox, describeState } from './states.ts';
import { ageOf } from './times.ts';

let shownAdvice = '';

export function showState(overview: Overview): void {
  const { reason, tone, word } = describeState(overview);
  const { status } = overview;
  const mailbox = currentMailbox(overview);
  document.documentElement.dataset['tone'] = tone;
  document.documentElement.dataset['state'] = status.state;
  showInTab(word, tone);
  setText(byId('state-word'), word);
  setText(byId('state-reason'), reason);
  setText(byId('mailbox'), mailbox?.email_address ?? '');
  showAdvice(status.advice);
  showPolls(overview);
  // The one that changes something stands out.
  byId('start').classList.toggle('is-main', !status.is_running);
  byId('stop').classList.toggle('is-main', false);
}

function showAdvice(advice: readonly string[]): void {
  const text = JSON.stringify(advice);
  if (text === shownAdvice) return;
  shownAdvice = text;
  const list = byId('advice');
  list.hidden = advice.length === 0;
  fill(list, ...advice.map((one) => element('li', {}, ...withCommands(one))));
}

function showPolls(overview: Overview): void {
  const { last_poll_at: last } = overview.status;
  const next = currentMailbox(overview)?.next_poll_at ?? null;
  const isAhead = overview.status.is_running && next !== null && next > overview.now;
  fill(
    byId('polls'),
    ...(last === null ? ['Not polled yet'] : ['Last cycle ', ageOf(last)]),
    ...(isAhead ? [', next attempt ', ageOf(next)] : []),
  );
}
