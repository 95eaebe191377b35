/**
 * `npm run retry-dead [-- --id GMAIL_ID | --code ERROR_CODE] [--apply [--now]]`: gives dead messages their attempts
 * back. Lists them first; what `--apply` takes up is what it has listed. Gmail is asked by `--now` alone.
 */
import { createContext } from '../functions/context.ts';
import {
  type DeadChoice,
  type DeadMessage,
  listDead,
  readStates,
  reviveDead,
} from '../shared/db/dead-messages.ts';
import type { Mailbox } from '../shared/db/mailboxes.ts';
import { readMonitorStatus } from '../shared/db/monitor-status.ts';
import { Deadline } from '../shared/deadline.ts';
import { remediationFor } from '../shared/errors.ts';
import { ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import type { System } from '../shared/ingest/run.ts';
import { createSystem } from '../shared/ingest/system.ts';
import { assertConfigured } from '../shared/control/running-flag.ts';
import { chooseMailbox } from './choose-mailbox.ts';
import { runCommand } from './command.ts';
import { interruptibleTime } from './interruptible-time.ts';
import { counted, ON_A_DEPLOYMENT, painted, quoted, readFlags, say, untilInterrupted } from './terminal.ts';

const USAGE = `Usage: npm run retry-dead [-- OPTIONS]
Messages that failed every time are dead: they are fetched no more until they get their attempts back.
                   lists all of them, with their error and its remediation, and changes nothing
  --id GMAIL_ID    only this message; may be given several times
  --code CODE      only those with this error, gmail_refused for instance; may be given several times
  --mailbox ADDR   where the database knows several and no credentials say which
  --apply          gives them their attempts back: the next poll takes them
  --now            with --apply: runs a cycle at once (needs the Gmail credentials)

${ON_A_DEPLOYMENT}`;

/** More lines than anybody reads; the counts are of all. */
const MOST_LISTED = 200;

await runCommand(USAGE, async () => {
  const flags = readFlags(
    {
      apply: { type: 'boolean', default: false },
      code: { type: 'string', multiple: true },
      id: { type: 'string', multiple: true },
      mailbox: { type: 'string' },
      now: { type: 'boolean', default: false },
    },
    USAGE,
  );
  if (flags.now && !flags.apply) throw new Error('--now goes with --apply.');
  const choice: DeadChoice = {
    ...(flags.id && { gmailMessageIds: flags.id.map(gmailId) }),
    ...(flags.code && { errorCodes: flags.code.map(errorCode) }),
  };
  const env = { LOG_FORMAT: 'text', ...process.env, LOG_LEVEL: process.env['LOG_LEVEL'] || 'error' };
  const context = createContext(env, (line) => process.stderr.write(`${line}\n`));
  try {
    if (flags.now) assertConfigured(context.config);
    const interruption = untilInterrupted();
    const budgetMs = context.config.runBudgetSeconds * 1_000;
    const system = createSystem({ ...context, seams: interruptibleTime(interruption, budgetMs) });
    const mailbox = await chooseMailbox(system, flags.mailbox);
    const dead = await listDead(system.db, mailbox.id, choice);
    if (dead.length === 0) return await sayNone(system, mailbox, choice);
    list(mailbox, dead);
    if (!flags.apply)
      return say('\nNothing is changed yet: the same with --apply gives them their attempts back.');
    const gmailMessageIds = dead.map((one) => one.gmailMessageId);
    const revivedCount = await reviveDead(system.db, mailbox.id, { gmailMessageIds });
    say(
      `\n${counted(revivedCount, 'message')} got the attempts back. ${flags.now ? '' : await whoTakesThem(system)}`.trim(),
    );
    if (flags.now) await takeNow(system, { mailbox, gmailMessageIds, budgetMs });
  } finally {
    await context.db.close();
  }
});

function gmailId(text: string): string {
  if (/^[0-9A-Za-z_-]{1,64}$/.test(text)) return text;
  throw new Error(
    `${quoted(text)} is no message id of Gmail: 16 hexadecimal digits, as in email_ledger. Not a Message-ID header.`,
  );
}

function errorCode(text: string): string {
  if (/^[a-z_]{1,64}$/.test(text)) return text;
  throw new Error(
    `${quoted(text)} is no error code: like gmail_refused, as the list without --code names them.`,
  );
}

function list(mailbox: Mailbox, dead: readonly DeadMessage[]): void {
  say(`${counted(dead.length, 'dead message')} of ${mailbox.emailAddress}`);
  let listedCount = 0;
  for (const [code, messages] of Map.groupBy(dead, (one) => one.errorCode)) {
    say(`\n${painted('bold', code ?? 'no error noted')}: ${counted(messages.length, 'message')}`);
    const remediation = remediationFor(code);
    if (remediation !== null) say(`  ${painted('dim', remediation)}`);
    const shown = messages.slice(0, MOST_LISTED - listedCount);
    listedCount += shown.length;
    for (const one of shown) say(`  ${line(one)}`);
    if (shown.length < messages.length) say(`  and ${messages.length - shown.length} more`);
  }
}

function line({ gmailMessageId, attempts, errorDetail, diedAt }: DeadMessage): string {
  const since = diedAt === null ? '' : `, dead since ${diedAt.toISOString().slice(0, 16)}Z`;
  // The detail quotes what Gmail answered: never mail, and all the same not our own words.
  return `${gmailMessageId}  ${counted(attempts, 'attempt')}${since}${errorDetail === null ? '' : `  ${quoted(errorDetail)}`}`;
}

/** Asked for by name and not dead: what are they then? Exit code 1, because a person expected some. */
async function sayNone(system: System, mailbox: Mailbox, choice: DeadChoice): Promise<void> {
  const { gmailMessageIds: ids, errorCodes } = choice;
  if (ids === undefined && errorCodes === undefined)
    return say(`No message of ${mailbox.emailAddress} is dead.`);
  process.exitCode = 1;
  say(`No dead message of ${mailbox.emailAddress} is among those.`);
  if (ids === undefined) return;
  const states = await readStates(system.db, mailbox.id, ids);
  for (const id of ids) {
    const known = states.get(id);
    const error = known?.errorCode ? `, ${known.errorCode}` : '';
    say(`  ${id}  ${known === undefined ? 'the ledger does not know it' : `${known.state}${error}`}`);
  }
}

async function whoTakesThem({ db, config }: System): Promise<string> {
  return (await readMonitorStatus(db)).isRunning
    ? `The next poll takes them, within ${config.pollIntervalSeconds} seconds or so.`
    : 'The monitor is stopped: after POST start its poll takes them, or POST poll-now does at once.';
}

/** One cycle, then what became of each. Exit code 1 unless all of them are settled. */
async function takeNow(
  system: System,
  on: { readonly mailbox: Mailbox; readonly gmailMessageIds: readonly string[]; readonly budgetMs: number },
): Promise<void> {
  const deadline = Deadline.after(on.budgetMs, system.clock);
  // The waits of the others are kept: this is about the dead.
  const report = await ingestMailbox(system, { trigger: 'manual', deadline, ignoresWaits: false });
  const states = await readStates(system.db, on.mailbox.id, on.gmailMessageIds);
  const counts = Object.entries(Object.groupBy(states.values(), (one) => one.state))
    .map(([state, ones]) => `${ones?.length ?? 0} ${state}`)
    .sort();
  say(`After one cycle: ${counts.join(', ')}.`);
  const isWaiting = [...states].filter(([, one]) => one.state === 'pending' || one.state === 'dead');
  for (const [id, one] of isWaiting.slice(0, MOST_LISTED)) {
    if (one.errorCode !== null) say(`  ${id}  ${one.errorCode}: ${remediationFor(one.errorCode) ?? ''}`);
  }
  if (report.error !== null) throw report.error;
  if (isWaiting.length === 0) return;
  process.exitCode = 1;
  const why = report.outcome === 'busy' ? 'Another instance is at work on the mailbox and takes them. ' : '';
  say(`${why}${await whoTakesThem(system)}`);
}
