/**
 * Decides which messages count as incoming email. The labels at arrival decide, not later changes: an order that a colleague
 * read, filed or deleted immediately is still an order.
 * Invariant: a message is ignored only if its labels prove that it must be. Otherwise it is fetched and classified then.
 */
import type { DiscoveredMessage } from '../db/ledger.ts';
import type { AppError } from '../errors.ts';
import type { HistoryRecord } from '../gmail/response-schemas.ts';

/** `before_start`: the message was in the mailbox before the first start, and the initial query did not match it. */
export type Rule = 'before_start' | 'draft' | 'chat' | 'spam' | 'trash' | 'sent' | 'label';

/** The label that GMAIL_LABEL_ID names, as Gmail knows it now. */
export type LabelState =
  /** Every received message counts. */
  | { readonly kind: 'none' }
  | { readonly kind: 'resolved'; readonly id: string }
  /**
   * Gmail has no such label. Messages that cannot be classified without it wait in the ledger, and a run ends with the error after
   * it has listed.
   */
  | { readonly kind: 'missing'; readonly error: AppError };

/** Labels that exclude a message, unless GMAIL_LABEL_ID names the label itself. */
const EXCLUDED: readonly (readonly [string, Rule])[] = [
  ['DRAFT', 'draft'],
  ['CHAT', 'chat'],
  ['SPAM', 'spam'],
  ['TRASH', 'trash'],
];

/** The rule that excludes a message, `wanted`, or `undecided` while the wanted label is missing. */
type Classification = Rule | 'wanted' | 'undecided';

/**
 * The wanted label overrides only SENT. An order form that sends as the mailbox itself produces messages that are only
 * sent, and a filter adds the label to them.
 */
function classify(labels: ReadonlySet<string>, label: LabelState): Classification {
  const wantedId = label.kind === 'resolved' ? label.id : null;
  for (const [id, rule] of EXCLUDED) if (labels.has(id) && id !== wantedId) return rule;
  if (label.kind === 'missing') return 'undecided';
  if (wantedId !== null) return labels.has(wantedId) ? 'wanted' : 'label';
  return labels.has('SENT') && !labels.has('INBOX') ? 'sent' : 'wanted';
}

/**
 * Applies the rules to a fetched message. Its labels are the current ones, not those of its arrival. So TRASH and SPAM do
 * not exclude it: a person may have deleted or reported it since.
 *
 * @param labels including the label of the listing that found the message
 * @param label not `missing`: no message is fetched then
 * @returns the rule that excludes the message; null to store it
 */
export function ruleForFetched(labels: ReadonlySet<string>, label: LabelState): Rule | null {
  const wantedId = label.kind === 'resolved' ? label.id : null;
  const rest = new Set([...labels].filter((id) => id === wantedId || (id !== 'SPAM' && id !== 'TRASH')));
  const result = classify(rest, label);
  return result === 'wanted' || result === 'undecided' ? null : result;
}

export interface DiscoveredOnPage {
  /**
   * Each id once. With `labelsUnknown`, a ledger row that exists is left unchanged. With `historyId` null, the date of the
   * fetched message decides whether it is older than the first start.
   */
  readonly discovered: DiscoveredMessage[];
  /** Ids to make pending if a rule ignored them, because their labels changed. Unknown labels while the label is missing. */
  readonly unignored: string[];
}

/** Classifies the messages on a page of history by the labels in all their records. */
export function discoveredMessages(records: readonly HistoryRecord[], label: LabelState): DiscoveredOnPage {
  const byId = new Map<string, RecordedLabels>();
  for (const record of records) collect(byId, record, label);
  const discovered: DiscoveredMessage[] = [];
  const unignored: string[] = [];
  for (const [gmailMessageId, recorded] of byId) {
    const message = recorded.arrivalHistoryId === null ? relabelled(recorded) : arrived(recorded);
    if (message !== null) discovered.push({ gmailMessageId, ...message });
    if (!recorded.isAdded && (recorded.has('wanted') || recorded.has('undecided')))
      unignored.push(gmailMessageId);
  }
  return { discovered, unignored };
}

type Discovered = Omit<DiscoveredMessage, 'gmailMessageId'>;

