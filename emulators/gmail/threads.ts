// Assigns messages to threads. A reply joins the thread of the message in its References or In-Reply-To header. Gmail
// has more rules; the emulator has only this one.

import { parseHeaders } from './mime-headers.ts';

export class Threads {
  /** Thread ids by Message-ID header. Senders reuse Message-IDs; the first thread keeps the id. */
  readonly #byRfc822MessageId = new Map<string, string>();

  /** The thread of the message that this one replies to; undefined if unknown. */
  find(raw: Buffer): string | undefined {
    const headers = parseHeaders(raw);
    const referred = `${headers.get('references') ?? ''} ${headers.get('in-reply-to') ?? ''}`;
    for (const messageId of (referred.match(/<[^<>\s]+>/g) ?? []).reverse()) {
      const threadId = this.#byRfc822MessageId.get(messageId);
      if (threadId !== undefined) return threadId;
    }
    return undefined;
  }

  remember(raw: Buffer, threadId: string): void {
    const messageId = parseHeaders(raw).get('message-id')?.trim();
    if (messageId !== undefined && !this.#byRfc822MessageId.has(messageId)) {
      this.#byRfc822MessageId.set(messageId, threadId);
    }
  }
}
