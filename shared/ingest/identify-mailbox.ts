/**
 * Determines which mailbox the credentials belong to. A known credential fingerprint identifies it without a call. Gmail
 * is asked for the address (1 unit) when the fingerprint is unknown, at `start`, with each reconciliation, and when a push
 * names an unknown address.
 */
import type { Queryable } from '../db/database.ts';
import { findMailbox } from '../db/mailboxes.ts';
import { recordMonitorError } from '../db/monitor-status.ts';
import { Deadline } from '../deadline.ts';
import { AppError, isDatabaseError, toAppError } from '../errors.ts';
import type { CallContext } from '../gmail/gmail-client.ts';
import type { MailboxConfirmation } from '../mailbox-confirmation.ts';
import { assertCanBeRenamed, confirmNewMailbox } from '../mailboxes/mailbox-confirmations.ts';
import { bindAccount, type IdentifiedMailbox } from '../mailboxes/mailbox-identity.ts';
import { callOutsideRun } from './call-outside-run.ts';
import { type IngestContext, requireGmail } from './ingest-context.ts';

const CHANGE_MESSAGES = {
  renamed: 'The account has a new address: the mailbox is renamed',
  taken_over: 'The mailbox has new credentials',
  created: 'A new mailbox is monitored',
} as const;

/**
 * Asks Gmail for the account and binds it to its row. May run twice.
 *
 * @param renamedFrom address of a known mailbox that the operator declares to be the former address of this account
 * @throws {AppError} account_unconfirmed, account_added, wrong_account, not_configured, Gmail errors, database errors
 */
export async function identifyMailbox(
  app: IngestContext,
  call: CallContext,
  renamedFrom: string | null = null,
): Promise<IdentifiedMailbox> {
  const profile = await requireGmail(app).getProfile(call);
  const mailbox = await bindAccount(
    app.db,
    {
      fingerprint: fingerprintOf(app),
      emailAddress: profile.emailAddress.toLowerCase(),
      historyId: profile.historyId,
      settings: app.settings,
    },
    app.config,
    renamedFrom,
  ).catch((error: unknown) => {
    // Gmail accepts the credentials of another account, so this instance would keep them for an hour.
    if (error instanceof AppError && error.code === 'wrong_account') app.rereadCredentials();
    throw error;
  });
  if (mailbox.change !== 'unchanged')
    app.log.info('mailbox_identified', CHANGE_MESSAGES[mailbox.change], {
      mailbox_id: mailbox.id,
      email_address: mailbox.emailAddress,
      previous_address: mailbox.previousAddress,
    });
  return mailbox;
}

/**
 * Applies the operator's confirmation at `start`.
 *
 * @throws {AppError} bad_request for an unknown mailbox, and what `identifyMailbox` throws, because the operator waits for
 *   the result
 */
export async function confirmMailbox(
  app: IngestContext,
  confirmation: MailboxConfirmation,
  deadline: Deadline,
): Promise<IdentifiedMailbox> {
  const renamedFrom = confirmation.kind === 'renamed' ? confirmation.emailAddress : null;
  // Before Gmail is asked, so that the confirmation also counts while Gmail does not answer.
  if (renamedFrom !== null) await assertCanBeRenamed(app.db, renamedFrom);
  else await confirmNewMailbox(app.db, confirmation.emailAddress, fingerprintOf(app));
  return await identifyMailbox(app, await callFor(app, deadline), renamedFrom);
}

/**
 * Identifies the mailbox at `start`. A Gmail error does not fail `start`: the next run hits the same error and reports it.
 *
 * @returns null when the mailbox could not be identified; `status` says why
 * @throws {AppError} database errors
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
    const known = await findMailbox(app.db, fingerprintOf(app));
    if (known === null) await recordMonitorError(app.db, error, { isRun: false });
    const message = `The mailbox was not identified: ${error.title}`;
    app.log.write(error.severity, 'mailbox_identified', message, error.logFields);
    return null;
  }
}

/** After a rename every change of the mailbox causes a push for the new address. One call per interval is enough. */
const UNKNOWN_PUSH_EVERY_MS = 180_000;
const UNKNOWN_PUSH_CALL_MS = 10_000;
/** Keyed by the database object, which lives as long as the instance. */
const lastUnknownPush = new WeakMap<Queryable, number>();

/**
 * Handles a push for an address that no mailbox has: the account may have been renamed since its last identification. Asks
 * Gmail at most once per three minutes and instance, and renames the mailbox. Does nothing without a mailbox of these
 * credentials, so a push creates no mailbox and takes none over.
 *
 * @param emailAddress as the push named it
 * @returns true when a mailbox now has the address: record the hint again
 * @throws {AppError} database errors
 */
export async function identifyAfterUnknownPush(
  app: IngestContext,
  emailAddress: string,
  deadline: Deadline,
): Promise<boolean> {
  if (app.gmail === null || app.credentialFingerprint === null || !isCallAllowed(app)) return false;
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

function isCallAllowed({ clock, db }: IngestContext): boolean {
  const now = clock();
  const last = lastUnknownPush.get(db);
  if (last !== undefined && now - last < UNKNOWN_PUSH_EVERY_MS) return false;
  lastUnknownPush.set(db, now);
  return true;
}

/** The unit is taken from the quota of the mailbox if it is known. */
async function callFor(app: IngestContext, deadline: Deadline): Promise<CallContext> {
  const known = await findMailbox(app.db, fingerprintOf(app));
  return callOutsideRun(app, known?.id ?? null, deadline);
}

function fingerprintOf({ credentialFingerprint }: IngestContext): string {
  if (credentialFingerprint !== null) return credentialFingerprint;
  throw new AppError('not_configured', 'There are no Gmail credentials.');
}
