/** The lookups of added mailboxes, for the operator's page. An instance keeps those that it used last, with their headers. */

import { AppError } from '../errors.ts';
import { unreachableGmail } from '../gmail/resolve-access.ts';
import type { IngestContextOptions } from '../ingest/ingest-context.ts';
import { MailboxContexts } from '../ingest/mailbox-contexts.ts';
import type { MailboxSettings } from '../mailboxes/mailbox-settings.ts';
import { MessageLookup } from './message-lookup.ts';

/** Each keeps the headers of up to 500 messages. */
const MAX_KEPT = 10;

/** Lives as long as the configuration of an instance. */
export class AddedLookups {
  readonly #contexts: MailboxContexts;
  readonly #options: IngestContextOptions;
  /** By the id of the settings; the last used one is last. */
  readonly #kept = new Map<number, { readonly gmail: unknown; readonly lookup: MessageLookup }>();

  constructor(options: IngestContextOptions) {
    this.#contexts = new MailboxContexts(options);
    this.#options = options;
  }

  /** Never rejects: when the access cannot be read, each call to Gmail fails with the reason. */
  async of(settings: MailboxSettings): Promise<MessageLookup> {
    const app = await this.#contexts.of(settings, this.#options.log);
    const gmail = app.gmail ?? unreachableGmail(new AppError('not_configured', 'The mailbox has no access.'));
    const last = this.#kept.get(settings.id);
    const lookup = last?.gmail === gmail ? last.lookup : new MessageLookup(app, gmail);
    this.#kept.delete(settings.id);
    this.#kept.set(settings.id, { gmail, lookup });
    for (const oldest of this.#kept.keys()) if (this.#kept.size > MAX_KEPT) this.#kept.delete(oldest);
    return lookup;
  }
}
