/** Faults of the database that leave it running. */
import type { PlanBuilder } from './plan-builder.ts';

/** The disk is full, for stores or for everything that writes. No message may be charged for it. */
export function diskFull(plan: PlanBuilder): void {
  const { chance } = plan;
  const scope = chance.pick(['stores', 'stores', 'all']);
  const atMs = plan.moment(0, 0.7);
  plan.at(atMs, { kind: 'disk_full', scope, forMs: chance.int(200, 1_500) });
  for (const mail of chance.some(plan.mails, 5)) {
    plan.nearlyDead(mail, Math.max(atMs, mail.atMs) + 60);
  }
}
