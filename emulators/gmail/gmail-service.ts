// An emulated Gmail with one mailbox: history, watch, quota, OAuth client, fault injection, and switches for known
// quirks of the real service. This file contains no HTTP; gmail-server.ts serves it.

import type { Random } from '../seeded-random.ts';
import { CallLog } from './call-log.ts';
import { type Change, type DeliveryOptions, EmulatedMailbox } from './emulated-mailbox.ts';
import { type BudgetKind, EmulatedQuota } from './emulated-quota.ts';
import { FaultRules } from './fault-rules.ts';
import { type IndexLag, noIndexLag } from './index-lag.ts';
import type { Journal } from './journal.ts';
import { Notifications } from './notifications.ts';
import { OAuth } from './oauth.ts';
import { type Clock, systemTimers, type Timers } from './timers.ts';

export interface EmulatedGmailOptions {
  /** Default: `orders@example.com`. */
  emailAddress?: string;
  clock?: Clock;
  timers?: Timers;
  /** Source of ids, history gaps and probabilistic faults; `seededRandom` makes a run repeatable. */
  random?: Random;
  /** Keeps the mailbox across restarts; null (the default) keeps it in memory only. */
  journal?: Journal | null;
  /** Default: 6,000, as for projects since May 2026. Null disables the quota. */
  quotaUnitsPerMinute?: number | null;
  /** Default: `window`, the strictest. */
  quotaKind?: BudgetKind;
  /** Maximum calls in flight; null (the default) means unlimited. */
  maxConcurrent?: number | null;
  /** historyId of the empty mailbox. The default is derived from the time, so that it increases across restarts. */
  historyStart?: bigint;
  /** Minimum duration of every Gmail call. */
  latencyMs?: number;
  /** Default: 3,600. */
  accessTokenSeconds?: number;
  clientId?: string;
  clientSecret?: string;
  refreshToken?: string;
  /** Space-separated scopes of the refresh token. */
  scope?: string;
  /** See `OAuthOptions`. Default: empty. */
  tokenTag?: string;
}

/** Default credentials of the OAuth client. */
export const emulatedCredentials = {
  clientId: 'emulated-client.apps.googleusercontent.com',
  clientSecret: 'emulated-client-secret',
  refreshToken: '1//emulated-refresh-token',
} as const;

export class EmulatedGmail {
  #emailAddress: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly mailbox: EmulatedMailbox;
  readonly quota: EmulatedQuota;
  readonly faults: FaultRules;
  readonly oauth: OAuth;
  readonly notifications: Notifications;
  readonly callLog = new CallLog();

  // Switches; each may be changed at any time.
  readonly indexLag: IndexLag = noIndexLag();
  /** Number of empty pages with a page token before every non-empty page of history.list. */
  emptyHistoryPages = 0;
  latencyMs: number;
  /** Whether responses are compressed for clients that accept gzip. */
  compresses = true;

  constructor(options: EmulatedGmailOptions = {}) {
    this.#emailAddress = options.emailAddress ?? 'orders@example.com';
    this.clock = options.clock ?? Date.now;
    this.timers = options.timers ?? systemTimers;
    this.random = options.random ?? Math.random;
    this.latencyMs = options.latencyMs ?? 0;
    const { clock, timers, random } = this;
    this.mailbox = new EmulatedMailbox({
      clock,
      random,
      indexLag: this.indexLag,
      journal: options.journal ?? null,
      historyStart: options.historyStart ?? BigInt(clock()) * 1000n,
    });
    this.quota = new EmulatedQuota({
      clock,
      unitsPerMinute: options.quotaUnitsPerMinute === undefined ? 6000 : options.quotaUnitsPerMinute,
      maxConcurrent: options.maxConcurrent ?? null,
      kind: options.quotaKind ?? 'window',
    });
    this.faults = new FaultRules(random);
    this.oauth = new OAuth({
      clock,
      random,
      clientId: options.clientId ?? emulatedCredentials.clientId,
      clientSecret: options.clientSecret ?? emulatedCredentials.clientSecret,
      refreshToken: options.refreshToken ?? emulatedCredentials.refreshToken,
      accessTokenSeconds: options.accessTokenSeconds ?? 3600,
      scope: options.scope ?? 'https://www.googleapis.com/auth/gmail.modify',
      tokenTag: options.tokenTag ?? '',
    });
    this.notifications = new Notifications({
      mailbox: this.mailbox,
      emailAddress: () => this.#emailAddress,
      clock,
      timers,
      random,
    });
  }

  get emailAddress(): string {
    return this.#emailAddress;
  }

  /** Changes the address, as an administrator can. Messages, history and tokens stay the same. */
  renameAccount(emailAddress: string): void {
    this.#emailAddress = emailAddress;
  }

  /** Delivers a message with exactly these bytes; unread and in the inbox by default. */
  deliver(raw: Uint8Array, options?: DeliveryOptions): Change & { threadId: string } {
    return this.mailbox.deliver(raw, options);
  }

  /** Saves a draft as Gmail's autosave does: a new message replaces the previous one, which is deleted. */
  saveDraft(raw: Uint8Array, previousId?: string): Change & { threadId: string } {
    const threadId = previousId === undefined ? undefined : this.mailbox.messages.get(previousId)?.threadId;
    const saved = this.deliver(raw, { labelIds: ['DRAFT'], ...(threadId !== undefined && { threadId }) });
    if (previousId !== undefined) this.delete(previousId);
    return saved;
  }

  modifyLabels(id: string, labels: { add?: string[]; remove?: string[] }): Change {
    return this.mailbox.modifyLabels(id, labels);
  }

  markRead(id: string): Change {
    return this.modifyLabels(id, { remove: ['UNREAD'] });
  }

  archive(id: string): Change {
    return this.modifyLabels(id, { remove: ['INBOX'] });
  }

  trash(id: string): Change {
    return this.modifyLabels(id, { add: ['TRASH'], remove: ['INBOX'] });
  }

  /** Deletes the message permanently, as emptying the trash does. */
  delete(id: string): Change {
    return this.mailbox.delete(id);
  }

  /** Returns the id of the user label with this name; creates the label if it is missing. */
  createLabel(name: string): string {
    return this.mailbox.createLabel(name);
  }

  /** Removes the label from the mailbox and its messages. A later label with the same name gets a new id. */
  deleteLabel(id: string): void {
    this.mailbox.deleteLabel(id);
  }

  /** From now on, history.list returns 404 for every cursor below `floor` (default: the current historyId). */
  expireHistory(floor?: bigint): void {
    this.mailbox.expireHistory(floor);
  }

  /** Expires the watch, as after seven days without renewal. Notifications stop until the next `watch` call. */
  expireWatch(): void {
    const { watch } = this.mailbox;
    if (watch !== null) this.mailbox.setWatch({ ...watch, expiresAtMs: this.clock() });
  }

  /** The current historyId. */
  get historyId(): string {
    return this.mailbox.history.current.toString();
  }

  /** Revokes refresh and access tokens at once. Refreshes fail with `invalid_grant` until `reauthorize`. */
  revokeRefreshToken(): void {
    this.oauth.revokeRefreshTokens();
  }

  reauthorize(refreshToken: string): void {
    this.oauth.reauthorize(refreshToken);
  }

  expireAccessTokens(): void {
    this.oauth.expireAccessTokens();
  }

  /** Resets counters and the call log. Messages, switches and the current quota window stay. */
  resetCounters(): void {
    this.callLog.reset();
    this.quota.resetCounters();
    this.faults.countByKind = {};
    this.notifications.resetCounts();
  }
}
