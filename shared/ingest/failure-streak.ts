/**
 * Messages of a run that failed one after another, none succeeding between, for reasons that need not be theirs.
 * Beyond a length it is not the messages: it is an outage, and none of them is charged for it. The streak goes on
 * from one look for live mail to the next, because the retries of a few messages alone outlast a look.
 */
const OUTAGE_LENGTH = 8;

export class FailureStreak {
  #charged: string[] = [];
  #length = 0;

  get isOutage(): boolean {
    return this.#length >= OUTAGE_LENGTH;
  }

  /** To be refunded in an outage: an id for each attempt that was counted. */
  get charged(): readonly string[] {
    return this.#charged;
  }

  failed(gmailMessageId: string, isCharged: boolean): void {
    this.#length += 1;
    if (isCharged) this.#charged.push(gmailMessageId);
  }

  /** What is still in flight when the outage shows may succeed: it remains one. */
  succeeded(): void {
    if (this.isOutage) return;
    this.#length = 0;
    this.#charged = [];
  }
}
