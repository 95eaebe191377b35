/**
 * What counts as an incoming email. The labels with which a message reached the mailbox decide, not what became of it
 * since: an order that a colleague read, filed or deleted at once is still an order.
 * Invariant: a message is left out only by labels that prove it. What they do not prove is fetched and judged then.
 */
import type { DiscoveredMessage } from '../db/ledger.ts';
import type { HistoryRecord } from '../gmail/response-schemas.ts';

/** `before_start`: it was in the mailbox before the first start, and the first listing did not ask for it. */
export type Rule = 'before_start' | 'draft' | 'chat' | 'spam' | 'trash' | 'sent' | 'label';

/** The label of GMAIL_LABEL_ID as Gmail knows it now. */
export type LabelState =
  /** Every received message counts. */
  | { readonly kind: 'none' }
  | { readonly kind: 'resolved'; readonly id: string }
  /** Gmail has no such label. What can be decided without it is decided, and the rest waits in the ledger. */
  | { readonly kind: 'missing' };

/** These stay out, unless the label itself is wanted. */
const EXCLUDED: readonly (readonly [string, Rule])[] = [
  ['DRAFT', 'draft'],
  ['CHAT', 'chat'],
  ['SPAM', 'spam'],
  ['TRASH', 'trash'],
];

/** What labels say: a rule that leaves the message out, `wanted`, or `undecided` while the wanted label is missing. */
type Judgement = Rule | 'wanted' | 'undecided';

/**
 * The wanted label outranks SENT and nothing else: an order form that sends as the mailbox itself makes mail that is only
 * sent, and a filter files it under the label.
 */
function judge(labels: ReadonlySet<string>, label: LabelState): Judgement {
  const wantedId = label.kind === 'resolved' ? label.id : null;
  for (const [id, rule] of EXCLUDED) if (labels.has(id) && id !== wantedId) return rule;
  if (label.kind === 'missing') return 'undecided';
  if (wantedId !== null) return labels.has(wantedId) ? 'wanted' : 'label';
  return labels.has('SENT') && !labels.has('INBOX') ? 'sent' : 'wanted';
}

/**
 * The rules for a fetched message, whose labels are those of now, not those of its arrival: what a person may have done
 * since (deleted it, reported it) does not count against it.
 *
 * @param labels with the label of the listing that found the message
 * @param label a message is not to be fetched while it is missing
 * @returns the rule that leaves the message out; null to take it
 */
export function ruleAgainstFetched(labels: ReadonlySet<string>, label: LabelState): Rule | null {
  const wantedId = label.kind === 'resolved' ? label.id : null;
  const rest = new Set([...labels].filter((id) => id === wantedId || (id !== 'SPAM' && id !== 'TRASH')));
  const judgement = judge(rest, label);
  return judgement === 'wanted' || judgement === 'undecided' ? null : judgement;
}

export interface DiscoveredOnPage {
  /**
   * Each id once. With `labelsUnknown`, an id that the ledger knows is left as it is; with `historyId` null, the date of
   * the fetched message decides whether it is older than the first start.
   */
  readonly discovered: DiscoveredMessage[];
  /** Ids that a change of labels lets in, if a rule had left them out. While the label is missing, as labels unknown. */
  readonly unignored: string[];
}

/** What a page of history says of each message, the labels of all its records taken together. */
export function discoveredMessages(records: readonly HistoryRecord[], label: LabelState): DiscoveredOnPage {
  const byId = new Map<string, Evidence>();
  for (const record of records) collect(byId, record, label);
  const discovered: DiscoveredMessage[] = [];
  const unignored: string[] = [];
  for (const [gmailMessageId, evidence] of byId) {
    const message = evidence.arrivedAt === null ? relabelled(evidence) : arrived(evidence);
    if (message !== null) discovered.push({ gmailMessageId, ...message });
    if (!evidence.isAdded && (evidence.has('wanted') || evidence.has('undecided')))
      unignored.push(gmailMessageId);
  }
  return { discovered, unignored };
}

