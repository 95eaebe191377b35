// The mailbox: messages, labels, history and watch, without HTTP.
// Invariant: every change is an event that is written to the journal before it is applied. A replay applies the same
// events, so ids and history survive a restart.

import { type Random, randomHex } from '../seeded-random.ts';
import { holdNextRecord, type IndexLag } from './index-lag.ts';
import type { Journal } from './journal.ts';
import type { MailboxEvent, Watch } from './mailbox-event.ts';
import { MailboxState } from './replayable-mailbox.ts';
import type { StoredMessage } from './stored-message.ts';
import type { Clock } from './timers.ts';

export interface DeliveryOptions {
  /** Default: `['INBOX', 'UNREAD']`. */
  labelIds?: string[];
  /** Labels that a filter adds in the same history record. */
  filterLabelIds?: string[];
  /** Default: now. */
  internalDate?: Date;
  /** Default: the thread of the message that it replies to, or its own id. */
  threadId?: string;
  /** Up to 16 hexadecimal digits. Default: a new unique id. */
  id?: string;
}

/** The result of a change to a message. */
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

/** Largest gap between two history ids. Gmail's are "not contiguous, with random gaps". */
const maxHistoryGap = 40;

export class EmulatedMailbox extends MailboxState {
  readonly #options: MailboxOptions;
  readonly #listeners: ((message: StoredMessage) => void)[] = [];

  constructor(options: MailboxOptions) {
    super(options.historyStart);
    this.#options = options;
    let isNew = true;
    for (const event of options.journal?.read() ?? []) {
      this.apply(event, 0);
      isNew = false;
    }
    if (isNew) this.#record({ kind: 'opened', historyId: options.historyStart });
  }

  /** Calls `listener` after each change to a message, with the changed message. */
  onChange(listener: (message: StoredMessage) => void): void {
    this.#listeners.push(listener);
  }

  /** @throws {Error} malformed or used id, or unknown label */
  deliver(raw: Uint8Array, options: DeliveryOptions = {}): Change & { threadId: string } {
    const id = options.id ?? this.#newId();
    if (!/^[0-9a-f]{1,16}$/.test(id)) throw new Error(`A Gmail id has up to 16 hexadecimal digits: ${id}`);
    if (this.hasSeen(id)) throw new Error(`The mailbox already has or had a message ${id}`);
    const bytes = Buffer.from(raw);
    const threadId = options.threadId ?? this.threads.find(bytes) ?? id;
    const filterLabelIds = options.filterLabelIds ?? [];
    const labelIds = [...(options.labelIds ?? ['INBOX', 'UNREAD']), ...filterLabelIds];
    this.#checkLabels(labelIds);
    const internalDateMs = options.internalDate?.getTime() ?? this.#options.clock();
    const event = { labelIds, filterLabelIds, internalDateMs, threadId, raw: bytes, ...this.#nextChange(id) };
    this.#record({ kind: 'delivered', ...event });
    return { id, threadId, historyId: event.historyId.toString() };
  }

  /**
   * Adds and removes labels. Writes no history record when no label changes.
   * @throws {Error} unknown message or label
   */
  modifyLabels(id: string, labels: { add?: string[]; remove?: string[] }): Change {
    const message = this.require(id);
    this.#checkLabels([...(labels.add ?? []), ...(labels.remove ?? [])]);
    const added = (labels.add ?? []).filter((label) => !message.labelIds.has(label));
    const removed = (labels.remove ?? []).filter((label) => message.labelIds.has(label));
    if (added.length === 0 && removed.length === 0) return { id, historyId: message.historyId.toString() };
    const change = this.#nextChange(id);
    this.#record({ kind: 'labels_changed', added, removed, ...change });
    return { id, historyId: change.historyId.toString() };
  }

  /**
   * Deletes permanently: from now on, messages.get returns 404.
   * @throws {Error} unknown message
   */
  delete(id: string): Change {
    this.require(id);
    const change = this.#nextChange(id);
    this.#record({ kind: 'deleted', ...change });
    return { id, historyId: change.historyId.toString() };
  }

  /** Returns the id of the label with this name; creates a user label if it is missing. */
  createLabel(name: string): string {
    const existing = this.labels.find(name);
    if (existing !== undefined) return existing.id;
    const id = this.labels.nextId();
    this.#record({ kind: 'label_created', id, name });
    return id;
  }

  /**
   * Deletes a user label and removes it from its messages, without a history record. A later label with the same name
   * gets a new id.
   * @throws {Error} not a user label
   */
  deleteLabel(id: string): void {
    if (this.labels.get(id)?.type !== 'user') throw new Error(`The user has no label ${id}`);
    this.#record({ kind: 'label_deleted', id });
  }

  /** Expires the history below `floor`, so that older cursors get 404. Default and maximum: the current id. */
  expireHistory(floor: bigint = this.history.current): void {
    const { current } = this.history;
    this.#record({ kind: 'history_expired', floor: floor < current ? floor : current });
  }

  setWatch(watch: Watch | null): void {
    this.#record(watch === null ? { kind: 'unwatched' } : { kind: 'watched', watch });
  }

  #nextChange(id: string): { id: string; atMs: number; historyId: bigint } {
    const gap = BigInt(1 + Math.floor(this.#options.random() * maxHistoryGap));
    return { id, atMs: this.#options.clock(), historyId: this.history.current + gap };
  }

  /** A time prefix, as in Gmail's own ids, and random digits: unique across restarts too. */
  #newId(): string {
    const time = this.#options.clock().toString(16).padStart(11, '0').slice(-11);
    let id = time + randomHex(this.#options.random, 5);
    while (this.hasSeen(id)) id = time + randomHex(this.#options.random, 5);
    return id;
  }

  #checkLabels(labelIds: string[]): void {
    const unknown = labelIds.find((id) => this.labels.get(id) === undefined);
    if (unknown !== undefined) throw new Error(`Invalid label: ${unknown}`);
  }

  /** Appends the event to the journal, applies it and notifies the listeners. */
  #record(event: MailboxEvent): void {
    this.#options.journal?.append(event);
    const heldUntilMs =
      'atMs' in event ? holdNextRecord(this.#options.indexLag, event.atMs, this.#options.random) : 0;
    const message = this.apply(event, heldUntilMs);
    if (message !== null) for (const listener of this.#listeners) listener(message);
  }
}
