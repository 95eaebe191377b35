/** Push with the switch of `start` and `stop`. Gmail is loaded only where a topic is configured. */
import { Deadline } from '../shared/deadline.ts';
import type { FunctionContext } from './context.ts';

/** A person waits for the answer; what takes longer is left to the next poll. */
const BUDGET_MS = 15_000;

export async function switchPush(context: FunctionContext, isOn: boolean): Promise<void> {
  if (context.config.pubsubTopic === null || context.config.gmail === null) return;
  const { createSystem } = await import('../shared/ingest/system.ts');
  const ingest = await import('../shared/ingest/push-switch.ts');
  await ingest.switchPush(createSystem(context), isOn, Deadline.after(BUDGET_MS));
}
