/** What `npm run backfill` says: how far it is, and at the end what was found, what was new, what was left out and why. */
import type { BackfillFigures, BackfillOutcome } from '../shared/db/backfill-progress.ts';
import type { Rule } from '../shared/ingest/rules.ts';
import type { ProgressState } from './progress.ts';
import { counted } from './terminal.ts';

const RULES: Record<Rule, string> = {
  before_start: 'from before the first start',
  chat: 'chats',
  draft: 'drafts',
  label: 'without the label that is wanted',
  sent: 'only sent, not received',
  spam: 'spam',
  trash: 'in the trash',
};

/** How much of the work is done, told from what is left of it, because others may work on it too. */
export class BackfillCount {
  readonly #began: BackfillFigures;
  readonly #mostPerMinute: number;
  #done = 0;

  /** @param began when this command did */
  constructor(began: BackfillFigures, mostPerMinute: number) {
    this.#began = began;
    this.#mostPerMinute = mostPerMinute;
  }

  note(now: BackfillFigures): Omit<ProgressState, 'perMinute'> {
    const entered = Math.max(0, now.newCount - this.#began.newCount);
    // What an earlier rule had left out comes back without being new: never less than was seen before.
    this.#done = Math.max(this.#done, this.#began.pendingCount + entered - now.pendingCount);
    const units = `${now.minuteUnits.toLocaleString('en')} units last minute`;
    return {
      done: this.#done,
      total: now.isListed ? this.#done + now.pendingCount : null,
      noun: 'messages',
      mostPerMinute: this.#mostPerMinute,
      extra: now.isListed ? units : `${now.listedCount.toLocaleString('en')} found so far, ${units}`,
    };
  }
}

/** @param done false: it was stopped before its end */
export function outcomeLines(done: boolean, figures: BackfillFigures, outcome: BackfillOutcome): string {
  const { listedCount, newCount } = figures;
  const lines = [
    `${done ? 'Done' : 'So far'}: ${counted(listedCount, 'message')} found, ${newCount.toLocaleString('en')} of them new, ` +
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
