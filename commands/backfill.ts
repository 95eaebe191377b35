/**
 * `npm run backfill -- --since 2026-01-01`: fetches older email by date or by any Gmail query. The plan is in the
 * database, so the poll continues it when this command ends.
 */

import { findMailbox, type Mailbox, readAddedMailbox } from '../shared/db/mailboxes.ts';
import { AppError } from '../shared/errors.ts';
import { QUOTA_COSTS } from '../shared/gmail/quota-costs.ts';
import type { IngestContext } from '../shared/ingest/ingest-context.ts';
import { shellWord } from '../shared/operator-commands.ts';
import { backfillQuery } from './backfill/backfill-query.ts';
import { planBackfill, readBackfillOutcome, readBackfillProgress } from './backfill/backfills.ts';
import { BackfillSummary, outcomeLines } from './backfill/format-backfill.ts';
import { assertQuery, type BackfillRun, isDone, runUntilDone } from './backfill/run-backfill.ts';
import { runCommand } from './support/command.ts';
import { readFlags, UsageError } from './support/flags.ts';
import { withIngest } from './support/ingest-command.ts';
import { nextPollText } from './support/paused-mailbox.ts';
import { Progress } from './support/progress.ts';
import { counted, ON_A_DEPLOYMENT, say } from './support/terminal.ts';

const USAGE = `Usage: npm run backfill -- [--since DATE] [--until DATE] [--query QUERY] [--mailbox ADDRESS] [--plan-only]
Fetches older emails. At least one of the first three is needed; together they all apply.
  --since DATE   emails from this day on, in this machine's time zone: 2026-01-01
  --until DATE   emails up to and including this day
  --query QUERY  as in Gmail's search box: from:alice@example.com, has:attachment, in:anywhere, ...
                 Gmail reads dates in a query as midnight Pacific time: use --since, or epoch seconds (after:1767225600)
  --mailbox ADDRESS
                 an added mailbox; default: that of the three Gmail variables
  --plan-only    only plan it; the poll does the work
Ctrl-C stops it; the same command continues it. Stored emails stay stored, and live email always goes first.
Exit code: 0 everything is fetched, 1 also when a message of the mailbox keeps failing or is dead, 130 stopped.
Needs the database and the Gmail credentials of the deployment (in the environment or .env).

${ON_A_DEPLOYMENT}`;
const REFRESH_MS = 1_000;

await runCommand(USAGE, async () => {
  const flags = readFlags({
    mailbox: { type: 'string' },
    'plan-only': { type: 'boolean', default: false },
    query: { type: 'string' },
    since: { type: 'string' },
    until: { type: 'string' },
  });
  const query = backfillQuery(flags, new Date());

  const needsGmail = flags.mailbox === undefined;
  await withIngest({ needsGmail }, async ({ app: first, budgetMs, contexts, signal }) => {
    const app = flags.mailbox === undefined ? first : await contexts.ofAddress(flags.mailbox, first.log);
    if (app === null) throw new UsageError(`--mailbox names ${flags.mailbox}, which is not a mailbox.`);
    const mailbox = await requireMailbox(app);
    const jobId = await plan(app, mailbox, query).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return null;
    });
    if (jobId === null) {
      say('Stopped before anything was planned.');
      process.exitCode = 130;
      return;
    }
    if (flags['plan-only']) return say(`Planned. ${await nextPollText(app.db, 'continues it', mailbox)}.`);
    await work(app, { mailbox, jobId, budgetMs, signal });
  });
});

async function requireMailbox({ credentialFingerprint, db, settings }: IngestContext): Promise<Mailbox> {
  const mailbox =
    settings === null
      ? await findMailbox(db, credentialFingerprint ?? '')
      : ((await readAddedMailbox(db, settings.id, credentialFingerprint))?.mailbox ?? null);
  if (mailbox !== null) return mailbox;
  if (settings !== null)
    throw new Error(
      `No run has reached ${settings.emailAddress} yet. To see why: npm run doctor -- --mailbox ${shellWord(settings.emailAddress)}`,
    );
  throw new Error(
    'The database has no mailbox for these credentials yet. The first run creates it and records where its history begins.\n' +
      'Call POST start or POST poll-now once, then run this command again. (Is DATABASE_URL the database of the deployment?)',
  );
}

