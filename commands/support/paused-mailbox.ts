/** For a command that leaves work to the poll, which leaves out a paused mailbox. */
import type { Queryable } from '../../shared/db/database.ts';
import type { Mailbox } from '../../shared/db/mailboxes.ts';
import { readMonitorStatus } from '../../shared/db/monitor-status.ts';
import { findSettingsOfMailbox } from '../../shared/mailboxes/mailbox-settings.ts';
import { shellWord } from '../../shared/operator-commands.ts';

/** @returns what to do first, to be continued with what the poll does then; null when the mailbox is not paused */
export async function pauseText(db: Queryable, { emailAddress, id }: Mailbox): Promise<string | null> {
  if ((await findSettingsOfMailbox(db, id))?.isPaused !== true) return null;
  const resume = `npm run mailbox -- resume ${shellWord(emailAddress)}`;
  return (await readMonitorStatus(db)).isRunning
    ? `The mailbox is paused: after \`${resume}\`, the poll`
    : `The mailbox is paused and the monitor is stopped: after \`${resume}\` and POST start, the poll`;
}
