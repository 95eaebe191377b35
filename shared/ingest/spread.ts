/**
 * Spreads the periodic work of added mailboxes over its period: each has an own offset, derived from its id. Without it, the
 * work of mailboxes that were added together would always fall into the same minute.
 */
import type { RunContext } from './run-context.ts';

/** The golden ratio: its multiples modulo 1 are spread evenly, however many there are. */
const GOLDEN_RATIO = 0.618_033_988_749_895;

/**
 * Seconds since the present period of this mailbox began, from 0 to below `periodSeconds`. Work is due when it was last done
 * before that.
 *
 * @param at by the clock of the database
 */
export function secondsIntoPeriod(mailboxId: number, periodSeconds: number, at: Date): number {
  const offset = ((mailboxId * GOLDEN_RATIO) % 1) * periodSeconds;
  return Math.floor((at.getTime() / 1_000 + offset) % periodSeconds);
}

/** Work of a run is due when it was last done before so many seconds. The first mailbox has no period of its own. */
export function spreadSeconds({ lease, settings, startedAt }: RunContext, periodSeconds: number): number {
  return settings === null ? periodSeconds : secondsIntoPeriod(lease.mailboxId, periodSeconds, startedAt);
}
