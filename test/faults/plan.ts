/**
 * The plan of a round: deliveries, changes of emails, requests, and faults, each with its time. The seed alone determines
 * the plan, but not the order of concurrent operations when it runs.
 */

import type { Event } from './events.ts';
import { KIND_NAMES, KINDS, type KindName } from './kinds.ts';
import { PlanBuilder, type PlannedMail } from './plan-builder.ts';
import { RandomChoices } from './random-choices.ts';

export interface Plan {
  readonly round: number;
  readonly kinds: readonly KindName[];
  /** The first sync of the mailbox takes place in this round. */
  readonly isFirstSync: boolean;
  /** The round ends with a full reconciliation. */
  readonly reconciles: boolean;
  /** Called once after the faults, with no concurrent calls. */
  readonly lastVerb: 'start' | 'stop';
  readonly mails: readonly PlannedMail[];
  /** Sorted by time. */
  readonly events: readonly Event[];
}

/** This many rounds share a mailbox, a database and running functions. The first of them starts with a new mailbox. */
export const ROUNDS_PER_FIXTURE = 5;

export function makePlan(seed: number, round: number, only: KindName | null): Plan {
  const random = new RandomChoices(seed, 'round', round);
  const plan = new PlanBuilder(random, round % ROUNDS_PER_FIXTURE === 0);
  const kinds = only === null ? chooseKinds(random) : [only];
  addTraffic(plan, round);
  for (const kind of kinds) KINDS[kind](plan);
  const events = plan.events.toSorted((a, b) => a.atMs - b.atMs);
  return {
    round,
    kinds,
    isFirstSync: plan.isFirstSync,
    reconciles: new RandomChoices(seed, 'proof', round).chance(0.3),
    lastVerb: new RandomChoices(seed, 'verb', round).pick(['start', 'stop']),
    mails: plan.mails,
    events,
  };
}

/** Single kinds make failures easy to understand; combinations find unforeseen interactions. */
function chooseKinds(random: RandomChoices): KindName[] {
  return random.sample(KIND_NAMES, random.pick([1, 1, 1, 2, 2, 3, 3, 4, 5])).sort();
}

/** The normal traffic: deliveries, scheduled polls, and a few requests of operators. */
function addTraffic(plan: PlanBuilder, round: number): void {
  const { random } = plan;
  const count = random.int(8, 40);
  const burstAt = random.chance(0.25) ? plan.moment(0, 0.6) : null;
  for (let n = 0; n < count; n += 1) {
    const arrival = plan.isFirstSync ? 'inbox' : random.pick(['inbox', 'inbox', 'inbox', 'filed', 'read']);
    plan.deliver(`r${round}`, burstAt ?? plan.moment(0, 0.85), arrival);
  }
  for (let at = random.int(0, 300); at < plan.durationMs; at += random.int(200, 600)) {
    if (random.chance(0.4)) plan.at(at, { kind: 'time_passes' });
    plan.at(at, { kind: 'call', target: 'poll' });
  }
  for (let n = random.int(1, 3); n > 0; n -= 1) plan.at(plan.moment(), { kind: 'call', target: 'pollNow' });
  plan.at(plan.moment(), { kind: 'call', target: 'status' });
}