/** @returns the id of the list job */
async function plan(app: IngestContext, mailbox: Mailbox, query: string): Promise<number> {
  await assertQuery(app, mailbox.id, query).catch((error: unknown) => {
    if (!(error instanceof AppError && error.code === 'gmail_refused')) throw error;
    throw new Error(
      `Gmail rejects the query "${query}" (${error.message.replace(/\.$/, '')}). Nothing is planned. ` +
        "Try the query in Gmail's search box first: https://support.google.com/mail/answer/7190",
    );
  });
  const { id, isNew } = await planBackfill(app.db, mailbox.id, query);
  const { labelId } = app.config;
  say(
    `Backfill of ${mailbox.emailAddress}: ${query}${labelId === null ? '' : `, only the label ${labelId}`} ` +
      `(list job ${id}, ${isNew ? 'new' : 'continued'}). At most ${maxPerMinute(app)} messages per minute; ` +
      'live email goes first.',
  );
  const { dueCount, waitingCount } = await readBackfillProgress(app.db, id);
  const queuedCount = dueCount + waitingCount;
  if (queuedCount > 0)
    say(
      `${counted(queuedCount, 'message')} already queued; ${queuedCount === 1 ? 'it' : 'they'} will be fetched as well.`,
    );
  return id;
}

function maxPerMinute({ config }: IngestContext): number {
  return Math.floor(config.quotaUnitsPerMinute / QUOTA_COSTS['users.messages.get']);
}

interface Work {
  readonly mailbox: Mailbox;
  readonly jobId: number;
  readonly budgetMs: number;
  readonly signal: AbortSignal;
}

async function work(app: IngestContext, on: Work): Promise<void> {
  const line = new Progress();
  const summary = new BackfillSummary(await readBackfillProgress(app.db, on.jobId), maxPerMinute(app));
  const refresh = async () => {
    line.update(summary.update(await readBackfillProgress(app.db, on.jobId)));
  };
  // Errors are ignored: the run uses the same database and reports them.
  const refreshing = every(REFRESH_MS, async () => await refresh().catch(() => undefined));
  let shown = '';
  let last: BackfillRun | null = null;
  try {
    for await (const run of runUntilDone(app, on.jobId, on.budgetMs, on.signal)) {
      await refresh();
      const reason = isDone(run) ? '' : waitReason(run);
      if (reason !== shown && reason !== '') {
        line.clear();
        say(`  ${reason}`);
      }
      shown = reason;
      last = run;
    }
  } finally {
    await refreshing.stop();
    line.clear();
  }
  await (last !== null && isDone(last) ? finish(app, on, last) : stop(app, on));
}

/** Why the backfill waits; empty when it does not. */
function waitReason({ report: { error, outcome } }: BackfillRun): string {
  if (outcome === 'busy') return 'Another instance is processing the mailbox, and this backfill with it.';
  return error === null ? '' : `A run failed; the next run continues: ${error.title} (${error.message})`;
}

async function stop(app: IngestContext, on: Work): Promise<void> {
  await sayOutcome(app, on, false);
  const poll = await nextPollText(app.db, 'continues it', on.mailbox);
  say(`Stopped; nothing is lost. ${poll}. Or run the same command again.`);
  process.exitCode = 130;
}

/** Exit code 1 unless everything is stored or given up, so that a script can rely on the code. */
async function finish(app: IngestContext, on: Work, { progress }: BackfillRun): Promise<void> {
  if (progress.rejection !== null) throw new Error(`Gmail rejected the query. ${progress.rejection}`);
  const { deadCount, failingCount } = await sayOutcome(app, on, true);
  if (failingCount > 0) {
    const retries = failingCount === 1 ? 'retries it' : 'retries them';
    say(`  ${counted(failingCount, 'message')} failed. ${await nextPollText(app.db, retries, on.mailbox)}.`);
  }
  if (failingCount + deadCount > 0) process.exitCode = 1;
}

async function sayOutcome({ db }: IngestContext, { jobId }: Work, done: boolean) {
  const outcome = await readBackfillOutcome(db, jobId);
  say(outcomeLines(done, await readBackfillProgress(db, jobId), outcome));
  return outcome;
}

/** Runs never overlap. `stop` waits for the current one, so that none uses a closed database. */
function every(ms: number, step: () => Promise<void>): { stop(): Promise<void> } {
  let running = Promise.resolve();
  let isRunning = false;
  const timer = setInterval(() => {
    if (isRunning) return;
    isRunning = true;
    running = step().finally(() => {
      isRunning = false;
    });
  }, ms);
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
