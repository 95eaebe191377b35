/**
 * `npm run retry-dead [-- --id GMAIL_ID | --code ERROR_CODE] [--apply [--now] | --give-up]`: lists dead messages, and
 * requeues them or gives them up. It changes only messages that it has listed. Only `--now` calls Gmail.
 */
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
import { Deadline } from '../shared/deadline.ts';
import { remediationForMessage } from '../shared/errors.ts';
import type { IngestContext } from '../shared/ingest/ingest-context.ts';
import { ingestMailbox } from '../shared/ingest/ingest-mailbox.ts';
import { chooseMailbox } from './support/choose-mailbox.ts';
import { runCommand } from './support/command.ts';
import { invalidArgument, readFlags, UsageError } from './support/flags.ts';
import { withIngest } from './support/ingest-command.ts';
import { nextPollText } from './support/paused-mailbox.ts';
import { counted, ON_A_DEPLOYMENT, painted, quoted, say } from './support/terminal.ts';

const USAGE = `Usage: npm run retry-dead [-- OPTIONS]
Lists dead messages, and requeues them or gives them up. A message is dead when all its attempts have failed; it is then
retried once per day for two weeks.
                   lists all of them, with error and remediation, and changes nothing
  --id GMAIL_ID    only this message; may be repeated
  --code CODE      only messages with this error, for example gmail_refused; may be repeated
  --mailbox ADDR   needed when the database has several mailboxes and no credentials are set
  --apply          requeue them with all their attempts; the next poll fetches them
  --now            with --apply: fetch them now, in one run (needs the Gmail credentials)
  --give-up        give them up: they are not retried and no longer count as failing

${ON_A_DEPLOYMENT}`;

/** Counts always include all messages. */
const MAX_LISTED = 200;

await runCommand(USAGE, async () => {
  const flags = readFlags({
    apply: { type: 'boolean', default: false },
    code: { type: 'string', multiple: true },
    'give-up': { type: 'boolean', default: false },
    id: { type: 'string', multiple: true },
    mailbox: { type: 'string' },
    now: { type: 'boolean', default: false },
  });
  if (flags.now && !flags.apply) throw new UsageError('--now needs --apply.');
  if (flags['give-up'] && flags.apply) throw new UsageError('--give-up and --apply exclude each other.');
  const selection: DeadLetterSelection = {
    ...(flags.id && { gmailMessageIds: flags.id.map(gmailId) }),
    ...(flags.code && { errorCodes: flags.code.map(errorCode) }),
  };
  const needsGmail = flags.now && flags.mailbox === undefined;
  await withIngest({ needsGmail }, async ({ app, budgetMs, contexts }) => {
    const mailbox = await chooseMailbox(app, flags.mailbox);
    const dead = await listDeadLetters(app.db, mailbox.id, selection);
    if (dead.length === 0) return await explainNone(app, mailbox, selection);
    list(mailbox, dead);
    const gmailMessageIds = dead.map((one) => one.gmailMessageId);
    const others = (flags.id ?? []).filter((id) => !gmailMessageIds.includes(id));
    if (others.length > 0) {
      say('\nNo dead message matches:');
      await explainIds(app, mailbox, others);
    }
    if (flags['give-up']) {
      const count = await giveUpDeadLetters(app.db, mailbox.id, { gmailMessageIds });
      return say(`\nGave up ${counted(count, 'message')}. --apply can still requeue them.`);
    }
    if (!flags.apply) return say('\nNothing was changed. --apply requeues them, --give-up gives them up.');
    const own = flags.now ? await contexts.ofMailbox(mailbox.id, app.log) : null;
    if (flags.now && own === null)
      throw new Error(
        `--now cannot fetch for ${mailbox.emailAddress}: the mailbox was removed, or its credentials are not set here. Nothing was changed.`,
      );
    const requeuedCount = await requeueDeadLetters(app.db, mailbox.id, { gmailMessageIds });
    const requeued = `\nRequeued ${counted(requeuedCount, 'message')}.`;
    if (own === null) return say(`${requeued} ${await nextFetchText(app, mailbox)}`);
    say(requeued);
    await fetchNow(own, { mailbox, gmailMessageIds, budgetMs });
  });
});

function gmailId(text: string): string {
  if (/^[0-9A-Za-z_-]{1,64}$/.test(text)) return text;
  throw invalidArgument(
    '--id',
    text,
    'a Gmail message id (16 hexadecimal digits, as in email_ledger; not a Message-ID header)',
  );
}

