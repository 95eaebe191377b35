/** Faults of what Gmail tells: pushes, indexes behind their mailbox, a history that is gone, mail that people move. */
import type { Draft, PlannedMail } from './draft.ts';
import type { Act } from './events.ts';

/** Below the settle time of the functions by half a second, as Gmail's lag is below the 90 s of production. */
export const SETTLE_SECONDS = 2;
export const LONGEST_LAG_MS = 1_500;

export function pushes(draft: Draft): void {
  const { chance } = draft;
  draft.at(0, {
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
  if (chance.happens(0.3)) draft.at(draft.moment(), { kind: 'expire_watch' });
  for (let n = chance.int(1, 4); n > 0; n -= 1) {
    draft.at(draft.moment(), {
      kind: 'push',
      what: chance.pick(['current', 'old', 'garbage', 'stranger']),
      count: chance.int(1, 3),
    });
  }
}

export function lag(draft: Draft): void {
  const { chance } = draft;
  draft.at(0, {
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
  draft.at(draft.moment(0.2), { kind: 'push', what: 'current' });
}

export function expired(draft: Draft): void {
  const { chance } = draft;
  // What the history no longer tells has to be listed, and the listing is late too.
  if (chance.happens(0.5)) {
    const indexLag = { historyMs: chance.int(0, 900), listMs: chance.int(300, LONGEST_LAG_MS) };
    draft.at(0, { kind: 'switches', why: 'history and list run behind', value: { indexLag } });
  }
  if (chance.happens(0.5)) {
    // Just behind a mail: one that is known already is no loss.
    for (const mail of chance.some(draft.mails, chance.int(1, 2))) {
      draft.at(mail.atMs + chance.int(0, 400), { kind: 'expire_history', atRest: false });
    }
    return;
  }
  const downAt = draft.moment(0, 0.4);
  draft.at(downAt, { kind: 'all_down' });
  draft.at(draft.moment(0.6, 0.9), { kind: 'expire_history', atRest: true });
  draft.at(draft.durationMs, { kind: 'all_up' });
}

/** Mail is read, filed, thrown away and destroyed while it is being fetched. */
export function changes(draft: Draft): void {
  if (draft.isBirth) return;
  const { chance } = draft;
  const acts: readonly [Act, ...Act[]] = [
    'archive',
    'mark-read',
    'label',
    'trash',
    'report-spam',
    'delete',
    'delete',
  ];
  for (const mail of draft.mails.filter(isReceived)) {
    if (chance.happens(0.5)) draft.act(mail, chance.pick(acts), chance.pick([0, 0, 50, 300, 900]));
    if (chance.happens(0.1) && !mail.acts.includes('delete')) draft.act(mail, 'label', 1_000);
  }
}

/** What is no incoming mail, and spam that a person takes out again, which is. */
export function noise(draft: Draft): void {
  if (draft.isBirth) return;
  const { chance } = draft;
  for (let n = chance.int(2, 8); n > 0; n -= 1) {
    const arrival = chance.pick(['draft', 'sent', 'spam', 'spam']);
    const mail = draft.deliver('noise', draft.moment(0, 0.8), arrival);
    if (arrival === 'spam' && chance.happens(0.5)) draft.act(mail, 'rescue', chance.pick([0, 200, 900]));
    if (arrival === 'draft' && chance.happens(0.5)) draft.act(mail, 'delete', chance.pick([0, 200]));
  }
}

export function isReceived({ arrival }: PlannedMail): boolean {
  return arrival === 'inbox' || arrival === 'filed' || arrival === 'read';
}
