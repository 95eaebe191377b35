/**
 * Which mailbox the credentials reach. A mailbox is identified by the account of its credentials: by their fingerprint once
 * it is known, and by asking Gmail for the address when the fingerprint is unknown, at `start`, with each reconciliation,
 * and when a push names an unknown address. A call costs one unit.
 */
import type { Queryable } from '../db/database.ts';
import { assertCanBeRenamed, confirmNewMailbox } from '../db/mailbox-confirmations.ts';
import { bindAccount, type IdentifiedMailbox } from '../db/mailbox-identity.ts';
import { findMailbox } from '../db/mailboxes.ts';
import { recordIdentificationError } from '../db/monitor-status.ts';
import type { Clock } from '../deadline.ts';
import { Deadline } from '../deadline.ts';
import { AppError, isDatabaseError, toAppError } from '../errors.ts';
import type { CallContext, GmailClient } from '../gmail/gmail-client.ts';
import type { MailboxConfirmation } from '../mailbox-confirmation.ts';
import { callOutsideRun } from './call-outside-run.ts';
import type { IngestContext } from './ingest-context.ts';

/**
 * Asks Gmail for the account and binds it to its row. May run twice.
 *
 * @param renamedFrom address of a known mailbox that a person declares to be this account under its former address
 * @throws {AppError} account_unconfirmed, not_configured, of Gmail, of the database
 */
export async function identifyMailbox(
  app: IngestContext,
  call: CallContext,
  renamedFrom: string | null = null,
): Promise<IdentifiedMailbox> {
  const { gmail, fingerprint } = credentialsOf(app);
  const profile = await gmail.getProfile(call);
  const mailbox = await bindAccount(
    app.db,
    { fingerprint, emailAddress: profile.emailAddress.toLowerCase(), historyId: profile.historyId },
    app.config,
    renamedFrom,
  );
  logChange(app, mailbox);
  return mailbox;
}

/** Stores the word of a person before the account is asked for, so that it also counts while Gmail does not answer. */
async function keepConfirmation(app: IngestContext, confirmation: MailboxConfirmation): Promise<void> {
  const { fingerprint } = credentialsOf(app);
  if (confirmation.kind === 'renamed') await assertCanBeRenamed(app.db, confirmation.emailAddress);
  else await confirmNewMailbox(app.db, confirmation.emailAddress, fingerprint);
}

/**
 * Carries out what a person confirmed at `start`.
 *
 * @throws {AppError} bad_request for a mailbox that is not known, and what `identifyMailbox` throws: the person waits for
 * the effect
 */
export async function confirmMailbox(
  app: IngestContext,
  confirmation: MailboxConfirmation,
  deadline: Deadline,
): Promise<IdentifiedMailbox> {
  await keepConfirmation(app, confirmation);
  const renamedFrom = confirmation.kind === 'renamed' ? confirmation.emailAddress : null;
  return await identifyMailbox(app, await callFor(app, deadline), renamedFrom);
}

/**
 * Identifies at `start`. An error of Gmail is no reason for `start` to fail: the next run meets it and reports it.
 *
 * @returns null when the mailbox could not be identified; `status` says why
 * @throws {AppError} of the database
 */
export async function identifyAtStart(
  app: IngestContext,
  deadline: Deadline,
): Promise<IdentifiedMailbox | null> {
  try {
    return await identifyMailbox(app, await callFor(app, deadline));
  } catch (thrown) {
    const error = toAppError(thrown);
    if (isDatabaseError(error.code)) throw error;
    const known = await findMailbox(app.db, credentialsOf(app).fingerprint);
    if (known === null) await recordIdentificationError(app.db, { code: error.code, detail: error.message });
    app.log.write(error.severity, 'mailbox_identified', `The mailbox was not identified: ${error.title}`, {
      error_code: error.code,
      detail: error.message,
      remediation: error.remediation,
    });
    return null;
  }
}

/** A push for the new address comes with every change of the mailbox; one question in this time answers them all. */
const UNKNOWN_PUSH_EVERY_MS = 180_000;
const UNKNOWN_PUSH_CALL_MS = 10_000;
/** By the database object, which lives as long as the instance. */
const lastUnknownPush = new WeakMap<Queryable, number>();

/**
 * A push named an address that no mailbox has: the account may have been renamed since its last identification. Asks Gmail,
 * once in three minutes per instance, and renames the mailbox. Creates none and takes none over: that needs known
 * credentials, not a push.
 *
 * @param emailAddress as the push named it
 * @returns true when a mailbox has the address now: record the hint again
 * @throws {AppError} of the database
 */
export async function identifyAfterUnknownPush(
  app: IngestContext,
  emailAddress: string,
  deadline: Deadline,
): Promise<boolean> {
  if (app.gmail === null || app.credentialFingerprint === null || !mayAskAgain(app.db, app.clock))
    return false;
  const known = await findMailbox(app.db, app.credentialFingerprint);
  if (known === null) return false;
  const brief = Deadline.after(Math.min(UNKNOWN_PUSH_CALL_MS, deadline.remainingMs()), app.clock);
  try {
    const mailbox = await identifyMailbox(app, callOutsideRun(app, known.id, brief));
    return mailbox.emailAddress === emailAddress.toLowerCase();
  } catch (thrown) {
    const error = toAppError(thrown);
    if (isDatabaseError(error.code)) throw error;
    app.log.write('WARNING', 'push_ignored', `A push for an unknown address: ${error.title}`, {
      error_code: error.code,
      detail: error.message,
    });
    return false;
  }
}

function mayAskAgain(db: Queryable, clock: Clock): boolean {
  const now = clock();
  const last = lastUnknownPush.get(db);
  if (last !== undefined && now - last < UNKNOWN_PUSH_EVERY_MS) return false;
  lastUnknownPush.set(db, now);
  return true;
}

/** The unit is taken from the quota of the mailbox where it is known. */
async function callFor(app: IngestContext, deadline: Deadline): Promise<CallContext> {
  const known = await findMailbox(app.db, credentialsOf(app).fingerprint);
  return callOutsideRun(app, known?.id ?? null, deadline);
}

function credentialsOf(app: IngestContext): { readonly gmail: GmailClient; readonly fingerprint: string } {
  const { gmail, credentialFingerprint: fingerprint } = app;
  if (gmail === null || fingerprint === null)
    throw new AppError('not_configured', 'There are no Gmail credentials.');
  return { gmail, fingerprint };
}

const MESSAGES = {
  renamed: 'The account has a new address: the mailbox is renamed',
  taken_over: 'The mailbox has new credentials',
  created: 'A new mailbox is watched',
} as const;

function logChange({ log }: IngestContext, mailbox: IdentifiedMailbox): void {
  if (mailbox.change === 'unchanged') return;
  log.info('mailbox_identified', MESSAGES[mailbox.change], {
    mailbox_id: mailbox.id,
    email_address: mailbox.emailAddress,
    previous_address: mailbox.previousAddress,
  });
}
