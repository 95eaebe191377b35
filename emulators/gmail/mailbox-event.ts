// Mailbox events: the mailbox applies them and the journal stores them. Replaying the events in order restores the
// exact state of the mailbox after a restart.

interface HistoryEvent {
  /** Epoch milliseconds. */
  atMs: number;
  historyId: bigint;
}

export type MailboxEvent =
  | { kind: 'opened'; historyId: bigint }
  | (HistoryEvent & {
      kind: 'delivered';
      id: string;
      threadId: string;
      labelIds: string[];
      /** Labels that a filter added in the same change; the history record then also contains `labelsAdded`. */
      filterLabelIds: string[];
      internalDateMs: number;
      raw: Buffer;
    })
  | (HistoryEvent & { kind: 'labels_changed'; id: string; added: string[]; removed: string[] })
  | (HistoryEvent & { kind: 'deleted'; id: string })
  | { kind: 'label_created'; id: string; name: string }
  | { kind: 'label_deleted'; id: string }
  | { kind: 'history_expired'; floor: bigint }
  | { kind: 'watched'; watch: Watch }
  | { kind: 'unwatched' };

/** A watch as `users.watch` set it. */
export interface Watch {
  /** `projects/P/topics/T` */
  topicName: string;
  /**
   * Limits notifications to messages with one of these labels (`include`) or none of them (`exclude`); empty means
   * all.
   */
  labelIds: string[];
  labelFilterBehavior: 'include' | 'exclude';
  /** Epoch milliseconds. Gmail's watches last 7 days. */
  expiresAtMs: number;
}
