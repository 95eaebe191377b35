/**
 * The plan of a round, decided by the seed alone: what is delivered when, what is done to it, who calls, and which
 * faults come. Wall-clock races remain; the plan does not change.
 */
import { Chance } from './chance.ts';
import type { Event } from './events.ts';
import { KIND_NAMES, KINDS, type KindName } from './kinds.ts';
import { PlanBuilder, type PlannedMail } from './plan-builder.ts';

export interface Plan {
  readonly round: number;
  readonly kinds: readonly KindName[];
  readonly isBirth: boolean;
  /** Ends with a full reconciliation. */
  readonly reconciles: boolean;
  /** Called alone after the faults. */
  readonly lastVerb: 'start' | 'stop';
  readonly mails: readonly PlannedMail[];
  /** In order of time. */
  readonly events: readonly Event[];
}

/** So many rounds share a mailbox, a database and warm functions; the first of them meets an unknown mailbox. */
export const ROUNDS_PER_FIXTURE = 5;

export function makePlan(seed: number, round: number, only: KindName | null): Plan {
  const chance = new Chance(seed, 'round', round);
  const plan = new PlanBuilder(chance, round % ROUNDS_PER_FIXTURE === 0);
  const kinds = only === null ? chooseKinds(chance) : [only];
  traffic(plan, round);
  for (const kind of kinds) KINDS[kind](plan);
  const events = plan.events.toSorted((a, b) => a.atMs - b.atMs);
  return {
    round,
    kinds,
    isBirth: plan.isBirth,
    reconciles: new Chance(seed, 'proof', round).happens(0.3),
    lastVerb: new Chance(seed, 'verb', round).pick(['start', 'stop']),
    mails: plan.mails,
    events,
  };
}

/** A fault alone is understood at once; the mixtures find what nobody thought of. */
function chooseKinds(chance: Chance): KindName[] {
  return chance.some(KIND_NAMES, chance.pick([1, 1, 1, 2, 2, 3, 3, 4, 5])).sort();
}

/** What happens without any fault: mail, the scheduler's polls, an operator now and then. */
function traffic(plan: PlanBuilder, round: number): void {
  const { chance } = plan;
  const count = chance.int(8, 40);
  const burstAt = chance.happens(0.25) ? plan.moment(0, 0.6) : null;
  for (let n = 0; n < count; n += 1) {
    const arrival = plan.isBirth ? 'inbox' : chance.pick(['inbox', 'inbox', 'inbox', 'filed', 'read']);
    plan.deliver(`r${round}`, burstAt ?? plan.moment(0, 0.85), arrival);
  }
  for (let at = chance.int(0, 300); at < plan.durationMs; at += chance.int(200, 600)) {
    if (chance.happens(0.4)) plan.at(at, { kind: 'time_passes' });
    plan.at(at, { kind: 'call', target: 'poll' });
  }
  for (let n = chance.int(1, 3); n > 0; n -= 1) plan.at(plan.moment(), { kind: 'call', target: 'pollNow' });
  plan.at(plan.moment(), { kind: 'call', target: 'status' });
}
