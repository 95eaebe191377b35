/** Dead messages once the faults have ended: only those that Gmail refused all the time, and their daily retry stores them. */
import type { Fixture, SentMail } from './fixture.ts';
import type { Summary } from './summary.ts';

/** Makes their daily retry due. May run twice. @returns the violations */
export async function retryDead({ db, sent }: Fixture, summary: Summary): Promise<string[]> {
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
    .map((row) => `dead through a fault that was not its own: ${JSON.stringify(row)}`);
}

/** With a fault of Gmail in the same round, one charged failure is enough for a message that was nearly dead. */
function mayBeDead(mail: SentMail | undefined, errorCode: string): boolean {
  if (mail === undefined) return false;
  const isOfGmail = errorCode !== 'unstorable' && errorCode !== 'killed_process';
  return mail.hasLastingFault || (mail.isNearlyDead && isOfGmail);
}
