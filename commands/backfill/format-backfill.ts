/** The lines of `npm run backfill`: how far it is, and at the end what was found, what was new, what was excluded and why. */
import type { BackfillOutcome, BackfillProgress } from '../../shared/db/backfills.ts';
import type { Rule } from '../../shared/ingest/label-rules.ts';
import type { ProgressState } from '../support/progress.ts';
import { counted } from '../support/terminal.ts';

const RULES: Record<Rule, string> = {
  before_start: 'from before the first start',
  chat: 'chats',
  draft: 'drafts',
  label: 'without the wanted label',
  sent: 'only sent, not received',
  spam: 'spam',
  trash: 'in the trash',
};

function pendingCount({ dueCount, waitingCount }: BackfillProgress): number {
  return dueCount + waitingCount;
}

/** How much is done, computed from what is left, because other instances may work on it too. */
export class BackfillSummary {
  readonly #start: BackfillProgress;
  readonly #mostPerMinute: number;
  #doneCount = 0;

  /** @param start when this command began */
  constructor(start: BackfillProgress, mostPerMinute: number) {
    this.#start = start;
    this.#mostPerMinute = mostPerMinute;
  }

  update(now: BackfillProgress): Omit<ProgressState, 'perMinute'> {
    const enteredCount = Math.max(0, now.newCount - this.#start.newCount);
    // Messages that an earlier rule excluded become pending without being new: never less than was shown before.
    this.#doneCount = Math.max(this.#doneCount, pendingCount(this.#start) + enteredCount - pendingCount(now));
    return {
      done: this.#doneCount,
      total: now.isListed ? this.#doneCount + pendingCount(now) : null,
      noun: 'messages',
      mostPerMinute: this.#mostPerMinute,
      ...(now.isListed ? {} : { extra: `${now.listedCount.toLocaleString('en')} found so far` }),
    };
  }
}

/** @param isDone false: the command was stopped before the end */
export function outcomeLines(isDone: boolean, progress: BackfillProgress, outcome: BackfillOutcome): string {
  const { listedCount, newCount } = progress;
  const lines = [
    `${isDone ? 'Done' : 'So far'}: ${counted(listedCount, 'message')} found, ` +
      `${newCount.toLocaleString('en')} of them new, ` +
      `${Math.max(0, listedCount - newCount).toLocaleString('en')} known already.`,
    `  ${counted(outcome.storedCount, 'email')} stored`,
  ];
  for (const [rule, count] of outcome.ignoredCounts)
    lines.push(`  ${counted(count, 'message')} ignored: ${RULES[rule as Rule] ?? rule}`);
  if (outcome.goneCount > 0)
    lines.push(`  ${counted(outcome.goneCount, 'message')} gone: deleted before they could be fetched`);
  if (outcome.deadCount > 0)
    lines.push(
      `  ${counted(outcome.deadCount, 'message')} failed every time: \`npm run retry-dead\` lists them and tries again`,
    );
  return lines.join('\n');
}
