/**
 * How the functions reach a mailbox, by its settings. An instance keeps the credentials of added mailboxes for an hour, and
 * rereads them when Google rejects them, so that new ones need no deployment.
 * Invariant: the same object is returned until the credentials change, so access tokens built on it stay valid.
 */
import type { Config } from '../config.ts';
import { areSameCredentials } from '../credentials.ts';
import { type Clock, monotonicClock } from '../deadline.ts';
import { AppError } from '../errors.ts';
import { type MailboxAccess, secretPath } from '../mailbox-access.ts';
import type { GmailClient } from './gmail-client.ts';
import { readMailboxSecret } from './mailbox-secret.ts';

/** Not shorter, because each read is a paid call to Secret Manager. */
const REREAD_MS = 3_600_000;

/** The part of a mailbox's settings that decides about access. */
export interface AccessSettings {
  readonly emailAddress: string;
  readonly access: 'environment' | 'refresh_token' | 'delegation';
  /** Null unless `access` is `refresh_token`. */
  readonly secretName: string | null;
}

export type AccessConfig = Pick<
  Config,
  'gmail' | 'missingCredentials' | 'mailboxSecrets' | 'secretManagerApiRootUrl' | 'delegationServiceAccount'
>;

interface KeptAccess {
  readonly access: MailboxAccess | null;
  readonly readAtMs: number;
  readonly reading: Promise<MailboxAccess> | null;
}

/** By the path of the secret, or the delegation. */
const kept = new Map<string, KeptAccess>();

/**
 * Concurrent calls for a mailbox share one read. When Secret Manager does not answer, credentials read before stay in use.
 *
 * @throws {AppError} not_configured, mailbox_secret_missing, mailbox_secret_unreadable, delegation_not_configured,
 * google_credentials_missing, gmail_unavailable
 */
export async function resolveAccess(
  config: AccessConfig,
  settings: AccessSettings,
  clock: Clock = monotonicClock,
): Promise<MailboxAccess> {
  if (settings.access === 'environment') return accessOfEnvironment(config);
  const key = keyOf(config, settings);
  const last = kept.get(key);
  if (last?.reading) return await last.reading;
  if (last?.access && clock() - last.readAtMs < REREAD_MS) return last.access;
  const reading = readAgain(config, settings, last?.access ?? null);
  const readAtMs = clock();
  kept.set(key, { access: last?.access ?? null, readAtMs, reading });
  try {
    const access = await reading;
    kept.set(key, { access, readAtMs, reading: null });
    return access;
  } catch (error) {
    kept.delete(key);
    throw error;
  }
}

/** Google rejected the access: the next `resolveAccess` rereads it. */
export function onAccessRejected(config: AccessConfig, settings: AccessSettings): void {
  const key = keyOf(config, settings);
  const last = kept.get(key);
  if (last?.access) kept.set(key, { ...last, readAtMs: Number.NEGATIVE_INFINITY });
}

function keyOf(config: AccessConfig, settings: AccessSettings): string {
  if (settings.access === 'delegation')
    return `delegation ${config.delegationServiceAccount} ${settings.emailAddress}`;
  return `${config.secretManagerApiRootUrl} ${config.mailboxSecrets} ${settings.secretName}`;
}

async function readAgain(
  config: AccessConfig,
  settings: AccessSettings,
  last: MailboxAccess | null,
): Promise<MailboxAccess> {
  const access = await read(config, settings).catch((error: unknown) => {
    if (last !== null && error instanceof AppError && error.code === 'gmail_unavailable') return last;
    throw error;
  });
  return last !== null && isSameAccess(access, last) ? last : access;
}

async function read(config: AccessConfig, settings: AccessSettings): Promise<MailboxAccess> {
  const { emailAddress, secretName } = settings;
  if (settings.access === 'delegation') {
    const { delegationServiceAccount: serviceAccount } = config;
    if (serviceAccount === null)
      throw new AppError('delegation_not_configured', 'GMAIL_DELEGATION_SERVICE_ACCOUNT is not set.');
    return { kind: 'delegation', serviceAccount, subject: emailAddress };
  }
  if (config.mailboxSecrets === null)
    throw new AppError('mailbox_secret_missing', 'GMAIL_MAILBOX_SECRETS is not set.');
  const path = secretPath(config.mailboxSecrets, secretName ?? '');
  const credentials = await readMailboxSecret(path, config.secretManagerApiRootUrl);
  return { kind: 'refresh_token', credentials };
}

function accessOfEnvironment({ gmail, missingCredentials }: AccessConfig): MailboxAccess {
  if (gmail !== null) return { kind: 'refresh_token', credentials: gmail };
  throw new AppError('not_configured', `Not set: ${missingCredentials.join(', ')}.`);
}

function isSameAccess(a: MailboxAccess, b: MailboxAccess): boolean {
  if (a.kind === 'delegation' && b.kind === 'delegation')
    return a.serviceAccount === b.serviceAccount && a.subject === b.subject;
  return (
    a.kind === 'refresh_token' &&
    b.kind === 'refresh_token' &&
    areSameCredentials(a.credentials, b.credentials)
  );
}

/** A client for a mailbox whose access cannot be read: every call fails with the reason, and the run records it. */
export function unreachableGmail(reason: AppError): GmailClient {
  const reject = async (): Promise<never> => {
    throw reason;
  };
  return {
    getProfile: reject,
    listHistory: reject,
    listMessages: reject,
    listLabels: reject,
    getRawMessage: reject,
    getMetadata: reject,
    watch: reject,
    stopWatch: reject,
  };
}
