/** The commands of the actions of an operator, for curl and the log. The console's page shows buttons instead. */
import type { AdviceAction } from './schemas/actions.ts';

const COMMANDS: Readonly<Record<AdviceAction, string>> = {
  start: 'POST start.',
  stop: 'POST stop.',
  restart: 'POST stop, then POST start.',
  poll_now: 'POST poll-now.',
  reconcile_all: 'POST poll-now?reconcile=all.',
  retry_dead: 'POST poll-now?retry=dead.',
  requeue_emails:
    'Queue them again in the console, or with the SQL function `requeue_email(consumer, email_id)`.',
  confirm_mailbox:
    'For an additional mailbox: POST start?new_mailbox=ADDRESS, with its address. For a known mailbox that has a new ' +
    'address: POST start?renamed_from=ADDRESS, with its former address.',
  authorize: 'Run `npm run authorize`; for a deployment, add --secret-manager.',
};

/** For a command that an operator copies. An address may contain an apostrophe, or what a shell would execute, and a path a space. */
export function shellWord(text: string): string {
  return /^[\w@./+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Puts the address of an added mailbox into the commands of a remediation. */
export function withMailbox(text: string, address: string): string {
  return text.replaceAll('--mailbox ADDRESS', () => `--mailbox ${shellWord(address)}`);
}

/** The text followed by the command of its action. @param action null: the text needs no command */
export function withCommand(text: string, action: AdviceAction | null): string {
  return action === null ? text : `${text} ${COMMANDS[action]}`;
}
