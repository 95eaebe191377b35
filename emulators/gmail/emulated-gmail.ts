// An emulated Gmail: one mailbox with its history, watch, quota, OAuth client and switches for everything
// that goes wrong with the real one. `npm start` runs on it, and so do the tests. No HTTP here: server.ts.

import { CallLog } from './call-log.ts';
import { Faults } from './faults.ts';
import { type IndexLag, noIndexLag } from './index-lag.ts';
import type { Journal } from './journal.ts';
import { type Change, type DeliveryOptions, Mailbox } from './mailbox.ts';
import { Notifications } from './notifications.ts';
import { OAuth } from './oauth.ts';
import { type BudgetKind, Quota } from './quota.ts';
import type { Random } from './random.ts';
import { type Clock, systemTimers, type Timers } from './timers.ts';

export { type RunningGmail, startEmulatedGmail } from './server.ts';

export interface EmulatedGmailOptions {
  /** `orders@example.com` unless given. */
  emailAddress?: string;
  clock?: Clock;
  timers?: Timers;
  /** Ids, gaps and chances draw from it; a seed (random.ts) repeats a run. */
  random?: Random;
  /** Keeps the mailbox across restarts; null = it lives in memory only. */
  journal?: Journal | null;
  /** 6,000 unless given, as for projects since May 2026; null = no quota. */
  quotaUnitsPerMinute?: number | null;
  /** `window` unless given, which is the stricter. */
  quotaKind?: BudgetKind;
  /** Calls in flight; null (unless given) = unlimited. */
  maxConcurrent?: number | null;
  /** historyId of the empty mailbox; made from the time unless given, so that it rises across restarts. */
  historyStart?: bigint;
  /** Every Gmail call takes at least this long. */
  latencyMs?: number;
  /** 3,600 unless given. */
  accessTokenSeconds?: number;
  clientId?: string;
  clientSecret?: string;
  refreshToken?: string;
  /** Space-separated scopes of the refresh token. */
  scope?: string;
}

/** What the mailbox's OAuth client is called when nothing else is said. */
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
  readonly mailbox: Mailbox;
  readonly quota: Quota;
  readonly faults: Faults;
  readonly oauth: OAuth;
  readonly notifications: Notifications;
  readonly callLog = new CallLog();

  // Switches, free to be turned at any time.
  readonly indexLag: IndexLag = noIndexLag();
  /** Empty pages, each with a token, before every page of history.list that holds something. */
  emptyHistoryPages = 0;
  latencyMs: number;
  /** Answers are compressed for a client that accepts it. */
  compresses = true;

  constructor(options: EmulatedGmailOptions = {}) {
    this.#emailAddress = options.emailAddress ?? 'orders@example.com';
    this.clock = options.clock ?? Date.now;
    this.timers = options.timers ?? systemTimers;
    this.random = options.random ?? Math.random;
    this.latencyMs = options.latencyMs ?? 0;
    const { clock, timers, random } = this;
    this.mailbox = new Mailbox({
      clock,
      random,
      indexLag: this.indexLag,
      journal: options.journal ?? null,
      historyStart: options.historyStart ?? BigInt(clock()) * 1000n,
    });
    this.quota = new Quota({
      clock,
      unitsPerMinute: options.quotaUnitsPerMinute === undefined ? 6000 : options.quotaUnitsPerMinute,
      maxConcurrent: options.maxConcurrent ?? null,
      kind: options.quotaKind ?? 'window',
    });
    this.faults = new Faults(random);
    this.oauth = new OAuth({
      clock,
      random,
      clientId: options.clientId ?? emulatedCredentials.clientId,
      clientSecret: options.clientSecret ?? emulatedCredentials.clientSecret,
      refreshToken: options.refreshToken ?? emulatedCredentials.refreshToken,
      accessTokenSeconds: options.accessTokenSeconds ?? 3600,
      scope: options.scope ?? 'https://www.googleapis.com/auth/gmail.modify',
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

  /** An administrator gives the account another address: same mail, same history, same tokens. */
  renameAccount(emailAddress: string): void {
    this.#emailAddress = emailAddress;
  }

  /** A mail arrives: exactly these bytes, in the inbox and unread unless the options say otherwise. */
  deliver(raw: Uint8Array, options?: DeliveryOptions): Change & { threadId: string } {
    return this.mailbox.deliver(raw, options);
  }

  /** A draft is saved: each autosave is a new message, and the one before it is deleted. */
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

  /** For good, as when the trash is emptied. */
  delete(id: string): Change {
    return this.mailbox.delete(id);
  }

  /** The id of the user's label of that name, made when it is missing. */
  createLabel(name: string): string {
    return this.mailbox.createLabel(name);
  }

  /** The label is gone from the mailbox and its messages; made again under its name, it has another id. */
  deleteLabel(id: string): void {
    this.mailbox.deleteLabel(id);
  }

  /** Every cursor below `floor` (the present historyId unless given) answers 404 from now on. */
  expireHistory(floor?: bigint): void {
    this.mailbox.expireHistory(floor);
  }

  /** The watch has run out, as after seven days without renewal: no notification until the next one. */
  expireWatch(): void {
    const { watch } = this.mailbox;
    if (watch !== null) this.mailbox.setWatch({ ...watch, expiresAtMs: this.clock() });
  }

  /** The present historyId. */
  get historyId(): string {
    return this.mailbox.history.current.toString();
  }

  /** Refresh and access tokens die at once: `invalid_grant` until somebody authorizes again. */
  revokeRefreshToken(): void {
    this.oauth.revokeRefreshTokens();
  }

  reauthorize(refreshToken: string): void {
    this.oauth.reauthorize(refreshToken);
  }

  expireAccessTokens(): void {
    this.oauth.expireAccessTokens();
  }

  /** Counters and call log back to zero; mail, switches and the running minute of the quota stay. */
  resetCounters(): void {
    this.callLog.reset();
    this.quota.resetCounters();
    this.faults.countByKind = {};
    this.notifications.resetCounts();
  }
}
