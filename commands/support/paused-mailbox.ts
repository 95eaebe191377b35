/** For a command that leaves work to the poll, which leaves out a paused mailbox. */
import type { Queryable } from '../../shared/db/database.ts';
import type { Mailbox } from '../../shared/db/mailboxes.ts';
import { findSettingsOfMailbox } from '../../shared/mailboxes/mailbox-settings.ts';
import { shellWord } from '../../shared/operator-commands.ts';

/** @returns what to do first, to be continued with what the poll does then; null when the mailbox is not paused */
export async function pauseText(db: Queryable, { emailAddress, id }: Mailbox): Promise<string | null> {
  const isPaused = (await findSettingsOfMailbox(db, id))?.isPaused === true;
  return isPaused
    ? `The mailbox is paused: after \`npm run mailbox -- resume ${shellWord(emailAddress)}\`, the poll`
    : null;
}
