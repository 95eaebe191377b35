// A message in the emulated mailbox: its exact bytes and Gmail's metadata.

export interface StoredMessage {
  /** Gmail's id, 16 hexadecimal digits; not the Message-ID header. */
  readonly id: string;
  readonly threadId: string;
  readonly raw: Buffer;
  /** When Gmail accepted the message, epoch milliseconds. */
  readonly internalDateMs: number;
  /** When it was delivered to this mailbox, epoch milliseconds; the start of its index lag. */
  readonly arrivedAtMs: number;
  /** Increases with each delivery; orders messages with the same date. */
  readonly sequence: number;
  readonly labelIds: Set<string>;
  /** The id of the last change to this message. */
  historyId: bigint;
}
