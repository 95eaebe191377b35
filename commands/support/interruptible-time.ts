/** Time for a cycle that a person may end: at Ctrl-C its time is up and nothing sleeps any more, so it ends in order. */
import { setTimeout as delay } from 'node:timers/promises';
import type { TestOverrides } from '../../shared/ingest/ingest-context.ts';

/** @param budgetMs of a cycle: so far the clock jumps */
export function interruptibleTime(interruption: AbortSignal, budgetMs: number): TestOverrides {
  return {
    clock: () => performance.now() + (interruption.aborted ? budgetMs : 0),
    sleep: async (ms) => {
      await delay(ms, undefined, { signal: interruption }).catch(() => undefined);
    },
  };
}
