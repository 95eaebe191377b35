// Which conversation a mail belongs to. Gmail puts a reply into the thread of the mail that its References
// or In-Reply-To header names; here that is the whole rule.

import { parseHeaders } from './mime-headers.ts';

export class Threads {
  /** By Message-ID header. Senders reuse them; the first thread that had one keeps it. */
  readonly #byRfc822MessageId = new Map<string, string>();

  /** The thread of a mail that this one answers, if it is known. */
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
