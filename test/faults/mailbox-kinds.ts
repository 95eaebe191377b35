/** Faults of what Gmail tells: pushes, indexes behind their mailbox, a history that is gone, mail that people move. */

import type { Act } from './events.ts';
import type { PlanBuilder, PlannedMail } from './plan-builder.ts';

/** Below the settle time of the functions by half a second, as Gmail's lag is below the 90 s of production. */
export const SETTLE_SECONDS = 2;
export const LONGEST_LAG_MS = 1_500;

export function pushes(plan: PlanBuilder): void {
  const { chance } = plan;
  plan.at(0, {
    kind: 'switches',
    why: 'pushes get lost, come twice, late and out of order',
    value: {
      notifications: {
        dropProbability: chance.pick([0, 0.3, 0.8]),
        duplicateProbability: chance.pick([0, 0.3, 1]),
        delayMs: chance.pick([0, 0, 200]),
        jitterMs: chance.pick([0, 300, 800]),
        historyIdAs: chance.pick(['number', 'string']),
      },
    },
  });
  if (chance.happens(0.3)) plan.at(plan.moment(), { kind: 'expire_watch' });
  for (let n = chance.int(1, 4); n > 0; n -= 1) {
    plan.at(plan.moment(), {
      kind: 'push',
      what: chance.pick(['current', 'old', 'garbage', 'stranger']),
      count: chance.int(1, 3),
    });
  }
}

export function lag(plan: PlanBuilder): void {
  const { chance } = plan;
  plan.at(0, {
    kind: 'switches',
    why: 'the indexes run behind, and single records behind newer ones',
    value: {
      indexLag: {
        historyMs: chance.pick([0, 300, 800]),
        listMs: chance.pick([0, 500, LONGEST_LAG_MS]),
        lateRecordProbability: chance.pick([0, 0.2, 0.5]),
        lateRecordMs: chance.int(300, LONGEST_LAG_MS),
      },
      emptyHistoryPages: chance.pick([0, 0, 2]),
    },
  });
  plan.at(plan.moment(0.2), { kind: 'push', what: 'current' });
}

export function expired(plan: PlanBuilder): void {
  const { chance } = plan;
  // What the history no longer tells has to be listed, and the listing is late too.
  if (chance.happens(0.5)) {
    const indexLag = { historyMs: chance.int(0, 900), listMs: chance.int(300, LONGEST_LAG_MS) };
    plan.at(0, { kind: 'switches', why: 'history and list run behind', value: { indexLag } });
  }
  if (chance.happens(0.5)) {
    // Just behind a mail: one that is known already is no loss.
    for (const mail of chance.some(plan.mails, chance.int(1, 2))) {
      plan.at(mail.atMs + chance.int(0, 400), { kind: 'expire_history', atRest: false });
    }
    return;
  }
  const downAt = plan.moment(0, 0.4);
  plan.at(downAt, { kind: 'all_down' });
  plan.at(plan.moment(0.6, 0.9), { kind: 'expire_history', atRest: true });
  plan.at(plan.durationMs, { kind: 'all_up' });
}

/** Mail is read, filed, thrown away and destroyed while it is being fetched. */
export function changes(plan: PlanBuilder): void {
  if (plan.isBirth) return;
  const { chance } = plan;
  const acts: readonly [Act, ...Act[]] = [
    'archive',
    'mark-read',
    'label',
    'trash',
    'report-spam',
    'delete',
    'delete',
  ];
  for (const mail of plan.mails.filter(isReceived)) {
    if (chance.happens(0.5)) plan.act(mail, chance.pick(acts), chance.pick([0, 0, 50, 300, 900]));
    if (chance.happens(0.1) && !mail.acts.includes('delete')) plan.act(mail, 'label', 1_000);
  }
}

/** What is no incoming mail, and spam that a person takes out again, which is. */
export function noise(plan: PlanBuilder): void {
  if (plan.isBirth) return;
  const { chance } = plan;
  for (let n = chance.int(2, 8); n > 0; n -= 1) {
    const arrival = chance.pick(['draft', 'sent', 'spam', 'spam']);
    const mail = plan.deliver('noise', plan.moment(0, 0.8), arrival);
    if (arrival === 'spam' && chance.happens(0.5)) plan.act(mail, 'rescue', chance.pick([0, 200, 900]));
    if (arrival === 'draft' && chance.happens(0.5)) plan.act(mail, 'delete', chance.pick([0, 200]));
  }
}

export function isReceived({ arrival }: PlannedMail): boolean {
  return arrival === 'inbox' || arrival === 'filed' || arrival === 'read';
}

/** The account gets another address while mail arrives. Its pushes name the new one at once. */
export function rename(plan: PlanBuilder): void {
  const { chance } = plan;
  for (let n = chance.pick([1, 1, 2]); n > 0; n -= 1) {
    plan.at(plan.moment(0, 0.8), { kind: 'rename', address: `inbox-${chance.hex(6)}@example.com` });
  }
  if (chance.happens(0.3)) plan.at(plan.moment(0.5), { kind: 'call', target: 'start' });
}

/** More label changes between two polls than one run can list. */
export function longHistory(plan: PlanBuilder): void {
  const { chance } = plan;
  const mail = plan.deliver('labels', 0, 'inbox');
  const count = chance.pick([5_000, 15_000, 30_000]);
  plan.at(plan.moment(0.1, 0.5), { kind: 'label_changes', mail: mail.index, count });
}

/** Trashed before the indexes show that it arrived, also when only a listing can tell of it. */
export function trashBehindLag(plan: PlanBuilder): void {
  if (plan.isBirth) return;
  const { chance } = plan;
  for (let n = chance.int(1, 3); n > 0; n -= 1) {
    const atMs = plan.moment(0, 0.8);
    const mail = plan.prepare('trashed', atMs, 'inbox');
    mail.acts.push('trash');
    plan.at(atMs, { kind: 'deliver_trashed', mail: mail.index, heldMs: chance.int(200, LONGEST_LAG_MS) });
    if (chance.happens(0.2)) plan.at(atMs + chance.int(0, 400), { kind: 'expire_history', atRest: false });
  }
}
