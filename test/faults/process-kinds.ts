/** Faults of the functions' processes and the database, and concurrent calls of the control functions. */
import type { PlanBuilder } from './plan-builder.ts';

const WORKERS = ['poll', 'pollNow', 'gmailPush'] as const;

export function kills(plan: PlanBuilder): void {
  const { random } = plan;
  for (let n = random.int(1, 3); n > 0; n -= 1) {
    plan.at(plan.moment(), {
      kind: 'kill',
      victim: random.chance(0.8) ? 'holder' : random.pick([...WORKERS]),
      signal: 'SIGKILL',
      agesAfterMs: random.int(0, 400),
    });
  }
}

export function freeze(plan: PlanBuilder): void {
  const { random } = plan;
  for (let n = random.int(1, 2); n > 0; n -= 1) {
    plan.at(plan.moment(0, 0.8), { kind: 'freeze', victim: 'holder', forMs: random.int(300, 1_500) });
    plan.at(plan.moment(0.3), { kind: 'call', target: 'pollNow', count: 2 });
  }
}

export function scale(plan: PlanBuilder): void {
  const { random } = plan;
  for (let n = random.int(1, 3); n > 0; n -= 1) {
    plan.at(plan.moment(), {
      kind: 'kill',
      victim: random.pick([...WORKERS, 'holder']),
      signal: 'SIGTERM',
      agesAfterMs: random.int(0, 400),
    });
    plan.at(plan.moment(), { kind: 'scale_out', target: random.pick([...WORKERS]) });
  }
}

export function postgres(plan: PlanBuilder): void {
  const { random } = plan;
  plan.at(plan.moment(0, 0.8), {
    kind: 'postgres',
    how: random.pick(['fast', 'immediate', 'crash']),
    forMs: random.int(50, 900),
  });
}

export function cuts(plan: PlanBuilder): void {
  for (let n = plan.random.int(1, 3); n > 0; n -= 1) plan.at(plan.moment(), { kind: 'cut' });
}

/** Three pushes, two polls and a poll-now at the same time. */
export function together(plan: PlanBuilder): void {
  for (let n = plan.random.int(1, 3); n > 0; n -= 1) {
    const at = plan.moment();
    plan.at(at, { kind: 'push', what: 'current', count: 3 });
    plan.at(at, { kind: 'call', target: 'poll', count: 2 });
    plan.at(at, { kind: 'call', target: 'pollNow' });
  }
}

export function stopStart(plan: PlanBuilder): void {
  for (let n = plan.random.int(1, 2); n > 0; n -= 1) {
    const at = plan.moment(0, 0.7);
    plan.at(at, { kind: 'call', target: 'stop' });
    if (plan.random.chance(0.7)) plan.at(at + plan.random.int(0, 800), { kind: 'call', target: 'start' });
  }
}

export function clock(plan: PlanBuilder): void {
  for (let n = plan.random.int(1, 3); n > 0; n -= 1) {
    plan.at(plan.moment(), { kind: 'clock', target: plan.random.pick([...WORKERS, 'status']) });
  }
}

/** Several concurrent calls of start and stop, while Cloud Scheduler is slow. */
export function controlRaces(plan: PlanBuilder): void {
  const { random } = plan;
  plan.at(0, { kind: 'slow_scheduler', maxDelayMs: random.pick([20, 100, 300]) });
  for (let n = random.int(1, 3); n > 0; n -= 1) {
    const at = plan.moment(0, 0.9);
    for (let calls = random.int(2, 5); calls > 0; calls -= 1) {
      plan.at(at + random.int(0, 150), { kind: 'call', target: random.pick(['start', 'stop']) });
    }
  }
}

/** The disk is full, for writes of emails or for all writes. No failure may count against a message. */
export function diskFull(plan: PlanBuilder): void {
  const { random } = plan;
  const scope = random.pick(['stores', 'stores', 'all']);
  const atMs = plan.moment(0, 0.7);
  plan.at(atMs, { kind: 'disk_full', scope, forMs: random.int(200, 1_500) });
  for (const mail of random.sample(plan.mails, 5)) {
    plan.nearlyDead(mail, Math.max(atMs, mail.atMs) + 60);
  }
}
