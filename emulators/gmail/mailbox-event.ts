// What can happen to a mailbox, as facts: the mailbox applies them, the journal keeps them. A mailbox is
// nothing but its events in order, so a restarted emulator is the same one.

interface Happened {
  /** Epoch milliseconds. */
  atMs: number;
  historyId: bigint;
}

export type MailboxEvent =
  | { kind: 'opened'; historyId: bigint }
  | (Happened & {
      kind: 'delivered';
      id: string;
      threadId: string;
      labelIds: string[];
      /** Labels that a filter put on in the same change: the record then also says labelsAdded. */
      filterLabelIds: string[];
      internalDateMs: number;
      raw: Buffer;
    })
  | (Happened & { kind: 'labels_changed'; id: string; added: string[]; removed: string[] })
  | (Happened & { kind: 'deleted'; id: string })
  | { kind: 'label_created'; id: string; name: string }
  | { kind: 'label_deleted'; id: string }
  | { kind: 'history_expired'; floor: bigint }
  | { kind: 'watched'; watch: Watch }
  | { kind: 'unwatched' };

/** A watch as `users.watch` set it. */
export interface Watch {
  /** `projects/P/topics/T` */
  topicName: string;
  /** Only changes of messages with one of these (`include`) or none of these (`exclude`); empty = all. */
  labelIds: string[];
  labelFilterBehavior: 'include' | 'exclude';
  /** Epoch milliseconds; Gmail gives 7 days. */
  expiresAtMs: number;
}
