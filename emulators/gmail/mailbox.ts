// The mailbox: messages, labels, history and watch, without HTTP. Every change is an event that is written
// to the journal first and then applied; a replay applies the same events, so ids and history survive.

import { HistoryLog } from './history-log.ts';
import { holdNextRecord, type IndexLag } from './index-lag.ts';
import type { Journal } from './journal.ts';
import { Labels } from './labels.ts';
import type { MailboxEvent, Watch } from './mailbox-event.ts';
import { type Random, randomHex } from './random.ts';
import type { StoredMessage } from './stored-message.ts';
import { Threads } from './threads.ts';
import { Timeline } from './timeline.ts';
import type { Clock } from './timers.ts';

export interface DeliveryOptions {
  /** `['INBOX', 'UNREAD']` unless given. */
  labelIds?: string[];
  /** Labels that a filter adds in the same history record. */
  filterLabelIds?: string[];
  /** Now, unless given. */
  internalDate?: Date;
  /** That of the mail it answers, else its own id. */
  threadId?: string;
  /** 16 hexadecimal digits; new and unique unless given. */
  id?: string;
}

/** What a change of a message gives back. */
export interface Change {
  id: string;
  historyId: string;
}

interface MailboxOptions {
  clock: Clock;
  random: Random;
  indexLag: IndexLag;
  journal: Journal | null;
  /** historyId of the empty mailbox. */
  historyStart: bigint;
}

/** Widest gap between two history ids; Gmail's are "not contiguous, with random gaps". */
const widestHistoryGap = 40;

export class Mailbox {
  readonly messages = new Map<string, StoredMessage>();
  readonly timeline = new Timeline();
  readonly labels = new Labels();
  history: HistoryLog;
  watch: Watch | null = null;

  readonly #options: MailboxOptions;
  readonly #threads = new Threads();
  readonly #deletedIds = new Set<string>();
  #arrivedCount = 0;
  readonly #listeners: ((message: StoredMessage) => void)[] = [];

  constructor(options: MailboxOptions) {
    this.#options = options;
    this.history = new HistoryLog(options.historyStart);
    let isNew = true;
    for (const event of options.journal?.read() ?? []) {
      this.#apply(event, 0);
      isNew = false;
    }
    if (isNew) this.#happen({ kind: 'opened', historyId: options.historyStart });
  }

  /** Calls `listener` after each change of a message, with the message as it is then. */
  onChange(listener: (message: StoredMessage) => void): void {
    this.#listeners.push(listener);
  }

  /** Whether the id is or was in this mailbox. */
  hasSeen(id: string): boolean {
    return this.messages.has(id) || this.#deletedIds.has(id);
  }

