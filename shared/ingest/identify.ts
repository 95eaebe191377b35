/** Which mailbox the credentials reach: asked of Gmail once for each credentials, then known by their fingerprint. */
import { adoptMailbox, findMailbox, type Mailbox } from '../db/mailboxes.ts';
import type { CallContext, GmailClient } from '../gmail/gmail-client.ts';
import type { System } from './run.ts';

/** @throws {AppError} of Gmail or of the database */
export async function identifyMailbox(
  system: System,
  gmail: GmailClient,
  fingerprint: string,
  call: CallContext,
): Promise<Mailbox> {
  const known = await findMailbox(system.db, fingerprint);
  if (known !== null) return known;
  const profile = await gmail.getProfile(call);
  const adopted = await adoptMailbox(system.db, {
    emailAddress: profile.emailAddress,
    fingerprint,
    historyId: profile.historyId,
    initialQuery: system.config.initialQuery,
  });
  system.log.info(
    'mailbox_identified',
    adopted.isNew ? 'A new mailbox is watched' : 'The mailbox has new credentials',
    {
      mailbox_id: adopted.id,
      cursor: adopted.isNew ? profile.historyId : null,
    },
  );
  return adopted;
}
