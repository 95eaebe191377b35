/**
 * The plan of a round, decided by the seed alone: what is delivered when, what is done to it, who calls, and which
 * faults come. Wall-clock races remain; the plan does not change.
 */
import { Chance } from './chance.ts';
import { Draft, type PlannedMail } from './draft.ts';
import type { Event } from './events.ts';
import { KIND_NAMES, KINDS, type KindName } from './kinds.ts';

export interface Plan {
  readonly round: number;
  readonly kinds: readonly KindName[];
  readonly isBirth: boolean;
  /** Ends with a proof of completeness. */
  readonly proves: boolean;
  readonly mails: readonly PlannedMail[];
  /** In order of time. */
  readonly events: readonly Event[];
}

/** So many rounds share a mailbox, a database and warm functions; the first of them meets an unknown mailbox. */
export const ROUNDS_A_WORLD = 5;

export function makePlan(seed: number, round: number, only: KindName | null): Plan {
  const chance = new Chance(seed, 'round', round);
  const draft = new Draft(chance, round % ROUNDS_A_WORLD === 0);
  const kinds = only === null ? chooseKinds(chance) : [only];
  traffic(draft, round);
  for (const kind of kinds) KINDS[kind](draft);
  const events = draft.events.toSorted((a, b) => a.atMs - b.atMs);
  return {
    round,
    kinds,
    isBirth: draft.isBirth,
    proves: new Chance(seed, 'proof', round).happens(0.3),
    mails: draft.mails,
    events,
  };
}

/** A fault alone is understood at once; the mixtures find what nobody thought of. */
function chooseKinds(chance: Chance): KindName[] {
  return chance.some(KIND_NAMES, chance.pick([1, 1, 1, 2, 2, 3, 3, 4, 5])).sort();
}

/** What happens without any fault: mail, the scheduler's polls, an operator now and then. */
function traffic(draft: Draft, round: number): void {
  const { chance } = draft;
  const count = chance.int(8, 40);
  const burstAt = chance.happens(0.25) ? draft.moment(0, 0.6) : null;
  for (let n = 0; n < count; n += 1) {
    const arrival = draft.isBirth ? 'inbox' : chance.pick(['inbox', 'inbox', 'inbox', 'filed', 'read']);
    draft.deliver(`r${round}`, burstAt ?? draft.moment(0, 0.85), arrival);
  }
  for (let at = chance.int(0, 300); at < draft.durationMs; at += chance.int(200, 600)) {
    if (chance.happens(0.4)) draft.at(at, { kind: 'time_passes' });
    draft.at(at, { kind: 'call', target: 'poll' });
  }
  for (let n = chance.int(1, 3); n > 0; n -= 1) draft.at(draft.moment(), { kind: 'call', target: 'pollNow' });
  draft.at(draft.moment(), { kind: 'call', target: 'status' });
}
