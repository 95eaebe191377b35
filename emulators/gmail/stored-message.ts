// A message as the emulated mailbox holds it: the exact bytes, and what Gmail knows beside them.

export interface StoredMessage {
  /** Gmail's id, 16 hexadecimal digits; not the Message-ID header. */
  readonly id: string;
  readonly threadId: string;
  readonly raw: Buffer;
  /** When Gmail accepted the mail, epoch milliseconds. */
  readonly internalDateMs: number;
  /** When it came into this mailbox: the age by which an index lags. */
  readonly arrivedAtMs: number;
  /** Counts up with each arrival: the order among mails of the same moment. */
  readonly sequence: number;
  readonly labelIds: Set<string>;
  /** Of the last change of this message. */
  historyId: bigint;
}