type Discovered = Omit<DiscoveredMessage, 'gmailMessageId'>;

function arrived({ arrivedAt, judgements, latest, has }: Evidence): Discovered {
  const isUndecided = !has('wanted') && (judgements.size === 0 || has('undecided'));
  const ignoredRule = isUndecided || has('wanted') ? null : latest;
  return { ignoredRule, historyId: arrivedAt, labelsUnknown: isUndecided };
}

/**
 * A message whose labels changed and whose arrival is not on this page. Most are in the ledger, or older than the first
 * start. One that is in neither has an arrival that the history did not show, so the change is what announces it. By the
 * labels before and after the change:
 *
 * - Labels that count make it pending, in the order of the statements below: what was in the inbox or archived was received.
 * - A draft, a chat and mail that is only sent are no received mail, whatever labels come and go. They are dropped.
 * - Under a wanted label, a message without it is entered as ignored for its label, which a later record or a
 *   reconciliation revises. Fetching it would find the same, for 20 units.
 * - In the trash before and after: a person may have put it there. It is pending, and the rules for fetched messages apply.
 * - In spam before and after: dropped. The person who takes it out makes another record.
 *
 * What is pending is fetched, and its date decides whether it is older than the first start.
 *
 * @returns null for what is dropped
 */
function relabelled({ has }: Evidence): Discovered | null {
  const pending = { ignoredRule: null, historyId: null, labelsUnknown: true };
  if (has('wanted') || has('undecided')) return pending;
  if (has('draft') || has('chat') || has('sent')) return null;
  if (has('label')) return { ...pending, ignoredRule: 'label', labelsUnknown: false };
  return has('trash') ? pending : null;
}

/** What the records of a page say about one message. */
class Evidence {
  /** The record of its arrival, or of what counts as one. */
  arrivedAt: string | null = null;
  /** Gmail called it new. */
  isAdded = false;
  readonly judgements = new Set<Judgement>();
  /** By the labels of the latest record. */
  latest: Judgement | null = null;

  readonly has = (judgement: Judgement): boolean => this.judgements.has(judgement);

  arrive(historyId: string): void {
    this.arrivedAt ??= historyId;
  }

  judge(labels: ReadonlySet<string>, label: LabelState): void {
    this.latest = judge(labels, label);
    this.judgements.add(this.latest);
  }
}

function collect(byId: Map<string, Evidence>, record: HistoryRecord, label: LabelState): void {
  const evidenceOf = (id: string): Evidence => {
    const evidence = byId.get(id) ?? new Evidence();
    byId.set(id, evidence);
    return evidence;
  };
  const isWanted = (labelIds: readonly string[]) => label.kind === 'resolved' && labelIds.includes(label.id);
  const changes = changesOf(record);
  for (const { message } of record.messagesAdded) {
    const evidence = evidenceOf(message.id);
    evidence.isAdded = true;
    evidence.arrive(record.id);
    if (message.labelIds !== undefined) evidence.judge(new Set(message.labelIds), label);
  }
  for (const { message, labelIds } of record.labelsAdded) {
    const evidence = evidenceOf(message.id);
    const now = new Set([...(message.labelIds ?? []), ...labelIds]);
    if (isWanted(labelIds)) evidence.arrive(record.id);
    evidence.judge(labelsBefore(now, changes.get(message.id)), label);
    evidence.judge(now, label);
  }
  for (const { message, labelIds } of record.labelsRemoved) {
    const evidence = evidenceOf(message.id);
    const now = new Set((message.labelIds ?? []).filter((id) => !labelIds.includes(id)));
    // Taken out of spam by a person, it arrives now as far as the mailbox is concerned.
    if (isWanted(labelIds) || labelIds.includes('SPAM')) evidence.arrive(record.id);
    evidence.judge(labelsBefore(now, changes.get(message.id)), label);
    evidence.judge(now, label);
  }
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
