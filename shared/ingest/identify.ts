/** Which mailbox the credentials reach: asked of Gmail once for each credentials, then known by their fingerprint. */
import { adoptMailbox, type Mailbox } from '../db/mailboxes.ts';
import { takeQuota } from '../db/quota.ts';
import type { CallContext, GmailClient } from '../gmail/gmail-client.ts';
import { UNITS } from '../gmail/prices.ts';
import type { System } from './run.ts';

/** @throws {AppError} of Gmail or of the database */
export async function identifyMailbox(
  system: System,
  gmail: GmailClient,
  fingerprint: string,
  call: CallContext,
): Promise<Mailbox> {
  const profile = await gmail.getProfile(call);
  const adopted = await adoptMailbox(system.db, {
    emailAddress: profile.emailAddress,
    fingerprint,
    historyId: profile.historyId,
    initialQuery: system.config.initialQuery,
  });
  // Booked afterwards: before, there was no row for it. A backlog that fills its first minute would be refused a call.
  const { quotaUnitsPerMinute: unitsPerMinute } = system.config;
  const units = UNITS['users.getProfile'];
  await takeQuota(system.db, adopted.id, { least: units, most: units, unitsPerMinute });
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
