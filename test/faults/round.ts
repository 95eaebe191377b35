/** One round: its happenings, then quiet, then the property. */
import { Calls } from './calls.ts';
import { PROMPT } from './mailbox.ts';
import { type Plan, ROUNDS_A_WORLD } from './plan.ts';
import { prove } from './prove.ts';
import { becomeQuiet, catchesUp } from './quiet.ts';
import { Stage } from './stage.ts';
import type { Tally } from './tally.ts';
import { verify } from './verify.ts';
import type { World } from './world.ts';

export interface RoundEnd {
  /** Empty when everything is as it must be. */
  readonly violations: readonly string[];
  /** What the functions wrote. */
  readonly log: readonly string[];
}

/** @param isFresh nobody has looked at the mailbox of this world yet */
export async function playRound(world: World, plan: Plan, tally: Tally, isFresh: boolean): Promise<RoundEnd> {
  const calls = new Calls(world.fleet);
  await calls.call('start');
  // A mailbox is met for the first time with its faults, or before them: never somewhere in between.
  if (isFresh && !plan.isBirth) {
    const unquiet = await becomeQuiet(world, calls);
    if (unquiet !== null) {
      return { violations: [`The world did not open: ${unquiet}`], log: world.fleet.takeLog() };
    }
  }
  await new Stage(world, plan, calls, tally).play();
  const unquiet = await becomeQuiet(world, calls);
  await world.gmail.control('switches', PROMPT);
  await countStruck(world, tally);
  const log = world.fleet.takeLog();
  const found = await verify(world, calls, plan.round, tally, log);
  if (unquiet !== null) return { violations: [`It did not come to rest: ${unquiet}`, ...found], log };
  // After the comparison with what was delivered: a proof mends what it finds missing.
  if (plan.proves) found.push(...(await prove(world, calls)));
  if ((plan.round + 1) % ROUNDS_A_WORLD === 0) found.push(...(await catchesUp(world, calls)));
  return { violations: found, log };
}

interface Stats {
  readonly faults: { readonly struck: Record<string, number> };
  readonly units: { readonly refusedForConcurrency: number };
  readonly notifications: { readonly dropped: number; readonly redelivered: number };
}

/** The faults of Gmail that really met a call. */
async function countStruck({ gmail }: World, tally: Tally): Promise<void> {
  const { faults, units, notifications } = await gmail.control<Stats>('stats');
  for (const [name, count] of Object.entries(faults.struck)) tally.fault(`Gmail: ${name}`, count);
  tally.fault('Gmail: too many calls at once', units.refusedForConcurrency);
  tally.fault('push lost', notifications.dropped);
  tally.fault('push delivered again', notifications.redelivered);
  await gmail.control('reset-counters', {});
}
