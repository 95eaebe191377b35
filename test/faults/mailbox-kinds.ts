/** Faults in what Gmail reports: pushes, lagging indexes, expired history, and changes that users make to their mail. */

import type { MessageChange } from './events.ts';
import type { PlanBuilder, PlannedMail } from './plan-builder.ts';

/** Settle time of the functions. It must exceed the longest lag, as the 90 s of production exceed Gmail's lag. */
export const SETTLE_SECONDS = 2;
export const LONGEST_LAG_MS = 1_500;

export function pushes(plan: PlanBuilder): void {
  const { random } = plan;
  plan.at(0, {
    kind: 'switches',
    why: 'pushes are lost, duplicated, late and out of order',
    value: {
      notifications: {
        dropProbability: random.pick([0, 0.3, 0.8]),
        duplicateProbability: random.pick([0, 0.3, 1]),
        delayMs: random.pick([0, 0, 200]),
        jitterMs: random.pick([0, 300, 800]),
        historyIdAs: random.pick(['number', 'string']),
      },
    },
  });
  if (random.chance(0.3)) plan.at(plan.moment(), { kind: 'expire_watch' });
  for (let n = random.int(1, 4); n > 0; n -= 1) {
    plan.at(plan.moment(), {
      kind: 'push',
      what: random.pick(['current', 'old', 'garbage', 'stranger']),
      count: random.int(1, 3),
    });
  }
}

export function lag(plan: PlanBuilder): void {
  const { random } = plan;
  plan.at(0, {
    kind: 'switches',
    why: 'indexes lag, and some records appear after newer ones',
    value: {
      indexLag: {
        historyMs: random.pick([0, 300, 800]),
        listMs: random.pick([0, 500, LONGEST_LAG_MS]),
        lateRecordProbability: random.pick([0, 0.2, 0.5]),
        lateRecordMs: random.int(300, LONGEST_LAG_MS),
      },
      emptyHistoryPages: random.pick([0, 0, 2]),
    },
  });
  plan.at(plan.moment(0.2), { kind: 'push', what: 'current' });
}

export function expired(plan: PlanBuilder): void {
  const { random } = plan;
  // After the history expired, the system must list messages, and the listing can lag too.
  if (random.chance(0.5)) {
    const indexLag = { historyMs: random.int(0, 900), listMs: random.int(300, LONGEST_LAG_MS) };
    plan.at(0, { kind: 'switches', why: 'history and listings lag', value: { indexLag } });
  }
  if (random.chance(0.5)) {
    // Shortly after a delivery, because only messages that the system does not know yet can be lost.
    for (const mail of random.sample(plan.mails, random.int(1, 2))) {
      plan.at(mail.atMs + random.int(0, 400), { kind: 'expire_history', atRest: false });
    }
    return;
  }
  const downAt = plan.moment(0, 0.4);
  plan.at(downAt, { kind: 'all_down' });
  plan.at(plan.moment(0.6, 0.9), { kind: 'expire_history', atRest: true });
  plan.at(plan.durationMs, { kind: 'all_up' });
}

/** Emails are read, archived, trashed and deleted while they are being fetched. */
export function changes(plan: PlanBuilder): void {
  if (plan.isFirstSync) return;
  const { random } = plan;
  const options: readonly [MessageChange, ...MessageChange[]] = [
    'archive',
    'mark-read',
    'label',
    'trash',
    'report-spam',
    'delete',
    'delete',
  ];
  for (const mail of plan.mails.filter(isReceived)) {
    if (random.chance(0.5)) plan.change(mail, random.pick(options), random.pick([0, 0, 50, 300, 900]));
    if (random.chance(0.1) && !mail.changes.includes('delete')) plan.change(mail, 'label', 1_000);
  }
}

/** Drafts, sent emails and spam, which are not incoming mail, and spam that a user moves to the inbox, which is. */
export function noise(plan: PlanBuilder): void {
  if (plan.isFirstSync) return;
  const { random } = plan;
  for (let n = random.int(2, 8); n > 0; n -= 1) {
    const arrival = random.pick(['draft', 'sent', 'spam', 'spam']);
    const mail = plan.deliver('noise', plan.moment(0, 0.8), arrival);
    if (arrival === 'spam' && random.chance(0.5)) plan.change(mail, 'rescue', random.pick([0, 200, 900]));
    if (arrival === 'draft' && random.chance(0.5)) plan.change(mail, 'delete', random.pick([0, 200]));
  }
}

export function isReceived({ arrival }: PlannedMail): boolean {
  return arrival === 'inbox' || arrival === 'filed' || arrival === 'read';
}

/** The account gets another address while emails arrive. Pushes contain the new address at once. */
export function rename(plan: PlanBuilder): void {
  const { random } = plan;
  for (let n = random.pick([1, 1, 2]); n > 0; n -= 1) {
    plan.at(plan.moment(0, 0.8), { kind: 'rename', address: `inbox-${random.hex(6)}@example.com` });
  }
  if (random.chance(0.3)) plan.at(plan.moment(0.5), { kind: 'call', target: 'start' });
}

/** More label changes between two polls than one run can list. */
export function longHistory(plan: PlanBuilder): void {
  const { random } = plan;
  const mail = plan.deliver('labels', 0, 'inbox');
  const count = random.pick([5_000, 15_000, 30_000]);
  plan.at(plan.moment(0.1, 0.5), { kind: 'label_changes', mail: mail.index, count });
}

/** Emails are trashed before the indexes show them, sometimes after the history expired, so that only a listing finds them. */
export function trashBehindLag(plan: PlanBuilder): void {
  if (plan.isFirstSync) return;
  const { random } = plan;
  for (let n = random.int(1, 3); n > 0; n -= 1) {
    const atMs = plan.moment(0, 0.8);
    const mail = plan.prepare('trashed', atMs, 'inbox');
    mail.changes.push('trash');
    plan.at(atMs, { kind: 'deliver_trashed', mail: mail.index, heldMs: random.int(200, LONGEST_LAG_MS) });
    if (random.chance(0.2)) plan.at(atMs + random.int(0, 400), { kind: 'expire_history', atRest: false });
  }
}
