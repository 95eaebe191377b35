/** Checks dead messages after the faults have ended. Only messages that Gmail kept rejecting may be dead; a retry stores them. */
import type { Fixture, SentMail } from './fixture.ts';
import type { FaultDatabase } from './postgres.ts';
import type { Summary } from './summary.ts';

/** Makes the daily retry of all dead messages due. May run twice. @returns the violations */
export async function retryDead(
  { db, sent }: { readonly db: FaultDatabase; readonly sent: Pick<Fixture['sent'], 'get'> },
  summary: Summary,
): Promise<string[]> {
  const rows = await db.rows(
    `update email_ledger
     set next_attempt_at = now()
     where state = 'dead'
       and next_attempt_at > now()
     returning gmail_message_id as id, error_code, error_detail, attempt_count, crash_count`,
  );
  summary.dead += rows.length;
  return rows
    .filter(({ id, error_code: code }) => !mayBeDead(sent.get(id), code))
    .map((row) => `dead although the fault was not specific to this message: ${JSON.stringify(row)}`);
}

/** A message that was nearly dead may be dead after one counted failure caused by Gmail. */
function mayBeDead(mail: SentMail | undefined, errorCode: string): boolean {
  if (mail === undefined) return false;
  const isOfGmail = errorCode !== 'unstorable' && errorCode !== 'killed_process';
  return mail.hasLastingFault || (mail.isNearlyDead && isOfGmail);
}