function arrived({ arrivalHistoryId, classifications, latest, has }: RecordedLabels): Discovered {
  const isUndecided = !has('wanted') && (classifications.size === 0 || has('undecided'));
  const ignoredRule = isUndecided || has('wanted') ? null : latest;
  return { ignoredRule, historyId: arrivalHistoryId, labelsUnknown: isUndecided };
}

/**
 * Classifies a message whose labels changed and whose arrival is not on this page. Most such messages are in the ledger or
 * older than the first start. For any other, the history did not show the arrival, so this change announces the message. The
 * labels before and after the change decide, in the order of the statements below:
 *
 * - Wanted or undecided: pending. A message in the inbox or archived was received.
 * - A draft, a chat or a message that is only sent: dropped. It was not received, whatever its labels.
 * - Without the wanted label: ignored by the rule `label`, which a later record or a reconciliation can revise. Fetching it
 *   would find the same for 20 units.
 * - In the trash before and after: pending, because a person may have put it there. The rules for fetched messages apply.
 * - In spam before and after: dropped. Taking it out of spam makes another record.
 *
 * A pending message is fetched, and its date decides whether it is older than the first start.
 *
 * @returns null for a dropped message
 */
function relabelled({ has }: RecordedLabels): Discovered | null {
  const pending = { ignoredRule: null, historyId: null, labelsUnknown: true };
  if (has('wanted') || has('undecided')) return pending;
  if (has('draft') || has('chat') || has('sent')) return null;
  if (has('label')) return { ...pending, ignoredRule: 'label', labelsUnknown: false };
  return has('trash') ? pending : null;
}

/** What the records of a page show about one message. */
class RecordedLabels {
  /** The record of its arrival, or of a change that counts as one; null for neither. */
  arrivalHistoryId: string | null = null;
  /** A record lists it in `messagesAdded`. */
  isAdded = false;
  readonly classifications = new Set<Classification>();
  /** By the labels of the latest record. */
  latest: Classification | null = null;

  readonly has = (classification: Classification): boolean => this.classifications.has(classification);

  classify(labels: ReadonlySet<string>, label: LabelState): void {
    this.latest = classify(labels, label);
    this.classifications.add(this.latest);
  }
}

function collect(byId: Map<string, RecordedLabels>, record: HistoryRecord, label: LabelState): void {
  const recordedOf = (id: string): RecordedLabels => {
    const recorded = byId.get(id) ?? new RecordedLabels();
    byId.set(id, recorded);
    return recorded;
  };
  const isWanted = (labelIds: readonly string[]) => label.kind === 'resolved' && labelIds.includes(label.id);
  const added = changedLabels(record.labelsAdded);
  const removed = changedLabels(record.labelsRemoved);
  const before = (id: string, now: ReadonlySet<string>) =>
    new Set([...now, ...(removed.get(id) ?? [])].filter((labelId) => !added.get(id)?.has(labelId)));
  for (const { message } of record.messagesAdded) {
    const recorded = recordedOf(message.id);
    recorded.isAdded = true;
    recorded.arrivalHistoryId ??= record.id;
    if (message.labelIds !== undefined) recorded.classify(new Set(message.labelIds), label);
  }
  for (const { message, labelIds } of record.labelsAdded) {
    const recorded = recordedOf(message.id);
    const now = new Set([...(message.labelIds ?? []), ...labelIds]);
    if (isWanted(labelIds)) recorded.arrivalHistoryId ??= record.id;
    recorded.classify(before(message.id, now), label);
    recorded.classify(now, label);
  }
  for (const { message, labelIds } of record.labelsRemoved) {
    const recorded = recordedOf(message.id);
    const now = new Set((message.labelIds ?? []).filter((id) => !labelIds.includes(id)));
    // A message that a person takes out of spam counts as arriving now.
    if (isWanted(labelIds) || labelIds.includes('SPAM')) recorded.arrivalHistoryId ??= record.id;
    recorded.classify(before(message.id, now), label);
    recorded.classify(now, label);
  }
}

/** The changed labels by message id. One record both adds and removes labels when it moves a message from spam to the trash. */
function changedLabels(changes: HistoryRecord['labelsAdded']): Map<string, Set<string>> {
  const byId = new Map<string, Set<string>>();
  for (const { message, labelIds } of changes)
    byId.set(message.id, new Set([...(byId.get(message.id) ?? []), ...labelIds]));
  return byId;
}