function errorCode(text: string): string {
  if (/^[a-z_]{1,64}$/.test(text)) return text;
  throw invalidArgument(
    '--code',
    text,
    'an error code such as gmail_refused; without --code, the list shows them',
  );
}

function list(mailbox: Mailbox, dead: readonly ListedDeadLetter[]): void {
  say(`${counted(dead.length, 'dead message')} of ${mailbox.emailAddress}`);
  let listedCount = 0;
  for (const [code, messages] of Map.groupBy(dead, (one) => one.errorCode)) {
    say(`\n${painted('bold', code ?? 'no error recorded')}: ${counted(messages.length, 'message')}`);
    say(`  ${painted('dim', remediationForMessage(code, true))}`);
    const shown = messages.slice(0, MAX_LISTED - listedCount);
    listedCount += shown.length;
    for (const one of shown) say(`  ${formatMessage(one)}`);
    if (shown.length < messages.length) say(`  and ${messages.length - shown.length} more`);
  }
}

function formatMessage({
  gmailMessageId,
  attemptCount,
  errorDetail,
  diedAt,
  givenUpAt,
}: ListedDeadLetter): string {
  const since = diedAt === null ? '' : `, dead since ${diedAt.toISOString().slice(0, 16)}Z`;
  // The detail quotes Gmail's response. It contains no email content, but it is text from outside.
  const state = givenUpAt === null ? since : `${since}, given up`;
  return `${gmailMessageId}  ${counted(attemptCount, 'attempt')}${state}${errorDetail === null ? '' : `  ${quoted(errorDetail)}`}`;
}

/** None of the messages is dead. Exit code 1 if the operator selected any. */
async function explainNone(
  app: IngestContext,
  mailbox: Mailbox,
  selection: DeadLetterSelection,
): Promise<void> {
  const { gmailMessageIds: ids, errorCodes } = selection;
  if (ids === undefined && errorCodes === undefined)
    return say(`No message of ${mailbox.emailAddress} is dead.`);
  say(`No dead message of ${mailbox.emailAddress} matches.`);
  await explainIds(app, mailbox, ids ?? []);
}

/** Prints the state of messages that the operator selected and that are left out. Exit code 1. */
async function explainIds(app: IngestContext, mailbox: Mailbox, ids: readonly string[]): Promise<void> {
  process.exitCode = 1;
  const states = await readLedgerStates(app.db, mailbox.id, ids);
  for (const id of ids) {
    const known = states.get(id);
    const error = known?.errorCode ? `, ${known.errorCode}` : '';
    say(`  ${id}  ${known === undefined ? 'not in the ledger' : `${known.state}${error}`}`);
  }
}

async function nextFetchText({ db }: IngestContext, mailbox: Mailbox): Promise<string> {
  return `${await nextPollText(db, 'fetches them', mailbox)}.`;
}

/** Makes one run and prints the resulting state of each message. Exit code 1 unless all are resolved. */
async function fetchNow(
  app: IngestContext,
  on: { readonly mailbox: Mailbox; readonly gmailMessageIds: readonly string[]; readonly budgetMs: number },
): Promise<void> {
  if (app.gmail === null) assertConfigured(app.config);
  const deadline = Deadline.after(on.budgetMs, app.clock);
  // Other messages keep waiting for their next attempts.
  const report = await ingestMailbox(app, { trigger: 'manual', deadline, includesWaiting: false });
  const states = await readLedgerStates(app.db, on.mailbox.id, on.gmailMessageIds);
  const counts = Object.entries(Object.groupBy(states.values(), (one) => one.state))
    .map(([state, ones]) => `${ones?.length ?? 0} ${state}`)
    .sort();
  say(`After one run: ${counts.join(', ')}.`);
  const isWaiting = [...states].filter(([, one]) => one.state === 'pending' || one.state === 'dead');
  for (const [id, one] of isWaiting.slice(0, MAX_LISTED)) {
    if (one.errorCode !== null)
      say(`  ${id}  ${one.errorCode}: ${remediationForMessage(one.errorCode, one.state === 'dead')}`);
  }
  if (report.error !== null) throw report.error;
  if (isWaiting.length === 0) return;
  process.exitCode = 1;
  const busy =
    report.outcome === 'busy' ? 'Another instance is processing the mailbox and fetches them. ' : '';
  say(`${busy}${await nextFetchText(app, on.mailbox)}`);
}
