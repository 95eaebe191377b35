/** Faults of what runs: the functions' processes, the database, the switch. */
import type { PlanBuilder } from './plan-builder.ts';

const WORKERS = ['poll', 'pollNow', 'gmailPush'] as const;

export function kills(plan: PlanBuilder): void {
  const { chance } = plan;
  for (let n = chance.int(1, 3); n > 0; n -= 1) {
    plan.at(plan.moment(), {
      kind: 'kill',
      whom: chance.happens(0.8) ? 'holder' : chance.pick([...WORKERS]),
      signal: 'SIGKILL',
      agesAfterMs: chance.int(0, 400),
    });
  }
}

export function freeze(plan: PlanBuilder): void {
  const { chance } = plan;
  for (let n = chance.int(1, 2); n > 0; n -= 1) {
    plan.at(plan.moment(0, 0.8), { kind: 'freeze', whom: 'holder', forMs: chance.int(300, 1_500) });
    plan.at(plan.moment(0.3), { kind: 'call', target: 'pollNow', count: 2 });
  }
}

export function scale(plan: PlanBuilder): void {
  const { chance } = plan;
  for (let n = chance.int(1, 3); n > 0; n -= 1) {
    plan.at(plan.moment(), {
      kind: 'kill',
      whom: chance.pick([...WORKERS, 'holder']),
      signal: 'SIGTERM',
      agesAfterMs: chance.int(0, 400),
    });
    plan.at(plan.moment(), { kind: 'scale_out', target: chance.pick([...WORKERS]) });
  }
}

export function postgres(plan: PlanBuilder): void {
  const { chance } = plan;
  plan.at(plan.moment(0, 0.8), {
    kind: 'postgres',
    how: chance.pick(['fast', 'immediate', 'crash']),
    forMs: chance.int(50, 900),
  });
}

export function cuts(plan: PlanBuilder): void {
  for (let n = plan.chance.int(1, 3); n > 0; n -= 1) plan.at(plan.moment(), { kind: 'cut' });
}

/** Three pushes and two polls at once. */
export function together(plan: PlanBuilder): void {
  for (let n = plan.chance.int(1, 3); n > 0; n -= 1) {
    const at = plan.moment();
    plan.at(at, { kind: 'push', what: 'current', count: 3 });
    plan.at(at, { kind: 'call', target: 'poll', count: 2 });
    plan.at(at, { kind: 'call', target: 'pollNow' });
  }
}

export function stopStart(plan: PlanBuilder): void {
  for (let n = plan.chance.int(1, 2); n > 0; n -= 1) {
    const at = plan.moment(0, 0.7);
    plan.at(at, { kind: 'call', target: 'stop' });
    if (plan.chance.happens(0.7)) plan.at(at + plan.chance.int(0, 800), { kind: 'call', target: 'start' });
  }
}

export function clock(plan: PlanBuilder): void {
  for (let n = plan.chance.int(1, 3); n > 0; n -= 1) {
    plan.at(plan.moment(), { kind: 'clock', target: plan.chance.pick([...WORKERS, 'status']) });
  }
}

/** Several calls of both verbs at once, while Cloud Scheduler is slow. */
export function controlRaces(plan: PlanBuilder): void {
  const { chance } = plan;
  plan.at(0, { kind: 'slow_scheduler', maxDelayMs: chance.pick([20, 100, 300]) });
  for (let n = chance.int(1, 3); n > 0; n -= 1) {
    const at = plan.moment(0, 0.9);
    for (let calls = chance.int(2, 5); calls > 0; calls -= 1) {
      plan.at(at + chance.int(0, 150), { kind: 'call', target: chance.pick(['start', 'stop']) });
    }
  }
}
