/**
 * `npm run retry-dead [-- --id GMAIL_ID | --code ERROR_CODE] [--apply [--now] | --give-up]`: requeues dead messages, or gives
 * them up. Lists them first, and changes only what it has listed. Only `--now` calls Gmail.
 */
import { createAppContext } from '../shared/control/app-context.ts';
import { assertConfigured } from '../shared/control/running-flag.ts';
import {
  type DeadLetterSelection,
  giveUpDeadLetters,
  type ListedDeadLetter,
  listDeadLetters,
  readLedgerStates,
  requeueDeadLetters,
} from '../shared/db/dead-letters.ts';
import type { Mailbox } from '../shared/db/mailboxes.ts';
import { readMonitorStatus } from '../shared/db/monitor-status.ts';
import { Deadline } from '../shared/deadline.ts';
import { remediationFor } from '../shared/errors.ts';
import { createIngestContext, type IngestContext } from '../shared/ingest/ingest-context.ts';
import { ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import { chooseMailbox } from './support/choose-mailbox.ts';
import { runCommand } from './support/command.ts';
import { interruptibleTime } from './support/interruptible-time.ts';
import {
  counted,
  ON_A_DEPLOYMENT,
  painted,
  quoted,
  readFlags,
  say,
  untilInterrupted,
} from './support/terminal.ts';

const USAGE = `Usage: npm run retry-dead [-- OPTIONS]
Messages that failed every time are dead: they are tried again once a day for two weeks.
                   lists all of them, with their error and how to fix it, and changes nothing
  --id GMAIL_ID    only this message; may be given several times
  --code CODE      only those with this error, for example gmail_refused; may be given several times
  --mailbox ADDR   needed when the database knows several mailboxes and no credentials are set
  --apply          requeues them with all their attempts: the next poll fetches them
  --now            with --apply: runs a cycle at once (needs the Gmail credentials)
  --give-up        gives them up: they are not tried again and no longer count as failing

${ON_A_DEPLOYMENT}`;

/** The counts are of all messages. */
const MOST_LISTED = 200;

await runCommand(USAGE, async () => {
  const flags = readFlags(
    {
      apply: { type: 'boolean', default: false },
      code: { type: 'string', multiple: true },
      'give-up': { type: 'boolean', default: false },
      id: { type: 'string', multiple: true },
      mailbox: { type: 'string' },
      now: { type: 'boolean', default: false },
    },
    USAGE,
  );
  if (flags.now && !flags.apply) throw new Error('--now needs --apply.');
  if (flags['give-up'] && flags.apply) throw new Error('--give-up and --apply exclude each other.');
  const choice: DeadLetterSelection = {
    ...(flags.id && { gmailMessageIds: flags.id.map(gmailId) }),
    ...(flags.code && { errorCodes: flags.code.map(errorCode) }),
  };
  const env = { LOG_FORMAT: 'text', ...process.env, LOG_LEVEL: process.env['LOG_LEVEL'] || 'error' };
  const context = createAppContext(env, (line) => process.stderr.write(`${line}\n`));
  try {
    if (flags.now) assertConfigured(context.config);
    const interruption = untilInterrupted();
    const budgetMs = context.config.runBudgetSeconds * 1_000;
    const app = createIngestContext({ ...context, overrides: interruptibleTime(interruption, budgetMs) });
    const mailbox = await chooseMailbox(app, flags.mailbox);
    const dead = await listDeadLetters(app.db, mailbox.id, choice);
    if (dead.length === 0) return await sayNone(app, mailbox, choice);
    list(mailbox, dead);
    const gmailMessageIds = dead.map((one) => one.gmailMessageId);
    if (flags['give-up']) {
      const count = await giveUpDeadLetters(app.db, mailbox.id, { gmailMessageIds });
      return say(`\nGave up ${counted(count, 'message')}. --apply still requeues them.`);
    }
    if (!flags.apply) return say('\nNothing is changed. --apply requeues them, --give-up gives them up.');
    const requeuedCount = await requeueDeadLetters(app.db, mailbox.id, { gmailMessageIds });
    say(
      `\nRequeued ${counted(requeuedCount, 'message')}. ${flags.now ? '' : await whoTakesThem(app)}`.trim(),
    );
    if (flags.now) await takeNow(app, { mailbox, gmailMessageIds, budgetMs });
  } finally {
    await context.db.close();
  }
});

function gmailId(text: string): string {
  if (/^[0-9A-Za-z_-]{1,64}$/.test(text)) return text;
  throw new Error(
    `${quoted(text)} is not a Gmail message id (16 hexadecimal digits, as in email_ledger; not a Message-ID header).`,
  );
}

function errorCode(text: string): string {
  if (/^[a-z_]{1,64}$/.test(text)) return text;
  throw new Error(
    `${quoted(text)} is not an error code. The list without --code shows the codes, for example gmail_refused.`,
  );
}

function list(mailbox: Mailbox, dead: readonly ListedDeadLetter[]): void {
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

function line({ gmailMessageId, attemptCount, errorDetail, diedAt, givenUpAt }: ListedDeadLetter): string {
  const since = diedAt === null ? '' : `, dead since ${diedAt.toISOString().slice(0, 16)}Z`;
  // The detail quotes what Gmail answered: never mail, and all the same not our own words.
  const state = givenUpAt === null ? since : `${since}, given up`;
  return `${gmailMessageId}  ${counted(attemptCount, 'attempt')}${state}${errorDetail === null ? '' : `  ${quoted(errorDetail)}`}`;
}

/** The named messages are not dead: says what they are. Exit code 1, because the operator expected some. */
async function sayNone(app: IngestContext, mailbox: Mailbox, choice: DeadLetterSelection): Promise<void> {
  const { gmailMessageIds: ids, errorCodes } = choice;
  if (ids === undefined && errorCodes === undefined)
    return say(`No message of ${mailbox.emailAddress} is dead.`);
  process.exitCode = 1;
  say(`No dead message of ${mailbox.emailAddress} is among those.`);
  if (ids === undefined) return;
  const states = await readLedgerStates(app.db, mailbox.id, ids);
  for (const id of ids) {
    const known = states.get(id);
    const error = known?.errorCode ? `, ${known.errorCode}` : '';
    say(`  ${id}  ${known === undefined ? 'the ledger does not know it' : `${known.state}${error}`}`);
  }
}

async function whoTakesThem({ db, config }: IngestContext): Promise<string> {
  return (await readMonitorStatus(db)).isRunning
    ? `The next poll fetches them, within about ${config.pollIntervalSeconds} seconds.`
    : 'The monitor is stopped: after POST start its poll fetches them; POST poll-now fetches them at once.';
}

/** Runs one cycle and says what became of each. Exit code 1 unless all of them are resolved. */
async function takeNow(
  app: IngestContext,
  on: { readonly mailbox: Mailbox; readonly gmailMessageIds: readonly string[]; readonly budgetMs: number },
): Promise<void> {
  const deadline = Deadline.after(on.budgetMs, app.clock);
  // Other messages keep waiting for their next attempts.
  const report = await ingestMailbox(app, { trigger: 'manual', deadline, includesWaiting: false });
  const states = await readLedgerStates(app.db, on.mailbox.id, on.gmailMessageIds);
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
  const why = report.outcome === 'busy' ? 'Another instance works on the mailbox and takes them. ' : '';
  say(`${why}${await whoTakesThem(app)}`);
}
