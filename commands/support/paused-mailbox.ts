/** For a command that leaves work to the poll, which leaves out a paused mailbox and does nothing while the monitor is stopped. */
import type { Queryable } from '../../shared/db/database.ts';
import type { Mailbox } from '../../shared/db/mailboxes.ts';
import { readMonitorStatus } from '../../shared/db/monitor-status.ts';
import { isFirstMailbox } from '../../shared/mailboxes/mailbox-changes.ts';
import { findSettingsOfMailbox } from '../../shared/mailboxes/mailbox-settings.ts';
import { shellWord } from '../../shared/operator-commands.ts';

interface Obstacle {
  readonly reason: string;
  /** What the operator does before the poll works. */
  readonly remedy: string;
}

/**
 * @param does what the poll then does: `fetches them`
 * @param mailbox null: it is known that the mailbox is read
 * @returns a sentence without its full stop: what the next poll does, or what an operator has to do first
 */
export async function nextPollText(db: Queryable, does: string, mailbox: Mailbox | null): Promise<string> {
  const obstacle = mailbox === null ? null : await obstacleOf(db, mailbox);
  const stopped: Obstacle = { reason: 'monitor is stopped', remedy: 'POST start' };
  const obstacles = [
    ...(obstacle === null ? [] : [obstacle]),
    ...((await readMonitorStatus(db)).isRunning ? [] : [stopped]),
  ];
  if (obstacles.length === 0) return `The next poll ${does}`;
  const reasons = obstacles.map(({ reason }) => reason).join(' and the ');
  const remedies = obstacles.map(({ remedy }) => remedy).join(' and ');
  return `The ${reasons}: after ${remedies}, the poll ${does}`;
}

async function obstacleOf(db: Queryable, { emailAddress, id }: Mailbox): Promise<Obstacle | null> {
  const settings = await findSettingsOfMailbox(db, id);
  const command = (verb: string) => `\`npm run mailbox -- ${verb} ${shellWord(emailAddress)}\``;
  if (settings?.isPaused === true) return { reason: 'mailbox is paused', remedy: command('resume') };
  const isRead = settings !== null || (await isFirstMailbox(db, emailAddress));
  return isRead ? null : { reason: 'mailbox is not read', remedy: command('add') };
}
