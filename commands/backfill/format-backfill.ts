/** The output of `npm run backfill`: its progress, and at the end what was found, stored and excluded. */

import type { Rule } from '../../shared/ingest/label-rules.ts';
import type { ProgressState } from '../support/progress.ts';
import { counted } from '../support/terminal.ts';
import type { BackfillOutcome, BackfillProgress } from './backfills.ts';

const RULES: Record<Rule, string> = {
  before_start: 'from before the first start',
  chat: 'chats',
  draft: 'drafts',
  label: 'without the configured label',
  sent: 'only sent, not received',
  spam: 'spam',
  trash: 'in the trash',
};

function pendingCount({ dueCount, waitingCount }: BackfillProgress): number {
  return dueCount + waitingCount;
}

/** Computes what is done from what is left, because other instances may work on the same backfill. */
export class BackfillSummary {
  readonly #start: BackfillProgress;
  readonly #maxPerMinute: number;
  #doneCount = 0;

  /** @param start the progress when the command began */
  constructor(start: BackfillProgress, maxPerMinute: number) {
    this.#start = start;
    this.#maxPerMinute = maxPerMinute;
  }

  update(now: BackfillProgress): Omit<ProgressState, 'perMinute'> {
    const enteredCount = Math.max(0, now.newCount - this.#start.newCount);
    // Messages that a rule had excluded can become pending without being new. The count must not go down then.
    this.#doneCount = Math.max(this.#doneCount, pendingCount(this.#start) + enteredCount - pendingCount(now));
    return {
      done: this.#doneCount,
      total: now.isListed ? this.#doneCount + pendingCount(now) : null,
      noun: 'messages',
      maxPerMinute: this.#maxPerMinute,
      ...(now.isListed ? {} : { extra: `${now.listedCount.toLocaleString('en')} found so far` }),
    };
  }
}

/** @param isDone false: the operator stopped the command */
export function outcomeLines(isDone: boolean, progress: BackfillProgress, outcome: BackfillOutcome): string {
  const { listedCount, newCount } = progress;
  const lines = [
    `${isDone ? 'Done' : 'So far'}: ${counted(listedCount, 'message')} found, ` +
      `${newCount.toLocaleString('en')} new, ` +
      `${Math.max(0, listedCount - newCount).toLocaleString('en')} already known.`,
    `  ${counted(outcome.storedCount, 'email')} stored`,
  ];
  for (const [rule, count] of outcome.ignoredCounts)
    lines.push(`  ${counted(count, 'message')} ignored: ${RULES[rule as Rule] ?? rule}`);
  if (outcome.goneCount > 0)
    lines.push(`  ${counted(outcome.goneCount, 'message')} gone: deleted before the fetch`);
  if (outcome.deadCount > 0)
    lines.push(
      `  ${counted(outcome.deadCount, 'message')} failed every time: \`npm run retry-dead\` lists and retries them`,
    );
  return lines.join('\n');
}
