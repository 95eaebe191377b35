// The state of the mailbox: messages, labels, history and watch. It changes only through events, so that a replay of the
// journal restores it.

import { HistoryLog } from './history-log.ts';
import { Labels } from './labels.ts';
import type { MailboxEvent, Watch } from './mailbox-event.ts';
import type { StoredMessage } from './stored-message.ts';
import { Threads } from './threads.ts';
import { Timeline } from './timeline.ts';

export class MailboxState {
  readonly messages = new Map<string, StoredMessage>();
  readonly timeline = new Timeline();
  readonly labels = new Labels();
  history: HistoryLog;
  watch: Watch | null = null;

  protected readonly threads = new Threads();
  readonly #deletedIds = new Set<string>();
  #deliveredCount = 0;

  /** @param historyStart historyId of the empty mailbox */
  constructor(historyStart: bigint) {
    this.history = new HistoryLog(historyStart);
  }

  /** Whether a message with this id is or was in the mailbox. */
  hasSeen(id: string): boolean {
    return this.messages.has(id) || this.#deletedIds.has(id);
  }

  /** @throws {Error} unknown message */
  protected require(id: string): StoredMessage {
    const message = this.messages.get(id);
    if (message === undefined) throw new Error(`The mailbox has no message ${id}`);
    return message;
  }

  /**
   * Applies an event and returns the changed message, or null if the event changes no message.
   * @param heldUntilMs see `HistoryRecord`
   */
  protected apply(event: MailboxEvent, heldUntilMs: number): StoredMessage | null {
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
    const message = event.kind === 'delivered' ? this.#store(event) : this.require(event.id);
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
    this.#deliveredCount += 1;
    const sequence = this.#deliveredCount;
    const message = { id, threadId, raw, internalDateMs, historyId, arrivedAtMs: atMs, sequence, labelIds };
    this.messages.set(id, message);
    this.timeline.insert(message);
    this.threads.remember(raw, threadId);
    return message;
  }
}