  deliver(raw: Uint8Array, options: DeliveryOptions = {}): Change & { threadId: string } {
    const id = options.id ?? this.#newId();
    if (!/^[0-9a-f]{1,16}$/.test(id)) throw new Error(`A Gmail id has up to 16 hexadecimal digits: ${id}`);
    if (this.hasSeen(id)) throw new Error(`The mailbox has already had a message ${id}`);
    const bytes = Buffer.from(raw);
    const threadId = options.threadId ?? this.#threads.find(bytes) ?? id;
    const filterLabelIds = options.filterLabelIds ?? [];
    const labelIds = [...(options.labelIds ?? ['INBOX', 'UNREAD']), ...filterLabelIds];
    this.#checkLabels(labelIds);
    const internalDateMs = options.internalDate?.getTime() ?? this.#options.clock();
    const event = { labelIds, filterLabelIds, internalDateMs, threadId, raw: bytes, ...this.#change(id) };
    this.#happen({ kind: 'delivered', ...event });
    return { id, threadId, historyId: event.historyId.toString() };
  }

  /**
   * Adds and removes labels. A change that changes nothing leaves no trace in the history.
   * @throws {Error} unknown message or label
   */
  modifyLabels(id: string, labels: { add?: string[]; remove?: string[] }): Change {
    const message = this.#known(id);
    this.#checkLabels([...(labels.add ?? []), ...(labels.remove ?? [])]);
    const added = (labels.add ?? []).filter((label) => !message.labelIds.has(label));
    const removed = (labels.remove ?? []).filter((label) => message.labelIds.has(label));
    if (added.length === 0 && removed.length === 0) return { id, historyId: message.historyId.toString() };
    const change = this.#change(id);
    this.#happen({ kind: 'labels_changed', added, removed, ...change });
    return { id, historyId: change.historyId.toString() };
  }

  /** Deletes for good: the message answers 404 from now on. */
  delete(id: string): Change {
    this.#known(id);
    const change = this.#change(id);
    this.#happen({ kind: 'deleted', ...change });
    return { id, historyId: change.historyId.toString() };
  }

  /** The user's label of that name, made when it is missing; gives its id. */
  createLabel(name: string): string {
    const existing = this.labels.find(name);
    if (existing !== undefined) return existing.id;
    const id = this.labels.nextId();
    this.#happen({ kind: 'label_created', id, name });
    return id;
  }

  /**
   * Deletes a user's label and takes it off its messages, which leaves no trace in the history. A label that is made again
   * under the same name has another id.
   * @throws {Error} no such label of the user
   */
  deleteLabel(id: string): void {
    if (this.labels.get(id)?.type !== 'user') throw new Error(`The user has no label ${id}`);
    this.#happen({ kind: 'label_deleted', id });
  }

  /** Makes every cursor below `floor` answer 404; below the current id unless given, and at most. */
  expireHistory(floor: bigint = this.history.current): void {
    const { current } = this.history;
    this.#happen({ kind: 'history_expired', floor: floor < current ? floor : current });
  }

  setWatch(watch: Watch | null): void {
    this.#happen(watch === null ? { kind: 'unwatched' } : { kind: 'watched', watch });
  }

  #change(id: string): { id: string; atMs: number; historyId: bigint } {
    const gap = BigInt(1 + Math.floor(this.#options.random() * widestHistoryGap));
    return { id, atMs: this.#options.clock(), historyId: this.history.current + gap };
  }

  /** Time in front, as in Gmail's own ids, and random digits behind: unique across restarts too. */
  #newId(): string {
    const time = this.#options.clock().toString(16).padStart(11, '0').slice(-11);
    let id = time + randomHex(this.#options.random, 5);
    while (this.hasSeen(id)) id = time + randomHex(this.#options.random, 5);
    return id;
  }

  #known(id: string): StoredMessage {
    const message = this.messages.get(id);
    if (message === undefined) throw new Error(`The mailbox has no message ${id}`);
    return message;
  }

  #checkLabels(labelIds: string[]): void {
    const unknown = labelIds.find((id) => this.labels.get(id) === undefined);
    if (unknown !== undefined) throw new Error(`Invalid label: ${unknown}`);
  }

  #happen(event: MailboxEvent): void {
    this.#options.journal?.append(event);
    const heldUntilMs =
      'atMs' in event ? holdNextRecord(this.#options.indexLag, event.atMs, this.#options.random) : 0;
    const message = this.#apply(event, heldUntilMs);
    if (message !== null) for (const listener of this.#listeners) listener(message);
  }

  /** Gives the message that changed, or null. */
  #apply(event: MailboxEvent, heldUntilMs: number): StoredMessage | null {
    switch (event.kind) {
      case 'opened':
        this.history = new HistoryLog(event.historyId);
        return null;
      case 'label_created':
        this.labels.add(event.id, event.name);
        return null;
      case 'label_deleted':
        this.labels.remove(event.id);
        for (const message of this.messages.values()) message.labelIds.delete(event.id);
        return null;
      case 'history_expired':
        this.history.expire(event.floor);
        return null;
      case 'watched':
        this.watch = event.watch;
        return null;
      case 'unwatched':
        this.watch = null;
        return null;
      default:
        return this.#applyChange(event, heldUntilMs);
    }
  }

  #applyChange(event: Extract<MailboxEvent, { atMs: number }>, heldUntilMs: number): StoredMessage {
    const message = event.kind === 'delivered' ? this.#store(event) : this.#known(event.id);
    let labelsAdded: string[] = [];
    let labelsRemoved: string[] = [];
    if (event.kind === 'delivered') labelsAdded = event.filterLabelIds;
    if (event.kind === 'labels_changed') {
      labelsAdded = event.added;
      labelsRemoved = event.removed;
      for (const label of labelsAdded) message.labelIds.add(label);
      for (const label of labelsRemoved) message.labelIds.delete(label);
    }
    if (event.kind === 'deleted') {
      this.messages.delete(message.id);
      this.timeline.remove(message);
      this.#deletedIds.add(message.id);
    }
    message.historyId = event.historyId;
    this.history.append({
      id: event.historyId,
      atMs: event.atMs,
      heldUntilMs,
      messageId: message.id,
      threadId: message.threadId,
      labelIds: [...message.labelIds],
      change: event.kind === 'delivered' ? 'added' : event.kind === 'deleted' ? 'deleted' : 'labels',
      labelsAdded,
      labelsRemoved,
    });
    return message;
  }

  #store(event: Extract<MailboxEvent, { kind: 'delivered' }>): StoredMessage {
    const { id, threadId, raw, internalDateMs, historyId, atMs } = event;
    const labelIds = new Set(event.labelIds);
    this.#arrivedCount += 1;
    const sequence = this.#arrivedCount;
    const message = { id, threadId, raw, internalDateMs, historyId, arrivedAtMs: atMs, sequence, labelIds };
    this.messages.set(id, message);
    this.timeline.insert(message);
    this.#threads.remember(raw, threadId);
    return message;
  }
}
