/**
 * The ingest contexts of an instance, one per mailbox that it works on. Each has an own Gmail client with its access token, and an
 * own limit of messages in flight. They share the database, the limit of large messages and the topics.
 */
import { type Database, limitTransactions } from '../db/database.ts';
import { findMailbox } from '../db/mailboxes.ts';
import { toAppError } from '../errors.ts';
import { createGmailClient } from '../gmail/gmail-client.ts';
import { onAccessRejected, resolveAccess, unreachableGmail } from '../gmail/resolve-access.ts';
import { AimdLimit } from '../limits/aimd-limit.ts';
import type { Log } from '../log.ts';
import { accessFingerprint, type MailboxAccess } from '../mailbox-access.ts';
import {
  findMailboxSettings,
  findSettingsOfMailbox,
  type MailboxSettings,
} from '../mailboxes/mailbox-settings.ts';
import { createIngestContext, type IngestContext, type IngestContextOptions } from './ingest-context.ts';
import { WorkTopic } from './work-topic.ts';

/** About 12 KB each, with its access token. A run without a kept one needs a new token, which takes most of its CPU time. */
const MAX_KEPT = 5_000;

interface Kept {
  /** Null: it could not be read, and the next invocation tries again. */
  readonly access: MailboxAccess | null;
  readonly context: IngestContext;
}

export class MailboxContexts {
  /** The first mailbox: its credentials are environment variables. */
  readonly first: IngestContext;
  /** Where due mailboxes are published; null: nowhere. */
  readonly workTopic: WorkTopic | null;
  readonly #options: IngestContextOptions;
  readonly #firstDb: Database;
  /** By the id of the settings; the last used one is last. */
  readonly #kept = new Map<number, Kept>();

  constructor(options: IngestContextOptions) {
    const { pubsubEmulatorHost, workTopic } = options.config;
    this.#options = options;
    this.first = createIngestContext(options);
    this.#firstDb = this.#limited();
    this.workTopic = workTopic === null ? null : new WorkTopic(workTopic, pubsubEmulatorHost);
  }

  /**
   * The context of an added mailbox. Its client is kept while the access is the same. Never rejects: when the access cannot be
   * read, each call to Gmail fails with the reason.
   */
  async of(settings: MailboxSettings, log: Log): Promise<IngestContext> {
    const { config } = this.first;
    try {
      const access = await resolveAccess(config, settings, this.first.clock);
      const kept = this.#kept.get(settings.id);
      if (kept?.access === access) return this.#keep(settings, kept, log);
      const rereadCredentials = () => onAccessRejected(config, settings);
      const gmail = createGmailClient({
        access,
        rootUrl: config.gmailApiRootUrl,
        tokenUrl: config.oauthTokenUrl,
        iamRootUrl: config.iamCredentialsApiRootUrl,
        random: this.first.random,
        sleep: this.first.sleep,
        onCredentialsRejected: rereadCredentials,
      });
      const credentialFingerprint = accessFingerprint(access);
      const context = this.#create({ gmail, credentialFingerprint, rereadCredentials });
      return this.#keep(settings, { access, context }, log);
    } catch (thrown) {
      const gmail = unreachableGmail(toAppError(thrown));
      const rereadCredentials = () => undefined;
      const context = this.#create({ gmail, credentialFingerprint: null, rereadCredentials });
      return this.#keep(settings, { access: null, context }, log);
    }
  }

  /** @returns null for an address that is neither the first mailbox nor an added one */
  async ofAddress(emailAddress: string, log: Log): Promise<IngestContext | null> {
    const { credentialFingerprint, db } = this.first;
    const settings = await findMailboxSettings(db, emailAddress);
    const added = settings?.access === 'environment' ? null : settings;
    if (added !== null && added.mailboxId !== null) return await this.of(added, log);
    const own = await findMailbox(db, credentialFingerprint ?? '');
    // It comes before an added mailbox with the same address, which is never read.
    if (own?.emailAddress === emailAddress.toLowerCase()) return this.ofFirst(log);
    return added === null ? null : await this.of(added, log);
  }

  /** The context of the first mailbox, while the instance works on others too. */
  ofFirst(log: Log): IngestContext {
    return { ...this.first, db: this.#firstDb, log };
  }

  /** The context of a mailbox row. @returns null for one that is neither the first mailbox nor an added one, such as a removed one */
  async ofMailbox(mailboxId: number, log: Log): Promise<IngestContext | null> {
    const { credentialFingerprint, db } = this.first;
    const settings = await findSettingsOfMailbox(db, mailboxId);
    if (settings !== null && settings.access !== 'environment') return await this.of(settings, log);
    const own = await findMailbox(db, credentialFingerprint ?? '');
    return own?.id === mailboxId ? this.ofFirst(log) : null;
  }

  /** Half of the connections for one mailbox: several run at the same time. */
  #limited(): Database {
    const { config, db } = this.first;
    return limitTransactions(db, Math.max(1, Math.floor(config.databasePoolSize / 2)));
  }

  #create(
    reached: Pick<IngestContext, 'gmail' | 'credentialFingerprint' | 'rereadCredentials'>,
  ): IngestContext {
    return {
      ...this.first,
      ...reached,
      db: this.#limited(),
      inFlight: this.#options.overrides?.inFlight ?? new AimdLimit(),
      unreleasedLeases: new Set(),
    };
  }

  #keep(settings: MailboxSettings, kept: Kept, log: Log): IngestContext {
    this.#kept.delete(settings.id);
    this.#kept.set(settings.id, kept);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
    const { config } = this.first;
    return {
      ...kept.context,
      settings,
      log,
      config: {
        ...config,
        // Label ids belong to one mailbox: that of the first one may name another label here.
        labelId: settings.label,
        initialQuery: settings.initialQuery ?? config.initialQuery,
      },
    };
  }
}
