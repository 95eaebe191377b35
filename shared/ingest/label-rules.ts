/**
 * What counts as an incoming email. Decided by the labels with which a message reached the mailbox, not by what
 * became of it since: an order that a colleague read, filed or deleted at once is still an order.
 */
import type { Sighting } from '../db/ledger.ts';
import type { HistoryRecord } from '../gmail/answers.ts';

/** `before_start`: it was in the mailbox before the first start, and the first listing did not ask for it. */
export type Rule = 'before_start' | 'draft' | 'chat' | 'spam' | 'trash' | 'sent' | 'label';

const NEVER: readonly (readonly [string, Rule])[] = [
  ['DRAFT', 'draft'],
  ['CHAT', 'chat'],
  ['SPAM', 'spam'],
  ['TRASH', 'trash'],
];

/**
 * @param labels Gmail label ids of the message
 * @param labelId the only label that is wanted, null for all
 * @returns the rule that leaves the message out, null to take it
 */
export function ruleAgainst(labels: ReadonlySet<string>, labelId: string | null): Rule | null {
  for (const [label, rule] of NEVER) if (labels.has(label) && label !== labelId) return rule;
  if (labels.has('SENT') && !labels.has('INBOX') && labelId !== 'SENT') return 'sent';
  return labelId !== null && !labels.has(labelId) ? 'label' : null;
}

/**
 * The rules for a message whose labels are those of now, not those of its arrival: what a person may have done
 * since (deleted it, reported it) does not count against it.
 *
 * @param labelId null also when a listing found it by its label: taken off since, it still was there
 */
export function ruleAgainstFetched(labels: ReadonlySet<string>, labelId: string | null): Rule | null {
  const rule = ruleAgainst(labels, labelId);
  return rule === 'spam' || rule === 'trash' ? null : rule;
}

export interface PageSightings {
  /** New arrivals and rescues, each id once. */
  readonly sightings: Sighting[];
  /** Ids that a change of labels lets in, if a rule had left them out. */
  readonly readmitted: string[];
}

interface Seen {
  historyId: string;
  isArrival: boolean;
  isTaken: boolean;
  /** By the labels of the latest record. */
  rule: Rule | null;
  checkLabels: boolean;
}

/** What a page of history says of each message, the labels of all its records taken together. */
export function sightingsOf(records: readonly HistoryRecord[], labelId: string | null): PageSightings {
  const byId = new Map<string, Seen>();
  const note = (id: string, historyId: string, isArrival: boolean, labels: ReadonlySet<string> | null) => {
    const rule = labels === null ? null : ruleAgainst(labels, labelId);
    const seen = byId.get(id) ?? {
      historyId,
      isArrival: false,
      isTaken: false,
      rule,
      checkLabels: labels === null,
    };
    seen.isArrival ||= isArrival;
    seen.isTaken ||= labels !== null && rule === null;
    if (labels !== null) seen.rule = rule;
    if (labels !== null) seen.checkLabels = false;
    byId.set(id, seen);
  };
  for (const record of records) {
    const changes = changesOf(record);
    for (const { message } of record.messagesAdded) {
      note(message.id, record.id, true, message.labelIds ? new Set(message.labelIds) : null);
    }
    for (const { message, labelIds } of record.labelsAdded) {
      const now = new Set([...(message.labelIds ?? []), ...labelIds]);
      const before = labelsBefore(now, changes.get(message.id));
      note(message.id, record.id, false, before);
      note(message.id, record.id, labelId !== null && labelIds.includes(labelId), now);
    }
    for (const { message, labelIds } of record.labelsRemoved) {
      const now = new Set((message.labelIds ?? []).filter((label) => !labelIds.includes(label)));
      const before = labelsBefore(now, changes.get(message.id));
      note(message.id, record.id, labelId !== null && labelIds.includes(labelId), before);
      // Taken out of spam by a person: to the mailbox it arrives now.
      note(message.id, record.id, labelIds.includes('SPAM'), now);
    }
  }
  const sightings: Sighting[] = [];
  const readmitted: string[] = [];
  for (const [gmailMessageId, seen] of byId) {
    if (seen.isArrival) {
      sightings.push({
        gmailMessageId,
        historyId: seen.historyId,
        ignoredRule: seen.isTaken || seen.checkLabels ? null : seen.rule,
        checkLabels: seen.checkLabels,
      });
    } else if (seen.isTaken) readmitted.push(gmailMessageId);
  }
  return { sightings, readmitted };
}

interface Change {
  readonly added: Set<string>;
  readonly removed: Set<string>;
}

/** What one record did to the labels of each message: a move out of spam into the trash is both. */
function changesOf(record: HistoryRecord): Map<string, Change> {
  const byId = new Map<string, Change>();
  const changeOf = (id: string): Change => {
    const change = byId.get(id) ?? { added: new Set<string>(), removed: new Set<string>() };
    byId.set(id, change);
    return change;
  };
  for (const { message, labelIds } of record.labelsAdded) {
    for (const label of labelIds) changeOf(message.id).added.add(label);
  }
  for (const { message, labelIds } of record.labelsRemoved) {
    for (const label of labelIds) changeOf(message.id).removed.add(label);
  }
  return byId;
}

function labelsBefore(now: ReadonlySet<string>, change: Change | undefined): ReadonlySet<string> {
  if (change === undefined) return now;
  return new Set([...now, ...change.removed].filter((label) => !change.added.has(label)));
}
